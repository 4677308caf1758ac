/**
 * A place to which lines are added and never changed: one stream for each process (spec: "One append-only stream per process").
 * Two kinds, local files and Azure append blobs, held to one contract suite (test/store/append-log-contract.ts).
 */
export interface AppendLog {
  /** Opens a new stream for writing; a stream's name is used once. */
  open(stream: string): Promise<AppendStream>;
  /** Every stream there is, oldest first. */
  streams(): Promise<readonly string[]>;
  /** The lines of a stream in order, without their newline; the last may be torn. Bounded memory. */
  read(stream: string, from?: Position): AsyncIterable<LogLine>;
}

export interface AppendStream {
  /**
   * Resolves once the line is durable, in call order. Group commit: lines handed in while a write is under way go out
   * together. Rejects with StorageUnavailable when it is certain or possible that the line is not there.
   */
  append(line: string): Promise<Position>;
  close(): Promise<void>;
}

/** Where a line starts: opaque to callers, ordered within a stream. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

export interface LogLine {
  readonly text: string;
  readonly position: Position;
  /** False for a last line without its newline: a crash in the middle of a write. */
  readonly complete: boolean;
}

/** The store could not do it: nothing may be run on the strength of it. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable';
}
