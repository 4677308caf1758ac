import { hash } from 'node:crypto';
import type { AppendLog } from '../../store/append-log.ts';
import type { Head } from '../chain.ts';
import { GENESIS, hashLine } from '../chain.ts';
import { eventCodes } from '../events.ts';

/** As many streams are looked at as may plausibly be alive together; each looked at its predecessors in its turn. */
const MAX_HEADS = 32;

/** What a stream's end looks like now; undefined for one without any whole line. */
export interface SeenHead {
  readonly head: Head;
  readonly closed: boolean;
}

/**
 * The ends of the newest streams other than `own`: what makes the loss of a whole stream, or of its end, show in the others.
 * `known` spares closed streams a second look. Rejects with StorageUnavailable.
 */
export async function seenHeads(
  log: AppendLog,
  own: string,
  known: ReadonlyMap<string, SeenHead> = new Map(),
): Promise<ReadonlyMap<string, SeenHead>> {
  const others = (await log.streams()).filter((stream) => stream !== own).slice(-MAX_HEADS);
  const heads = await Promise.all(
    others.map(async (stream) => {
      const before = known.get(stream);
      return before?.closed ? before : await seenHead(log, stream);
    }),
  );
  return new Map(heads.filter((seen) => seen !== undefined).map((seen) => [seen.head.stream, seen]));
}

export async function seenHead(log: AppendLog, stream: string): Promise<SeenHead> {
  const { last, torn } = await log.tail(stream);
  const rest = torn && { bytes: torn.bytes.length, sha256: hash('sha256', torn.bytes, 'hex') };
  if (!last) return { head: { stream, seq: -1, hash: GENESIS, torn: rest }, closed: false };
  const { seq, code } = lastMembers(last.text);
  return {
    head: { stream, seq, hash: hashLine(last.bytes), torn: rest },
    closed: code === eventCodes['stream.closed'] && !rest,
  };
}

/** A stream that somebody damaged must not keep the next process from starting: it is seen as it is, and verification says so. */
function lastMembers(text: string): { readonly seq: number; readonly code: unknown } {
  try {
    const { seq, code } = (JSON.parse(text) ?? {}) as { seq?: unknown; code?: unknown };
    return { seq: typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 0 ? seq : -1, code };
  } catch {
    return { seq: -1, code: undefined };
  }
}
