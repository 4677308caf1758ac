import { hash } from 'node:crypto';
import type { AppendLog } from '../store/append-log.ts';
import type { Head } from './chain.ts';
import { GENESIS, hashLine } from './chain.ts';
import { eventCodes } from './events.ts';
import { startTime } from './stream-name.ts';

/** As many streams are looked at as may plausibly be alive together; each looked at its predecessors in its turn. */
const MAX_HEADS = 32;
/** A stream whose name lies further ahead than this does not push a living one out of the newest. */
const FUTURE_MS = 24 * 60 * 60_000;

/** What a stream's end looks like now. */
export interface SeenHead {
  readonly head: Head;
  /** Its last line says that it ended: no second look is needed. Verification decides whether that is true. */
  readonly final: boolean;
}

interface SeenHeadsOptions {
  /** The stream that looks. */
  readonly own?: string | undefined;
  /** Spares streams that ended a second look. */
  readonly known?: ReadonlyMap<string, SeenHead> | undefined;
  /** Epoch ms. */
  readonly now: number;
}

/**
 * The ends of the newest other streams: what makes the loss of a whole stream, or of its end, show in the others. Rejects with
 * StorageUnavailable.
 */
export async function seenHeads(
  log: AppendLog,
  { own, known = new Map(), now }: SeenHeadsOptions,
): Promise<ReadonlyMap<string, SeenHead>> {
  const others = (await log.streams())
    .filter((stream) => stream !== own && startTime(stream) < now + FUTURE_MS)
    .slice(-MAX_HEADS);
  const heads = await Promise.all(
    others.map(async (stream) => {
      const before = known.get(stream);
      return before?.final ? before : await seenHead(log, stream);
    }),
  );
  return new Map(heads.map((seen) => [seen.head.stream, seen]));
}

export async function seenHead(log: AppendLog, stream: string): Promise<SeenHead> {
  const { last, torn } = await log.tail(stream);
  const rest = torn && { bytes: torn.bytes.length, sha256: hash('sha256', torn.bytes, 'hex') };
  if (!last) return { head: { stream, seq: -1, hash: GENESIS, torn: rest }, final: false };
  const { seq, final } = endMembers(last.text);
  return { head: { stream, seq, hash: hashLine(last.bytes), torn: rest }, final: final && !rest };
}

/** A stream that somebody damaged must not keep the next process from starting: it is seen as it is, and verification says so. */
function endMembers(text: string): { readonly seq: number; readonly final: boolean } {
  try {
    const { seq, code, final } = (JSON.parse(text) ?? {}) as { seq?: unknown; code?: unknown; final?: unknown };
    return {
      seq: typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 0 ? seq : -1,
      final: final === true && code === eventCodes['batch.signed'],
    };
  } catch {
    return { seq: -1, final: false };
  }
}
