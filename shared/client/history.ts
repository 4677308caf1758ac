import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { holdsData } from '../command/redact-words.ts';
import { homeOf, readPrivate, writePrivate } from './home.ts';
import type { Host } from './host.ts';

interface HistoryFile {
  readonly path: string;
  readonly sha256: string;
}

/** A command that was sent from here: what `rerun` sends again. */
interface Entry {
  readonly id: string;
  readonly url: string;
  readonly cluster: string;
  /** Undefined where a word held data, which may be a secret: that is not kept. */
  readonly argv?: readonly string[] | undefined;
  readonly at: string;
  readonly cwd: string;
  readonly files: readonly HistoryFile[];
  /** It read standard input, which is not kept. */
  readonly stdin: boolean;
  readonly reason?: string | undefined;
}

const KEPT = 500;

const pathOf = ({ env }: Pick<Host, 'env'>): string => join(homeOf(env), 'history.json');

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What was sent from here, newest first. */
export function readHistory(host: Pick<Host, 'env'>): readonly Entry[] {
  const text = readPrivate(pathOf(host));
  if (text === undefined) return [];
  try {
    const entries: unknown = JSON.parse(text);
    return Array.isArray(entries) ? (entries as Entry[]) : [];
  } catch {
    return []; // of no use any more, and no reason to run nothing
  }
}

/** Notes a command, or leaves it out where the folder cannot be written: a command matters more than its note. */
export function note(entry: Entry, host: Pick<Host, 'env'>): void {
  const { argv, ...rest } = entry;
  const secret = argv !== undefined && holdsData(argv);
  try {
    writePrivate(pathOf(host), `${JSON.stringify([secret ? rest : entry, ...readHistory(host)].slice(0, KEPT))}\n`);
  } catch {
    // as above
  }
}
