import type { Findings, Place } from './findings.ts';

/** Somebody's word that a stream had a line with this seq and hash. */
export interface Claim {
  readonly stream: string;
  readonly seq: number;
  readonly hash: string;
  /** Where the word comes from, for the finding. */
  readonly by: string;
  /** True when whoever could change the stream could not change this: another stream's checkpoint, a pin, a receipt, a copy. */
  readonly outside: boolean;
}

export interface Claims {
  /** Before or while streams are read; those of streams that were read already wait for a second look. */
  add(claim: Claim): void;
  /** Compares a line that is being read. */
  line(stream: string, seq: number, hash: string, place: Place): void;
  /** A stream was read to its end. */
  end(stream: string, lastSeq: number): void;
  /** The claims that only a second look can settle, by stream; taken out. */
  late(): ReadonlyMap<string, ReadonlyMap<number, readonly Claim[]>>;
  /** Judges what is left once there is nothing more to read. */
  finish(): void;
  /** The highest seq of the stream that something outside it has seen and that is still there; -1 for none. */
  witnessed(stream: string): number;
}

/** `partial`: lines and streams that are not there are no finding. */
export function createClaims(findings: Findings, partial: boolean): Claims {
  const open = new Map<string, Map<number, Claim[]>>();
  const ends = new Map<string, number>();
  const witnesses = new Map<string, number>();
  let late = new Map<string, Map<number, Claim[]>>();

  const put = (into: Map<string, Map<number, Claim[]>>, claim: Claim): void => {
    const stream = into.get(claim.stream) ?? new Map<number, Claim[]>();
    into.set(claim.stream, stream);
    const same = stream.get(claim.seq) ?? [];
    stream.set(claim.seq, same);
    // Many checkpoints say the same of a stream that stands still.
    if (!same.some(({ hash, outside }) => hash === claim.hash && outside === claim.outside)) same.push(claim);
  };

  const settle = (claim: Claim, hash: string, place: Place): void => {
    if (claim.hash === hash) {
      if (claim.outside) witnesses.set(claim.stream, Math.max(witnesses.get(claim.stream) ?? -1, claim.seq));
    } else {
      findings.add('history-replaced', place, `${claim.by} saw another line here (hash ${claim.hash.slice(0, 16)}…)`);
    }
  };

  const cut = (claim: Claim, lastSeq: number): void => {
    const { stream, seq, by } = claim;
    if (!partial) findings.add('tail-cut', { stream, seq }, `${by} saw seq ${seq}, but the stream ends at ${lastSeq}`);
  };

  return {
    add: (claim) => {
      if (claim.seq === -1) {
        if (!ends.has(claim.stream)) put(open, claim);
        return;
      }
      const end = ends.get(claim.stream);
      if (end === undefined) put(open, claim);
      else if (claim.seq > end) cut(claim, end);
      else put(late, claim);
    },
    line: (stream, seq, hash, place) => {
      const claims = open.get(stream);
      const here = claims?.get(seq);
      if (!here) return;
      claims?.delete(seq);
      for (const claim of here) settle(claim, hash, place);
    },
    end: (stream, lastSeq) => {
      ends.set(stream, lastSeq);
      for (const [seq, claims] of open.get(stream) ?? []) {
        if (seq > lastSeq) for (const claim of claims) cut(claim, lastSeq);
        // A line that should have been here: a gap, which the chain has named.
        else if (seq >= 0 && !partial) for (const claim of claims) settle(claim, 'no such line', { stream, seq });
      }
      open.delete(stream);
    },
    late: () => {
      const taken = late;
      late = new Map();
      for (const [stream, claims] of taken) open.set(stream, claims);
      return taken;
    },
    finish: () => {
      if (partial) return;
      for (const [stream, claims] of open) {
        const seq = Math.max(...claims.keys());
        const by = claims.get(seq)?.[0]?.by ?? 'Something';
        findings.add('stream-missing', { stream, seq }, `${by} saw this stream; it is not there`);
      }
    },
    witnessed: (stream) => witnesses.get(stream) ?? -1,
  };
}
