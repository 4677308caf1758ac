import { createHash } from 'node:crypto';
import type { Cluster, Discovered } from '../config/config.ts';
import type { ExtraResource } from '../kubernetes/extra-resource.ts';
import type { GatewayContext } from './context.ts';

/** How long this process goes by what it read of the records. */
const READ_MS = 60_000;

/** As it is kept: one custom resource a line of `rows`. */
export interface Kept {
  readonly at: number;
  /** The configuration that it was read under: a changed scope is disputed until another one is in force. */
  readonly config: string;
  readonly rows: readonly string[];
  readonly disputed: readonly string[];
  readonly cut: boolean;
  /** A command found that it is not so any more. */
  readonly stale?: true | undefined;
}

/** What was read of a cluster; undefined where nothing is to be, or was yet. */
export async function discoveredOf(
  { records, clock, discovered }: Pick<GatewayContext, 'records' | 'clock' | 'discovered'>,
  cluster: Cluster,
): Promise<Discovered | undefined> {
  if (!cluster.discover) return undefined;
  const key = keyOf(cluster);
  const known = discovered.get(key);
  const now = clock.monotonic();
  if (known && now - known.readAt < READ_MS) return known.is;
  const kept = readKept((await records.getNote(noteOf(cluster)))?.text);
  // The same object while it says the same: catalogs are kept by it.
  const is = kept && (known?.is?.at === kept.at ? known.is : toDiscovered(kept));
  discovered.set(key, { readAt: now, is });
  return is;
}

export const keyOf = ({ arm }: Cluster): string =>
  createHash('sha256').update(arm.id.toLowerCase()).digest('hex').slice(0, 32);
export const noteOf = (cluster: Cluster): string => `discovered.${keyOf(cluster)}`;

export function fromRow(row: string): ExtraResource {
  const [group = '', resource = '', kind = '', scope = '', version = '', shorts = ''] = row.split('|');
  return { group, resource, kind, version, namespaced: scope === 'N', shortNames: shorts.split(' ').filter(Boolean) };
}

export function readKept(text: string | undefined): Kept | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Kept);
}

const toDiscovered = ({ at, rows, disputed, cut }: Kept): Discovered => ({
  at,
  resources: rows.map(fromRow),
  disputed,
  cut,
});
