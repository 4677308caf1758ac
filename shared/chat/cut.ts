/** Lines that are shown of a long text: its beginning and its end, and how many are left out between them. */
export interface Ends {
  readonly head: readonly string[];
  readonly tail: readonly string[];
  readonly leftOut: number;
}

/** How much of each end of an output is looked at: more never fits into a message. */
const LOOKED_AT = 8 * 1024;
const NEWLINE = 10;

/** The ends of what a command printed: stdout, then stderr. Large outputs are not decoded as a whole. */
export function endsOf(parts: readonly Uint8Array[]): Ends {
  const texts = parts.filter(({ byteLength }) => byteLength > 0);
  const size = texts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (size <= 2 * LOOKED_AT) return { head: linesOf(texts.map(decode).join('')), tail: [], leftOut: 0 };
  const first = texts[0] ?? new Uint8Array();
  const last = texts.at(-1) ?? new Uint8Array();
  const head = linesOf(decode(first.subarray(0, LOOKED_AT)));
  const tail = linesOf(decode(last.subarray(Math.max(0, last.byteLength - LOOKED_AT))));
  const lines = texts.reduce((sum, bytes) => sum + countLines(bytes), 0);
  return { head, tail, leftOut: Math.max(1, lines - head.length - tail.length) };
}

const decode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
const linesOf = (text: string): string[] => text.replace(/\r?\n$/, '').split('\n');

function countLines(bytes: Uint8Array): number {
  let lines = bytes.at(-1) === NEWLINE ? 0 : 1;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/** At most `room` characters of the lines, each as `shown` has it: as many of the end as of the beginning. */
export function fit({ head, tail, leftOut }: Ends, room: number, shown: (line: string) => string): string {
  const whole = head.map(shown).join('\n');
  if (leftOut === 0 && whole.length <= room) return whole;
  const lines = leftOut === 0 ? head : [...head, ...tail];
  const half = Math.floor((room - MARK_ROOM) / 2);
  const first = take(lines, half, shown);
  const last = take(lines.slice(first.length).toReversed(), half, shown).toReversed();
  const missing = leftOut + lines.length - first.length - last.length;
  return [...first, `… ${missing} ${missing === 1 ? 'line' : 'lines'} left out …`, ...last].join('\n');
}

const MARK_ROOM = 40;

function take(lines: readonly string[], room: number, shown: (line: string) => string): string[] {
  const taken: string[] = [];
  let left = room;
  for (const line of lines) {
    const text = shown(line);
    // A line that has no room by itself is cut, so that something of it is seen.
    const fitting =
      text.length + 1 <= left || taken.length > 0 ? text : shown(line.slice(0, Math.floor(left / 12))) + '…';
    if (fitting.length + 1 > left) break;
    taken.push(fitting);
    left -= fitting.length + 1;
  }
  return taken;
}
