import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { compose } from '../../shared/command/launcher/compose.ts';
import { readFrames, type FrameReading } from '../../shared/command/launcher/frames.ts';
import { OUTPUT_LIMIT, STDERR_CAP, STDOUT_CAP } from '../../shared/command/launcher/script.ts';
import { describeWith, findProgram } from '../support/programs.ts';
import { pathWithout, runPod, shells, type PodOptions } from './support/pod.ts';
import { yamlLike } from './support/yaml-like.ts';

const NONCE = '0123456789abcdef0123456789abcdef';

interface Extra {
  readonly secret?: boolean;
  readonly stdin?: Uint8Array;
  readonly timeoutSeconds?: number;
  readonly namespace?: string;
  readonly files?: readonly { path: string; bytes: Uint8Array }[];
  readonly tools?: boolean;
}

async function launch(words: readonly string[], extra: Extra = {}, pod: PodOptions = {}) {
  const { secret = false, stdin, timeoutSeconds = 60, namespace, files = [], tools = false } = extra;
  const composed = await compose({
    sent: { words, files, stdin, secret },
    nonce: NONCE,
    timeoutSeconds,
    namespace,
    tools,
  });
  const result = await runPod(composed, pod);
  return { ...result, composed, reading: readFrames(result.logs, NONCE) };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const intact = { timedOut: false, truncated: false, streams: 'separate', frame: 'whole', warnings: [] };

describe.each(shells)('with', ({ name, argv: shell }) => {
  describeWith([name], name, () => {
    test('exit code, stdout and stderr arrive apart', async () => {
      const { reading, exitCode } = await launch(['sh', '-c', 'echo out; echo err >&2; exit 3'], {}, { shell });
      expect(reading).toEqual({ ...intact, exitCode: 3, stdout: Buffer.from('out\n'), stderr: Buffer.from('err\n') });
      expect(exitCode).toBe(3);
    });

    test('every byte from 1 to 255 in a word reaches the command unchanged', async () => {
      // As Latin-1 text each is one character; UTF-8 makes bytes up to 0xc3 0xbf of them.
      const word = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join('');
      for (const secret of [false, true]) {
        const { reading } = await launch(['printf', '%s|', word, '', '$(id)', '$$', "'", '\\n'], { secret }, { shell });
        expect(text(reading.stdout)).toBe(`${word}||$(id)|$$|'|\\n|`);
      }
    });

    test('a command that takes too long is stopped, and told apart from one that exits with 124', async () => {
      const begun = Date.now();
      const late = await launch(['sh', '-c', 'echo begun; exec sleep 30'], { timeoutSeconds: 1 }, { shell });
      expect(late.reading).toMatchObject({ timedOut: true, exitCode: 124, truncated: false });
      expect(text(late.reading.stdout)).toBe('begun\n');
      expect(Date.now() - begun).toBeLessThan(5_000);
      const own = await launch(['sh', '-c', 'exit 124'], {}, { shell });
      expect(own.reading).toMatchObject({ timedOut: false, exitCode: 124 });
    });

    test('asked for the versions of its tools, the pod tells them in its first line; a tool that is not there has none', async () => {
      const bin = mkdtempSync(join(tmpdir(), 'tools-'));
      const yaml = 'clientVersion:\\n  gitTreeState: *\\n  gitVersion: v1.30.2\\n  goVersion: go1.22\\n';
      writeFileSync(join(bin, 'kubectl'), `#!/bin/sh\n[ "$*" = "version --client -o yaml" ] && printf '${yaml}'\n`, {
        mode: 0o755,
      });
      const env = { PATH: `${bin}:${process.env['PATH']}` };
      const one = await launch(['printf', '%s|', 'a b', '*'], { tools: true }, { shell, env });
      expect(one.reading).toMatchObject({ exitCode: 0, tools: { kubectl: '1.30' } });
      expect(text(one.reading.stdout)).toBe('a b|*|');
      writeFileSync(join(bin, 'helm'), `#!/bin/sh\necho v3.14.0+gc309b6f; echo noise >&2\n`, { mode: 0o755 });
      const both = await launch(['true'], { tools: true }, { shell, env });
      expect(both.reading.tools).toEqual({ kubectl: '1.30', helm: '3.14' });
      const unasked = await launch(['true'], {}, { shell, env: { ...env, V: '1' } });
      expect(unasked.reading.tools).toBeUndefined();
      rmSync(bin, { recursive: true });
    });

    test('TERM to the launcher stops the command and still brings frames', async () => {
      const { reading } = await launch(
        ['sh', '-c', 'echo begun; exec sleep 30'],
        {},
        { shell, kill: { signal: 'SIGTERM', when: /AKSGW1 S/ } },
      );
      expect(reading).toMatchObject({ exitCode: 143, timedOut: false, frame: 'whole' });
    });

    test("a program that is not there is exit code 127, with the shell's words on stderr", async () => {
      const { reading } = await launch(['no-such-program-here'], {}, { shell });
      expect(reading).toMatchObject({ exitCode: 127, frame: 'whole' });
      expect(text(reading.stderr)).toMatch(/not found|No such file/);
    });

    test('nothing but the frames is printed, and no folder stays behind', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'work-'));
      try {
        const { logs } = await launch(
          ['sh', '-c', 'ls -d "$0"/aksgw.*', folder],
          {},
          { shell, env: { TMPDIR: folder } },
        );
        expect(logs).toMatch(/^AKSGW1 S [0-9a-f]{32}\nAKSGW1 H .*\n[A-Za-z0-9+/=\n]*AKSGW1 T .*\n$/);
        expect(text(readFrames(logs, NONCE).stdout)).toContain(`aksgw.${NONCE}`);
        const after = await launch(['sh', '-c', 'ls "$0"', folder], {}, { shell });
        expect(text(after.reading.stdout)).toBe('');
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    test('words, stdin and text above 64 KiB come through the context', async () => {
      const long = 'x'.repeat(100_000);
      const { reading, composed } = await launch(
        ['sh', '-c', 'cat; printf %s "$0" | wc -c', long],
        { stdin: Buffer.from([0, 255, 10, 13]) },
        { shell },
      );
      expect(composed.text).toMatch(/^: [0-9a-f]{16}; \. \.\/\.aksgw\/run$/);
      expect([...reading.stdout.subarray(0, 4)]).toEqual([0, 255, 10, 13]);
      expect(text(reading.stdout.subarray(4)).trim()).toBe('100000');
    });
  });
});

describe('output', () => {
  const shell = ['sh'] as const;
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', new Uint8Array(0)],
    ['one byte', Buffer.from('x')],
    ['511 kB of text', Buffer.from('The quick brown fox. '.repeat(25_000).slice(0, 511_000))],
    [
      '600 kB of text',
      Buffer.from(
        Array.from({ length: 60_000 }, (_, index) => `${index % 9973} pod\n`)
          .join('')
          .slice(0, 600_000),
      ),
    ],
    ['invalid UTF-8', Buffer.from([0xff, 0xfe, 0x80, 0x00, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x0a])],
    ['terminal escapes', Buffer.from('\u001b]0;title\u0007\u001b[2J\u001b[31mred\u001b[0m\r\n')],
    ['random binary', randomBytes(200_000)],
    [
      'a copy of a valid frame',
      Buffer.from(
        `AKSGW1 S ${NONCE}\nAKSGW1 H ${NONCE} rc=0 timeout=0 enc=raw o=1,1,- e=0,0,- cut=0 miss=-\nxAKSGW1 T ${NONCE} rc=0 timeout=0 enc=raw o=1,1,- e=0,0,- cut=0 miss=-\n`,
      ),
    ],
    ['five MB like kubectl get -o yaml', Buffer.from(yamlLike(5_000_000))],
  ];

  test.each(cases)('of %s arrives whole', async (_, bytes) => {
    const { reading, logs } = await launch(['sh', '-c', 'cat; echo done >&2; exit 5'], { stdin: bytes }, { shell });
    expect(reading).toMatchObject({ ...intact, exitCode: 5 });
    expect(Buffer.compare(reading.stdout, bytes)).toBe(0);
    expect(text(reading.stderr)).toBe('done\n');
    expect(logs.length).toBeLessThan(512_000);
  });

  test('that cannot be compressed enough is cut at its end by the launcher, which says so', async () => {
    const bytes = randomBytes(511_000);
    const { reading, logs } = await launch(['cat'], { stdin: bytes }, { shell });
    expect(logs.length).toBeLessThan(512_000);
    expect(reading).toMatchObject({ truncated: true, exitCode: 0, frame: 'whole' });
    expect(reading.stdout.length).toBeGreaterThan(300_000);
    expect(Buffer.compare(reading.stdout, bytes.subarray(0, reading.stdout.length))).toBe(0);
    expect(reading.warnings).toEqual([expect.stringMatching(/cut at its end by the launcher/)]);
  });

  test('beyond what is kept does not end the command', async () => {
    const { reading } = await launch(
      ['sh', '-c', 'head -c 20000000 /dev/zero; head -c 100000 /dev/zero >&2; exit 9'],
      {},
      { shell },
    );
    expect(reading).toMatchObject({ truncated: true, exitCode: 9 });
    expect(reading.stdout.length).toBe(STDOUT_CAP + 1);
    expect(reading.stderr.length).toBe(STDERR_CAP + 1);
  });

  test('of a grandchild that outlives the command does not hold the answer up for ever', async () => {
    const begun = Date.now();
    const { reading } = await launch(['sh', '-c', 'echo first; sleep 20 & exit 0'], {}, { shell });
    expect(Date.now() - begun).toBeLessThan(12_000);
    expect(reading).toMatchObject({ exitCode: 0, timedOut: false });
    expect(text(reading.stdout)).toBe('first\n');
  });

  test('property: any bytes on both streams arrive, with any exit code', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 2_000 }),
        fc.uint8Array({ maxLength: 2_000 }),
        fc.integer({ min: 0, max: 123 }),
        async (out, err, code) => {
          const { reading } = await launch(
            ['sh', '-c', `cat out; cat err >&2; exit ${code}`],
            {
              files: [
                { path: 'out', bytes: out },
                { path: 'err', bytes: err },
              ],
            },
            { shell },
          );
          expect(reading).toMatchObject({ ...intact, exitCode: code });
          expect(Buffer.compare(reading.stdout, out)).toBe(0);
          expect(Buffer.compare(reading.stderr, err)).toBe(0);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describeWith(['dash'], 'with a tool missing', () => {
  const dash = [findProgram('dash') ?? ''];

  test.each([
    ['gzip', /no gzip/],
    ['base64', findProgram('openssl') === undefined ? /no base64/ : undefined],
    ['sha256sum', /no sha256sum.*cksum/],
    ['wc', undefined],
    ['cat', undefined],
    ['head', /no mkfifo or head/],
    ['mkfifo', /no mkfifo or head/],
    ['sleep', /no sleep.*not enforced/],
    ['dd', undefined],
    ['rm', undefined],
    ['openssl', undefined],
    ['stat', undefined],
    ['ls', undefined],
  ] as const)('%s: the result still arrives whole', async (tool, warning) => {
    const { path, remove } = pathWithout(tool);
    const folder = mkdtempSync(join(tmpdir(), 'work-'));
    try {
      const { reading } = await launch(
        ['sh', '-c', 'printf "out\\n"; printf "err\\n" >&2; exit 6'],
        {},
        { shell: dash, env: { PATH: path, TMPDIR: folder } },
      );
      expect(reading).toMatchObject({ frame: 'whole', exitCode: 6, truncated: false, streams: 'separate' });
      expect([text(reading.stdout), text(reading.stderr)]).toEqual(['out\n', 'err\n']);
      expect(reading.warnings).toEqual(warning === undefined ? [] : [expect.stringMatching(warning)]);
    } finally {
      remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('base64 and openssl: text still arrives, as it is, and bytes that are no UTF-8 are told of', async () => {
    const { path, remove } = pathWithout('base64', 'openssl');
    try {
      const shell = dash;
      const plain = await launch(
        ['sh', '-c', 'printf "out\\n"; printf "err\\n" >&2'],
        {},
        { shell, env: { PATH: path } },
      );
      expect(plain.reading).toMatchObject({ exitCode: 0, truncated: false, streams: 'separate' });
      expect([text(plain.reading.stdout), text(plain.reading.stderr)]).toEqual(['out\n', 'err\n']);
      expect(plain.reading.warnings).toEqual([expect.stringMatching(/no base64/)]);
      const broken = await launch(['cat'], { stdin: Buffer.from([65, 255, 254, 66]) }, { shell, env: { PATH: path } });
      expect(broken.reading).toMatchObject({ exitCode: 0, frame: 'whole' });
      expect(text(broken.reading.stdout)).toBe('A\ufffd\ufffdB');
      expect(broken.reading.warnings.join()).toMatch(/changed on the way/);
    } finally {
      remove();
    }
  });

  test('sha256sum and cksum: only the length is checked, and said so', async () => {
    const { path, remove } = pathWithout('sha256sum', 'cksum');
    try {
      const { reading } = await launch(['sh', '-c', 'printf out'], {}, { shell: dash, env: { PATH: path } });
      expect(text(reading.stdout)).toBe('out');
      expect(reading.warnings).toEqual([expect.stringMatching(/its length only/)]);
    } finally {
      remove();
    }
  });

  test('any writable folder (mkdir): the command runs plainly, in raw mode', async () => {
    const { path, remove } = pathWithout('mkdir');
    try {
      const { reading, exitCode } = await launch(
        ['sh', '-c', 'printf out; printf err >&2; exit 4'],
        {},
        { shell: dash, env: { PATH: path } },
      );
      expect(reading).toMatchObject({ frame: 'raw', streams: 'merged' });
      expect(reading.exitCode).toBeUndefined();
      expect(text(reading.stdout)).toBe('outerr');
      expect(reading.warnings).toEqual([expect.stringMatching(/no frame/)]);
      expect(exitCode).toBe(4);
    } finally {
      remove();
    }
  });
});

describe('the surroundings of the command', () => {
  const shell = ['sh'] as const;

  test('nothing of the pod or an upload changes what runs', async () => {
    const { reading } = await launch(
      [
        'sh',
        '-c',
        'echo "$KUBERC $KUBECTL_KUBERC $POD_NAMESPACE [$ENV] [$BASH_ENV] [$CDPATH] $LC_ALL"; echo "$HELM_CACHE_HOME" | grep -c aksgw',
      ],
      { namespace: "sh'op" },
      { shell, env: { ENV: '/etc/x', BASH_ENV: '/etc/y', CDPATH: '/etc' } },
    );
    expect(text(reading.stdout)).toBe("off false sh'op [] [] [] C\n1\n");
  });

  test('the kubeconfig in HOME stays in force, and one that is set is left alone', async () => {
    const home = mkdtempSync(join(tmpdir(), 'home-'));
    mkdirSync(join(home, '.kube'));
    writeFileSync(join(home, '.kube', 'config'), '');
    try {
      const found = await launch(['sh', '-c', 'printf %s "$KUBECONFIG"'], {}, { shell, env: { HOME: home } });
      expect(text(found.reading.stdout)).toBe(join(home, '.kube', 'config'));
      const kept = await launch(
        ['sh', '-c', 'printf %s "$KUBECONFIG"'],
        {},
        { shell, env: { HOME: home, KUBECONFIG: '/elsewhere' } },
      );
      expect(text(kept.reading.stdout)).toBe('/elsewhere');
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  test('a HOME that cannot be written to is replaced', async () => {
    const { reading } = await launch(
      ['sh', '-c', '[ -w "$HOME" ] && echo writable'],
      {},
      { shell, env: { HOME: '/nonexistent' } },
    );
    expect(text(reading.stdout)).toBe('writable\n');
  });

  test('the command finds nothing on stdin, and the real output is not open to it', async () => {
    const { reading } = await launch(['sh', '-c', 'wc -c; echo forged >&3'], {}, { shell });
    expect(text(reading.stdout).trim()).toBe('0');
    expect(reading).toMatchObject({ frame: 'whole', truncated: false });
  });
});

describe('reading frames that lost a part', () => {
  const body = Array.from({ length: 400 }, (_, index) => `line ${index} ${(index * 7919) % 1009}\n`).join('');
  const outcome = async (): Promise<string> =>
    (await launch(['sh', '-c', 'cat; echo "some error" >&2; exit 42'], { stdin: Buffer.from(body) }, { shell: ['sh'] }))
      .logs;

  test('the end, at every offset: exit code and what came before the cut are kept', async () => {
    const logs = await outcome();
    const header = logs.indexOf('\n', logs.indexOf('AKSGW1 H')) + 1;
    for (let length = 0; length < logs.length; length += 1) {
      const reading = readFrames(logs.slice(0, length), NONCE);
      if (length >= header) expect(reading.exitCode).toBe(42);
      expectPart(reading, body, length);
    }
  });

  test('the start, at every offset: exit code and what can be counted back are kept', async () => {
    const logs = await outcome();
    const trailer = logs.lastIndexOf('AKSGW1 T');
    for (let start = 1; start < logs.length; start += 1) {
      const reading = readFrames(logs.slice(start), NONCE);
      if (start <= trailer) expect(reading.exitCode).toBe(42);
      if (start <= trailer) expect(['', body]).toContain(text(reading.stdout));
      if (start <= trailer && text(reading.stdout) !== body) expect(reading.truncated).toBe(true);
    }
  });

  function expectPart(reading: FrameReading, whole: string, length: number): void {
    if (reading.frame !== 'whole') return;
    const got = text(reading.stdout);
    if (!whole.startsWith(got)) throw new Error(`Cut at ${length}: the output is not the start of what was written`);
    if (got !== whole || text(reading.stderr) !== 'some error\n') expect(reading.truncated).toBe(true);
  }
});

describe('reading what is not a frame of ours', () => {
  test("another command's frames are not taken for this one's output", () => {
    const other = NONCE.replaceAll('0', 'f');
    expect(readFrames(`AKSGW1 S ${other}\nAKSGW1 H ${other} rc=0`, NONCE)).toMatchObject({ frame: 'foreign' });
  });

  test('plain output is raw', () => {
    expect(readFrames('NAME READY\n', NONCE)).toMatchObject({ frame: 'raw', stdout: Buffer.from('NAME READY\n') });
  });

  test('a start without an end says that the command was started', () => {
    expect(readFrames(`AKSGW1 S ${NONCE}\n`, NONCE)).toMatchObject({ frame: 'started', truncated: true });
  });

  test('a hostile pod cannot make the gateway inflate more than the launcher ever keeps', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024)).toString('base64');
    const line = `${NONCE} rc=0 timeout=0 enc=gzip+base64 o=1,${bomb.length},- e=0,0,- cut=0 miss=-`;
    const reading = readFrames(`AKSGW1 S ${NONCE}\nAKSGW1 H ${line}\n${bomb}AKSGW1 T ${line}\n`, NONCE);
    expect(reading).toMatchObject({ truncated: true, stdout: new Uint8Array(0), contradiction: expect.any(String) });
  });

  test('output that does not match its digest is not given out', async () => {
    const { logs } = await launch(['sh', '-c', 'printf out'], {}, { shell: ['sh'] });
    const damaged = logs.replaceAll(/o=(\d+),(\d+),[0-9a-f]{64}/g, `o=$1,$2,${'0'.repeat(64)}`);
    const { contradiction, stdout, exitCode } = readFrames(damaged, NONCE);
    expect(contradiction).toMatch(/stdout does not match the digest/);
    expect([stdout.length, exitCode]).toEqual([0, undefined]);
  });

  test('raw output keeps to the cap, and at the limit of Azure it is called truncated', () => {
    expect(readFrames('x'.repeat(OUTPUT_LIMIT - 1), NONCE)).toMatchObject({ frame: 'raw', truncated: false });
    expect(readFrames('x'.repeat(OUTPUT_LIMIT), NONCE)).toMatchObject({ frame: 'raw', truncated: true });
    expect(readFrames('x'.repeat(STDOUT_CAP + 5), NONCE).stdout).toHaveLength(STDOUT_CAP);
  });

  test('property: no text whatever makes it throw', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        `AKSGW1 S ${NONCE}\n`,
        `AKSGW1 H ${NONCE} `,
        `AKSGW1 T ${NONCE} `,
        'rc=0 timeout=0 enc=gzip+base64 o=9,9,- e=999999999,9,- cut=0 miss=-\n',
        'rc=7 timeout=1 enc=raw o=0,0,1 e=0,0,- cut=1 miss=-,sleep\n',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const reading = readFrames(pieces.join(''), NONCE);
        expect(['whole', 'started', 'raw', 'foreign']).toContain(reading.frame);
      }),
      { numRuns: 200 },
    );
  });
});
