import type { Findings, LinePlace } from './findings.ts';

/** A living stream has a checkpoint each minute: one whose last signature is older than this is dead, or was cut. */
export const ALIVE_MS = 2 * 60_000;

/** A record, which a writer of the stream cannot reach, that it had a line with this seq and hash. */
export interface Witness {
  readonly stream: string;
  readonly seq: number;
  readonly hash: string;
  /** `head`: in a signed line of another stream. `copy`: in the second place, which follows each batch. */
  readonly kind: 'head' | 'state' | 'receipt' | 'copy';
  /** Where the word comes from, for the finding. */
  readonly by: string;
  /** When it was seen so, epoch ms. */
  readonly at: number;
}

/** What is known of a stream's end from outside it. */
export interface EndWitness {
  /** The highest seq that was seen and is still there; -1 for none. */
  readonly upTo: number;
  /** The same of heads, and of state files that saw it stand still, alone, and when that was last seen. */
  readonly head: { readonly seq: number; readonly at: number };
  /** The same of copies, and the time of that line. */
  readonly copy: { readonly seq: number; readonly wall: number };
}

export interface Witnesses {
  /** Before or while streams are read; those of streams that were read already wait for a second look. */
  add(witness: Witness): void;
  /** Compares a line that is being read; `wall`: its time, epoch ms. */
  line(stream: string, seq: number, hash: string, wall: number, place: LinePlace): void;
  /** A stream was read to its end. */
  end(stream: string, lastSeq: number): void;
  /** Those that only a second look can settle, by stream; taken out. */
  late(): ReadonlyMap<string, ReadonlyMap<number, readonly Witness[]>>;
  /** Judges what is left once there is nothing more to read. */
  finish(): void;
  of(stream: string): EndWitness;
}

interface Context {
  readonly findings: Findings;
  /** An export: missing lines and streams are not findings. */
  readonly partial: boolean;
  readonly open: Map<string, Map<number, Witness[]>>;
  readonly ends: Map<string, number>;
  readonly settled: Map<string, EndWitness>;
  late: Map<string, Map<number, Witness[]>>;
}

export function createWitnesses(findings: Findings, partial: boolean): Witnesses {
  const context: Context = {
    findings,
    partial,
    open: new Map(),
    ends: new Map(),
    settled: new Map(),
    late: new Map(),
  };
  return {
    add: (witness) => add(context, witness),
    line: (stream, seq, hash, wall, place) => {
      const witnesses = context.open.get(stream);
      const here = witnesses?.get(seq);
      if (!here) return;
      witnesses?.delete(seq);
      for (const witness of here) settle(context, witness, hash, wall, place);
    },
    end: (stream, lastSeq) => end(context, stream, lastSeq),
    late: () => {
      const taken = context.late;
      context.late = new Map();
      for (const [stream, witnesses] of taken) context.open.set(stream, witnesses);
      return taken;
    },
    finish: () => finish(context),
    of: (stream) => context.settled.get(stream) ?? unseen,
  };
}

const unseen: EndWitness = { upTo: -1, head: { seq: -1, at: 0 }, copy: { seq: -1, wall: 0 } };

function add(context: Context, witness: Witness): void {
  const { stream, seq } = witness;
  const end = context.ends.get(stream);
  if (end === undefined) put(context.open, witness);
  else if (seq === -1) settleEmpty(context, witness, end);
  else if (seq > end) cut(context, witness, end);
  else put(context.late, witness);
}

function put(into: Map<string, Map<number, Witness[]>>, witness: Witness): void {
  const stream = into.get(witness.stream) ?? new Map<number, Witness[]>();
  into.set(witness.stream, stream);
  const same = stream.get(witness.seq) ?? [];
  stream.set(witness.seq, same);
  // Many checkpoints say the same of a stream that stands still: the latest counts.
  const before = same.findIndex(({ hash, kind }) => hash === witness.hash && kind === witness.kind);
  if (before === -1) same.push(witness);
  else if ((same[before]?.at ?? 0) < witness.at) same[before] = witness;
}

function settle(context: Context, witness: Witness, hash: string, wall: number, place: LinePlace): void {
  const { stream, seq, kind, at, by } = witness;
  if (witness.hash !== hash) {
    context.findings.add('history-replaced', place, `${by} saw another line here (hash ${witness.hash.slice(0, 16)}…)`);
    return;
  }
  const before = context.settled.get(stream) ?? unseen;
  // A state file that was written while the stream lived says nothing of its end.
  const isHead = kind === 'head' || (kind === 'state' && at - wall >= ALIVE_MS);
  context.settled.set(stream, {
    upTo: Math.max(before.upTo, seq),
    head: isHead ? later(before.head, { seq, at }) : before.head,
    copy: kind === 'copy' && seq > before.copy.seq ? { seq, wall } : before.copy,
  });
}

const later = (a: EndWitness['head'], b: EndWitness['head']): EndWitness['head'] =>
  b.seq > a.seq || (b.seq === a.seq && b.at > a.at) ? b : a;

/** A stream that was seen without a line, and has none. */
function settleEmpty(context: Context, { stream, seq, at }: Witness, end: number): void {
  if (end !== -1) return;
  const before = context.settled.get(stream) ?? unseen;
  context.settled.set(stream, { ...before, head: later(before.head, { seq, at }) });
}

function cut({ findings, partial }: Context, { stream, seq, by }: Witness, lastSeq: number): void {
  if (!partial) findings.add('tail-cut', { stream, seq }, `${by} saw seq ${seq}, but the stream ends at ${lastSeq}`);
}

function end(context: Context, stream: string, lastSeq: number): void {
  context.ends.set(stream, lastSeq);
  for (const [seq, witnesses] of context.open.get(stream) ?? [])
    for (const witness of witnesses) {
      if (seq === -1) settleEmpty(context, witness, lastSeq);
      else if (seq > lastSeq) cut(context, witness, lastSeq);
      // A line that should have been here: a gap, which the chain has named.
      else if (!context.partial) settle(context, witness, 'no such line', 0, { stream, seq });
    }
  context.open.delete(stream);
}

function finish({ open, partial, findings }: Context): void {
  if (partial) return;
  for (const [stream, witnesses] of open) {
    const seq = Math.max(...witnesses.keys());
    const by = witnesses.get(seq)?.[0]?.by ?? 'Something';
    findings.add('stream-missing', { stream, seq }, `${by} saw this stream; it is not there`);
  }
}
