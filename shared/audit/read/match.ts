import type { JsonObject } from '../../lib/canonical-json.ts';
import type { LogLine } from '../../store/append-log.ts';
import { hashLine } from '../chain.ts';

export interface EventQuery {
  /** Epoch ms, inclusive. */
  readonly since?: number | undefined;
  /** Epoch ms, exclusive. */
  readonly until?: number | undefined;
  /** An object id, or `<tenant id>:<object id>`. */
  readonly principal?: string | undefined;
  /** A cluster's name. */
  readonly cluster?: string | undefined;
  /** `AKG300I`. */
  readonly code?: string | undefined;
  readonly command?: string | undefined;
  readonly requestId?: string | undefined;
  /** Exactly as the caller claimed it: of the lines that stand for a request. */
  readonly requestedBy?: string | undefined;
  /** Oldest first unless told. */
  readonly order?: 'asc' | 'desc' | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** So many lines are looked at for one page at most: a query that finds nothing answers in bounded time, with a cursor. */
  readonly maxScanned?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An event as it stands in the trail, with its line's hash. */
export type AuditItem = JsonObject & { readonly hash: string };

export interface Page<T> {
  readonly items: readonly T[];
  /** Absent at the end of what there is. A page may have fewer items than asked, even none, and still a next. */
  readonly next?: string | undefined;
}

interface Subject {
  readonly principal?: { readonly tid?: unknown; readonly oid?: unknown };
  readonly cluster?: { readonly name?: unknown };
}

interface Claimed {
  readonly claimed?: { readonly requestedBy?: unknown };
}

/** The item, if the line is one that was asked for. Most lines are turned away by their bytes, without a parse. */
export function createMatcher({
  principal,
  cluster,
  code,
  command,
  requestId,
  requestedBy,
}: EventQuery): (line: LogLine) => AuditItem | undefined {
  const [oid, tid] = principal?.split(':').toReversed() ?? [];
  // In canonical JSON a member is spelt in one way only, and never inside a string, where its quotes are escaped.
  const spelt = (name: string, value: string | undefined): readonly Buffer[] =>
    value === undefined ? [] : [Buffer.from(`"${name}":${JSON.stringify(value)}`, 'utf8')];
  const needles = [
    ...spelt('code', code),
    ...spelt('commandId', command),
    ...spelt('oid', oid),
    ...spelt('name', cluster),
    ...spelt('requestId', requestId),
    ...spelt('requestedBy', requestedBy),
  ];
  return (line) => {
    if (!needles.every((needle) => line.bytes.includes(needle))) return undefined;
    const item = parseItem(line);
    if (!item) return undefined;
    const own = item as AuditItem & Subject & { readonly whose?: Subject } & Claimed;
    const who = own.principal ?? own.whose?.principal;
    const where = own.cluster ?? own.whose?.cluster;
    const asked =
      (code === undefined || own['code'] === code) &&
      (command === undefined || own['commandId'] === command) &&
      (requestId === undefined || own['requestId'] === requestId) &&
      (requestedBy === undefined || own.claimed?.requestedBy === requestedBy) &&
      (cluster === undefined || where?.name === cluster) &&
      (oid === undefined || who?.oid === oid) &&
      (tid === undefined || who?.tid === tid);
    return asked ? item : undefined;
  };
}

/** A damaged line is verification's business: a query passes over it. */
function parseItem(line: LogLine): AuditItem | undefined {
  try {
    return Object.assign(JSON.parse(line.text) as JsonObject, { hash: hashLine(line.bytes) });
  } catch {
    return undefined;
  }
}
