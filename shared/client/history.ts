import { createHash } from 'node:crypto';
import { renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { holdsData } from '../command/redact-words.ts';
import { appendPrivate, homeOf, readPrivate } from './home.ts';
import type { Host } from './host.ts';
import { whileLocked } from './lock.ts';

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

/** Then the file becomes the older of two. */
const FULL_BYTES = 512 * 1024;

const pathOf = ({ env }: Pick<Host, 'env'>): string => join(homeOf(env), 'history.jsonl');
const olderOf = (path: string): string => path.replace(/\.jsonl$/, '.older.jsonl');

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What was sent from here, newest first. */
export function readHistory(host: Pick<Host, 'env'>): readonly Entry[] {
  const path = pathOf(host);
  // In this order: what another process makes the older file meanwhile is read twice, and not missed.
  return [path, olderOf(path)].flatMap((file) => (readPrivate(file) ?? '').split('\n').flatMap(entryOf).toReversed());
}

/** No entry where a line is not whole, or not one: of no use any more, and no reason to run nothing. */
function entryOf(line: string): readonly Entry[] {
  if (line === '') return [];
  try {
    const entry: unknown = JSON.parse(line);
    return isEntry(entry) ? [entry] : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  const { id, url, cluster, cwd, files, argv } = (value ?? {}) as Record<string, unknown>;
  return (
    [id, url, cluster, cwd].every((text) => typeof text === 'string') &&
    Array.isArray(files) &&
    (argv === undefined || (Array.isArray(argv) && argv.every((word) => typeof word === 'string')))
  );
}

/** Notes a command, or leaves it out where the folder cannot be written: a command matters more than its note. */
export async function note(entry: Entry, host: Pick<Host, 'env'>): Promise<void> {
  const { argv, ...rest } = entry;
  const secret = argv !== undefined && holdsData(argv);
  const path = pathOf(host);
  try {
    // The first newline ends a line that a process was killed over.
    appendPrivate(path, `\n${JSON.stringify(secret ? rest : entry)}\n`);
    if (isFull(path)) await whileLocked(path, {}, () => void (isFull(path) && renameSync(path, olderOf(path))));
  } catch {
    // as above
  }
}

const isFull = (path: string): boolean => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > FULL_BYTES;
