import type { CommandOutput } from '../store/records.ts';

const NEWLINE = 10;

/** The first or last `count` lines of each stream; the last line may be without its newline. */
export function cutLines(output: CommandOutput, from: 'head' | 'tail', count: number): CommandOutput {
  const cut = from === 'head' ? firstLines : lastLines;
  return { stdout: cut(output.stdout, count), stderr: cut(output.stderr, count) };
}

function firstLines(bytes: Uint8Array, count: number): Uint8Array {
  let end = 0;
  for (let line = 0; line < count; line++) {
    const newline = bytes.indexOf(NEWLINE, end);
    if (newline === -1) return bytes;
    end = newline + 1;
  }
  return bytes.subarray(0, end);
}

function lastLines(bytes: Uint8Array, count: number): Uint8Array {
  // What ends the last line begins no other.
  let start = bytes.at(-1) === NEWLINE ? bytes.byteLength - 1 : bytes.byteLength;
  for (let line = 0; line < count; line++) {
    if (start <= 0) return bytes;
    const newline = bytes.lastIndexOf(NEWLINE, start - 1);
    if (newline === -1) return bytes;
    start = newline;
  }
  return bytes.subarray(start + 1);
}
