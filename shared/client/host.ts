/** The part of a process that the wrapper uses. */
export interface Host {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  readonly stdout: { write(chunk: Uint8Array | string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(chunk: Uint8Array | string): unknown; readonly isTTY?: boolean };
  cwd(): string;
  /** Aborts at Ctrl-C. */
  readonly signal?: AbortSignal;
}
