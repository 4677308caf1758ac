/**
 * A place to which lines are added and never changed: one stream for each process (one append-only stream per process).
 * Two kinds, local files and Azure append blobs, held to one contract suite (test/store/append-log-contract.ts).
 */
export interface AppendLog {
  /** Opens a new stream for writing; a stream's name is used once. Names: `isStreamName`. Rejects with StorageUnavailable. */
  open(stream: string): Promise<AppendStream>;
  /** Every stream, in the order of names: names that start with a time make that oldest first. */
  streams(): Promise<readonly string[]>;
  /** Everything else in the place, so that no reader skips it in silence. */
  strangers(): Promise<readonly Stranger[]>;
  /** The lines of a stream in order, without their newline; the last may be torn. Bounded memory. */
  read(stream: string, from?: Position): AsyncIterable<LogLine>;
  /** The end of a stream without reading the rest. */
  tail(stream: string): Promise<StreamTail>;
  /** A stream's segments, oldest first: for a reader that looks for a time. */
  segments(stream: string): Promise<readonly Segment[]>;
  /** Keeps a small text under a name, once for all: gives the text that stands there, the caller's or an earlier one. */
  keepOnce(name: string, text: string): Promise<string>;
}

/** Something in the place of a log that is not part of a stream. */
export interface Stranger {
  readonly name: string;
  /** `link`: not a regular file. `name`: not a segment's name. `gap`: a segment before it is missing. */
  readonly why: 'link' | 'name' | 'gap';
}

export interface AppendStream {
  /**
   * Resolves with the first line's place once all the lines are durable: one batch, one write. Batches go out in call order, one
   * at a time. Rejects with StorageUnavailable when a line is or may be missing, or when the store no longer holds what was
   * written before; from then on the stream takes nothing more, since what follows a doubtful line would be doubtful too.
   */
  append(lines: readonly string[]): Promise<Position>;
  /** Rejects with StorageUnavailable when the store no longer holds exactly what was written: removed, moved, cut, replaced. */
  check(): Promise<void>;
  /** The store's own clock at its last answer (epoch ms), where the store tells it. */
  storeTime(): number | undefined;
  /** Waits for what was handed in. */
  close(): Promise<void>;
}

/** Where a line starts: opaque to callers, ordered within a stream. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

/** A piece of a stream; its lines have Positions with its number. */
export interface Segment {
  readonly segment: number;
  readonly bytes: number;
}

export interface LogLine {
  /** UTF-8, without the newline. A view: copy what is kept for long. */
  readonly bytes: Buffer;
  readonly text: string;
  readonly position: Position;
  /** False for a last line without its newline: a crash in the middle of a write. */
  readonly complete: boolean;
}

export interface StreamTail {
  readonly last?: LogLine | undefined;
  /** What stands after the last newline. */
  readonly torn?: LogLine | undefined;
}

/** The store could not do it: nothing may be run on the strength of it. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable';
}

/** Safe as a file's and as a blob's name, on every system; no dots, which separate the segment. */
export const isStreamName = (name: string): boolean => /^[a-z0-9][a-z0-9-]{0,99}$/.test(name);
