import { printable, printableJson } from '../lib/safe-text.ts';

interface Output {
  write(chunk: Uint8Array | string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The part of a process that the wrapper uses. */
export interface Host {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  readonly stdout: Output;
  /** Aborts when the reader of standard output has gone. */
  readonly readerGone?: AbortSignal;
  readonly stderr: Output;
  cwd(): string;
  /** Aborts at Ctrl-C. */
  readonly signal?: AbortSignal;
  /** Waits; a test's own in place of the clock. */
  readonly sleep?: (ms: number) => Promise<unknown>;
  /** Resolves with true at the next Ctrl-C, with false when the time is over. Absent where nobody can press it. */
  readonly secondInterrupt?: (ms: number) => Promise<boolean>;
}

/** What a gateway says, within a line of the wrapper's own. */
export const oneLine = (text: string): string => text.replace(/[\r\n\t]+/g, ' ');

/** A line of the wrapper's own, for a person. Whoever's words are in it, no terminal obeys them (CVE-2021-25743). */
export function tell({ stderr }: Pick<Host, 'stderr'>, text: string): void {
  stderr.write(printable(`aksgw: ${text}\n`));
}

/** What a command of the wrapper's own answers. A pipe too gets nothing that a terminal would obey: `| less` ends in one. */
export function answer({ stdout }: Pick<Host, 'stdout'>, text: string): number {
  stdout.write(printable(text.endsWith('\n') || text === '' ? text : `${text}\n`));
  return 0;
}

/** The same as JSON. */
export function answerJson({ stdout }: Pick<Host, 'stdout'>, value: object): number {
  stdout.write(`${printableJson(value)}\n`);
  return 0;
}

/** Red where a person sees it and wants colours (no-color.org). `text` is printable already. */
export const red = ({ env, stderr }: Pick<Host, 'env' | 'stderr'>, text: string): string =>
  stderr.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb' ? `\u001b[31m${text}\u001b[0m` : text;
