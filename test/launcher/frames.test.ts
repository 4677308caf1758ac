import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { readFrames } from '../../shared/command/launcher/frames.ts';

/** What comes back is played with: frames as the launcher writes them, made here without a shell so that thousands can be read. */
const OURS = '0123456789abcdef0123456789abcdef';
const THEIRS = 'fedcba9876543210fedcba9876543210';
const SECRET = 'password-of-another-command';

interface Printed {
  readonly nonce: string;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly rc: number;
  readonly enc: 'gzip+base64' | 'base64' | 'raw';
  readonly sha: boolean;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The frames of one command, in parts: start line, header, blocks, trailer. */
function print({ nonce, stdout, stderr, rc, enc, sha }: Printed) {
  const encode = (bytes: Uint8Array): Buffer => {
    if (enc === 'raw') return Buffer.from(bytes);
    const text = Buffer.from(enc === 'base64' ? bytes : gzipSync(bytes)).toString('base64');
    return Buffer.from(text.replaceAll(/.{76}/g, (line) => `${line}\n`));
  };
  const [out, err] = [encode(stdout), encode(stderr)];
  const of = (bytes: Uint8Array, block: Buffer): string =>
    `${bytes.length},${block.length},${sha ? sha256(bytes) : '-'}`;
  const fields = `rc=${rc} timeout=0 enc=${enc} o=${of(stdout, out)} e=${of(stderr, err)} cut=0 miss=-`;
  return {
    start: `AKSGW1 S ${nonce}\n`,
    header: `AKSGW1 H ${nonce} ${fields}\n`,
    blocks: Buffer.concat([err, out]).toString('latin1'),
    trailer: `AKSGW1 T ${nonce} ${fields}\n`,
  };
}

const whole = (printed: Printed): string => Object.values(print(printed)).join('');

/** Letters, so that raw output is UTF-8 and every encoding can be compared. */
const text = fc
  .string({ unit: fc.constantFrom('a', 'b', '\n', ' '), maxLength: 300 })
  .map((value) => Buffer.from(value));
const ours = fc.record({
  nonce: fc.constant(OURS),
  stdout: text,
  stderr: text,
  rc: fc.integer({ min: 0, max: 255 }),
  enc: fc.constantFrom('gzip+base64', 'base64', 'raw'),
  sha: fc.constant(true),
});
const theirs = (printed: Printed): Printed => ({
  ...printed,
  nonce: THEIRS,
  stdout: Buffer.from(`${SECRET}\n`.repeat(3)),
});

const shown = ({ stdout, stderr }: { readonly stdout: Uint8Array; readonly stderr: Uint8Array }): string =>
  Buffer.concat([stdout, stderr]).toString();

describe('frames that were played with', () => {
  test('property: what was printed is read, whole', () => {
    fc.assert(
      fc.property(ours, (printed) => {
        expect(readFrames(whole(printed), OURS)).toMatchObject({
          frame: 'whole',
          exitCode: printed.rc,
          truncated: false,
          stdout: printed.stdout,
          stderr: printed.stderr,
        });
      }),
    );
  });

  test("property: another command's frames, at every place and cut anywhere, never show in this one's", () => {
    fc.assert(
      fc.property(
        ours,
        ours.map(theirs),
        fc.nat(),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('none', 'head', 'tail'),
        (mine, other, at, from, to, cut) => {
          const [own, foreign] = [whole(mine), whole(other)];
          const place = at % (own.length + 1);
          const piece = foreign.slice(from % foreign.length, (from % foreign.length) + 1 + (to % foreign.length));
          let logs = own.slice(0, place) + piece + own.slice(place);
          if (cut === 'head') logs = logs.slice(from % logs.length);
          if (cut === 'tail') logs = logs.slice(0, to % logs.length);
          const reading = readFrames(logs, OURS);
          // Without any frame left there is nothing to tell them apart by: such output is raw, and says so.
          if (reading.frame === 'raw') expect(/AKSGW1 [SHT] [0-9a-f]{32}/.test(logs.slice(0, 4000))).toBe(false);
          else if (reading.exitCode !== undefined && !reading.truncated) {
            expect(shown(reading)).toBe(shown(mine));
            expect(reading.exitCode).toBe(mine.rc);
          } else expect(shown(reading)).not.toContain(SECRET);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test.each([10, 5_000, 200_000])(
    "another command's frame %i bytes from either end of a raw result gives nothing out",
    (far) => {
      const around = 'x'.repeat(far);
      const logs = `${around}\nAKSGW1 S ${'f'.repeat(32)}\nsecrets of another\n${around}`;
      expect(readFrames(logs, OURS)).toMatchObject({ frame: 'foreign', stdout: new Uint8Array(0) });
    },
  );

  test("property: only another command's frames are foreign, wherever they are cut", () => {
    fc.assert(
      fc.property(ours.map(theirs), fc.nat(), fc.boolean(), (other, at, head) => {
        const { trailer, start, ...rest } = print(other);
        const body = rest.header + rest.blocks;
        const place = at % body.length;
        const logs = head ? body.slice(place) + trailer : start + body.slice(0, place);
        expect(readFrames(logs, OURS)).toMatchObject({ frame: 'foreign', stdout: new Uint8Array(0) });
      }),
    );
  });

  test('property: a header and a trailer that differ in any field are not believed', () => {
    const lies = [
      [/rc=\d+/, 'rc=7'],
      [/timeout=0/, 'timeout=1'],
      [/ o=\d+/, ' o=1'],
      [/ e=\d+,\d+/, ' e=0,0'],
      [/cut=0/, 'cut=1'],
    ] as const;
    fc.assert(
      fc.property(ours, fc.constantFrom(...lies), fc.boolean(), (printed, [field, lie], inHeader) => {
        const { start, header, blocks, trailer } = print(printed);
        const [h, t] = inHeader ? [header.replace(field, lie), trailer] : [header, trailer.replace(field, lie)];
        fc.pre(h.slice(8) !== t.slice(8));
        const reading = readFrames(start + h + blocks + t, OURS);
        expect(reading.contradiction).toEqual(expect.any(String));
        expect([reading.exitCode, shown(reading)]).toEqual([undefined, '']);
      }),
    );
  });

  test('property: a digest that lies, or a byte that was changed, is not believed', () => {
    fc.assert(
      fc.property(ours, fc.nat(), fc.boolean(), (printed, at, lie) => {
        fc.pre(printed.stdout.length > 0);
        const { start, header, blocks, trailer } = print(printed);
        if (lie) {
          const wrong = (line: string): string => line.replace(sha256(printed.stdout), sha256(Buffer.from('else')));
          fc.pre(!printed.stdout.equals(printed.stderr));
          expect(readFrames(start + wrong(header) + blocks + wrong(trailer), OURS).contradiction).toMatch(/digest/);
          return;
        }
        const place = at % blocks.length;
        const changed = `${blocks.slice(0, place)}${blocks[place] === 'Q' ? 'R' : 'Q'}${blocks.slice(place + 1)}`;
        const reading = readFrames(start + header + changed + trailer, OURS);
        // A gzip header holds bytes that mean nothing (RFC 1952, MTIME); whatever is given out is what was written.
        if (reading.contradiction === undefined) expect(shown(reading)).toBe(shown(printed));
      }),
      { numRuns: 300 },
    );
  });

  test('property: neither end of a cut lies: what comes is the start of what was written, and the code is right', () => {
    fc.assert(
      fc.property(ours, fc.nat(), fc.boolean(), (printed, at, head) => {
        const logs = whole(printed);
        const part = head ? logs.slice(at % logs.length) : logs.slice(0, at % logs.length);
        const reading = readFrames(part, OURS);
        if (reading.frame !== 'whole') return;
        expect(reading.exitCode ?? printed.rc).toBe(printed.rc);
        expect(printed.stdout.toString().startsWith(Buffer.from(reading.stdout).toString())).toBe(true);
        expect(printed.stderr.toString().startsWith(Buffer.from(reading.stderr).toString())).toBe(true);
        if (shown(reading) !== shown(printed)) expect(reading.truncated).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each(['raw', 'base64'])(
    'bytes that neither a header nor a digest vouches for are not given out: %s',
    (encoding) => {
      const nonce = 'a'.repeat(32);
      const foreign = encoding === 'raw' ? 'foreign' : Buffer.from('foreign').toString('base64');
      const trailer = `AKSGW1 T ${nonce} rc=0 timeout=0 enc=${encoding} o=7,${foreign.length},- e=0,0,- cut=0 miss=-\n`;
      const { stdout, truncated, exitCode } = readFrames(`${foreign}${trailer}`, nonce);
      expect([stdout.length, truncated, exitCode]).toEqual([0, true, 0]);
    },
  );
});
