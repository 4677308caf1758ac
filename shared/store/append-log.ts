/**
 * A place to which lines are added and never changed: one stream for each process (spec: "One append-only stream per process").
 * Two kinds, local files and Azure append blobs, held to one contract suite (test/store/append-log-contract.ts).
 */
export interface AppendLog {
  /** Opens a new stream for writing; a stream's name is used once. Names: `isStreamName`. Rejects with StorageUnavailable. */
  open(stream: string): Promise<AppendStream>;
  /**
   * Every stream there is, in the order of their names: names that start with a time make that oldest first. With
   * `modifiedSince` (epoch ms, the store's clock) only those written to since then.
   */
  streams(options?: { readonly modifiedSince?: number | undefined }): Promise<readonly string[]>;
  /** The lines of a stream in order, without their newline; the last may be torn. Bounded memory. */
  read(stream: string, from?: Position): AsyncIterable<LogLine>;
  /** The end of a stream without reading the rest. */
  tail(stream: string): Promise<StreamTail>;
  /** A stream's segments, oldest first: for a reader that looks for a time. */
  segments(stream: string): Promise<readonly Segment[]>;
}

export interface AppendStream {
  /**
   * Resolves once the line is durable, in call order. Group commit: lines handed in while a write is under way go out
   * together. Rejects with StorageUnavailable when it is certain or possible that the line is not there; from then on the
   * stream takes nothing more, since what follows a doubtful line would be doubtful too. The caller bounds what is waiting.
   */
  append(line: string): Promise<Position>;
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
