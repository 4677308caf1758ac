import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { composeSteps, markerOf } from '../../shared/command/launcher/compose.ts';
import { OUTPUT_LIMIT } from '../../shared/command/launcher/script.ts';
import { readSteps, TOGETHER_CAP } from '../../shared/command/launcher/step-frames.ts';
import { describeWith } from '../support/programs.ts';
import { pathWithout, runPod, shells, type PodOptions } from './support/pod.ts';

const nonceOf = (index: number): string => String(index).padStart(32, '0').replaceAll('0', 'a');
const noncesOf = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => nonceOf(index + 1));

interface Step {
  readonly words: readonly string[];
  readonly stdin?: Uint8Array;
  readonly files?: readonly { path: string; bytes: Uint8Array }[];
  readonly timeoutSeconds?: number;
}

async function launch(
  steps: readonly Step[],
  pod: PodOptions = {},
  onError: 'stop' | 'continue' = 'stop',
  tools = false,
) {
  const composed = await composeSteps({
    steps: steps.map(({ words, stdin, files = [], timeoutSeconds = 60 }, index) => ({
      sent: { words, files, stdin, secret: false },
      nonce: nonceOf(index + 1),
      timeoutSeconds,
    })),
    onError,
    namespace: 'shop',
    tools,
  });
  const result = await runPod(composed, pod);
  return { ...result, composed, readings: readSteps(result.logs, noncesOf(steps.length)) };
}

const sh = (text: string, rest: Omit<Step, 'words'> = {}): Step => ({ words: ['sh', '-c', text], ...rest });
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
const shown = (readings: Awaited<ReturnType<typeof launch>>['readings']) =>
  readings.map(({ frame, exitCode, stdout, stderr }) => [frame, exitCode, text(stdout), text(stderr)]);
const NOT_REACHED = ['not-reached', undefined, '', ''];

describe.each(shells)('several commands in one pod with', ({ name, argv: shell }) => {
  describeWith([name], name, () => {
    test('each has its own streams, exit code and nonce; the pod ends with the first failure', async () => {
      const { readings, exitCode, logs, composed } = await launch(
        [sh('echo one; echo err >&2'), sh('echo two; exit 3'), sh('echo three')],
        { shell },
        'continue',
      );
      expect(shown(readings)).toEqual([
        ['whole', 0, 'one\n', 'err\n'],
        ['whole', 3, 'two\n', ''],
        ['whole', 0, 'three\n', ''],
      ]);
      expect(exitCode).toBe(3);
      expect(composed.text.startsWith(`: ${markerOf(nonceOf(1))}; `)).toBe(true);
      expect(logs.replaceAll(/AKSGW1 [SHT] .*\n/g, '')).toMatch(/^[A-Za-z0-9+/=\n]*$/);
    });

    test('a failure stops the rest, which says that it was not reached', async () => {
      const { readings, exitCode } = await launch([sh('exit 0'), sh('exit 4'), sh('echo no'), sh('echo no')], {
        shell,
      });
      expect(shown(readings)).toEqual([['whole', 0, '', ''], ['whole', 4, '', ''], NOT_REACHED, NOT_REACHED]);
      expect(exitCode).toBe(4);
    });

    test('each has a working folder with its own files, and its own stdin and settings', async () => {
      const { readings } = await launch(
        [
          sh('cat a/file; cat; ls; HOME=/x; export HOME', {
            files: [{ path: 'a/file', bytes: Buffer.from('first ') }],
            stdin: Buffer.from('in\n'),
          }),
          sh('ls; cat; echo "$POD_NAMESPACE"'),
          sh('cat a/file', { files: [{ path: 'a/file', bytes: Buffer.from('third') }] }),
        ],
        { shell },
      );
      expect(readings.map(({ stdout }) => text(stdout))).toEqual(['first in\na\n', 'shop\n', 'third']);
    });

    test('a step that takes too long is stopped by its own time limit', async () => {
      const { readings } = await launch(
        [sh('echo begun; exec sleep 30', { timeoutSeconds: 1 }), sh('echo next')],
        { shell },
        'continue',
      );
      expect(readings[0]).toMatchObject({ frame: 'whole', exitCode: 124, timedOut: true });
      expect(text(readings[1]?.stdout)).toBe('next\n');
    });

    test('TERM ends the step that runs, and the rest is not reached', async () => {
      const { readings, exitCode } = await launch(
        [sh('echo first'), sh('echo begun; exec sleep 30'), sh('echo no')],
        // A shell that was just forked may lose a TERM, and is killed after the grace: here the step runs.
        { shell, kill: { signal: 'SIGTERM', when: new RegExp(`AKSGW1 S ${nonceOf(2)}`), delayMs: 500 } },
        'continue',
      );
      expect(readings.map(({ frame, exitCode: code }) => [frame, code])).toEqual([
        ['whole', 0],
        ['whole', 143],
        ['not-reached', undefined],
      ]);
      expect(exitCode).toBe(143);
    });

    test('TERM at any time leaves steps that ended, one that was ended, and the rest not reached', async () => {
      for (const delayMs of [0, 25, 50, 75, 100, 130, 160, 200]) {
        const { readings, logs } = await launch(
          Array.from({ length: 6 }, () => sh('echo out')),
          { shell, kill: { signal: 'SIGTERM', when: /(?:)/, delayMs } },
          'continue',
        );
        // Before the launcher has set its trap nothing has begun, and nothing is printed.
        if (logs === '') continue;
        const kinds = readings.map(({ frame, exitCode }) => (frame === 'whole' ? String(exitCode) : frame)).join(' ');
        expect(kinds).toMatch(/^(?:0 ?)*(?:143 ?)?(?:not-reached ?)*$/);
      }
    });

    test('a step that prints frames, its own and others, shows as what it printed', async () => {
      const forged = [nonceOf(1), nonceOf(2), nonceOf(3)]
        .map((nonce) => `AKSGW1 S ${nonce}\nAKSGW1 N ${nonce}\nAKSGW1 T ${nonce} rc=0\n`)
        .join('');
      const { readings } = await launch([sh('cat', { stdin: Buffer.from(forged) }), sh('exit 9'), sh('echo no')], {
        shell,
      });
      expect(shown(readings)).toEqual([['whole', 0, forged, ''], ['whole', 9, '', ''], NOT_REACHED]);
    });

    test('the first that runs tells the versions of the tools, and no other', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tools-'));
      try {
        const tool = (name: string, says: string): void =>
          writeFileSync(join(folder, name), `#!/bin/sh\necho "${says}"\n`, { mode: 0o755 });
        tool('kubectl', 'clientVersion: gitVersion: v1.30.2');
        tool('helm', 'v3.14.0+gc309b6f');
        const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, V: '1' };
        const steps = [sh('echo one; echo "V=${V-}"'), sh('echo two')];
        const asked = await launch(steps, { shell, env }, 'stop', true);
        expect(shown(asked.readings)).toEqual([
          ['whole', 0, 'one\nV=\n', ''],
          ['whole', 0, 'two\n', ''],
        ]);
        const known = { kubectl: '1.30', helm: '3.14' };
        expect(asked.readings.map(({ tools }) => tools)).toEqual([known, undefined]);
        // With its first line lost the rest is read from the end.
        const cut = readSteps(asked.logs.slice(asked.logs.indexOf('\n') + 1), noncesOf(2));
        expect(cut.map(({ exitCode, tools }) => [exitCode, tools])).toEqual([
          [0, undefined],
          [0, undefined],
        ]);
        const unasked = await launch(steps, { shell, env });
        expect(unasked.readings.map(({ tools }) => tools)).toEqual([undefined, undefined]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    test('nothing stays behind', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'work-'));
      try {
        await launch([sh('echo'), sh('exit 1'), sh('echo')], { shell, env: { TMPDIR: folder } });
        expect(readdirSync(folder)).toEqual([]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
});

describe('the output of steps', () => {
  test('twenty of 500 kB each: text comes whole, noise is cut by the launcher, which says so, and all stay under the limit', async () => {
    const line = Buffer.from('the quick brown fox jumps over the lazy dog, again and again\n'.repeat(8_200));
    const words = await launch(Array.from({ length: 20 }, () => sh('cat', { stdin: line })));
    expect(words.bytes.length).toBeLessThan(OUTPUT_LIMIT);
    for (const reading of words.readings)
      expect(reading).toMatchObject({ frame: 'whole', exitCode: 0, truncated: false });
    expect(Buffer.compare(words.readings[19]?.stdout ?? Buffer.alloc(0), line)).toBe(0);

    const noise = randomBytes(100_000);
    const loud = await launch(
      Array.from({ length: 20 }, (_, index) => (index === 0 ? sh('echo little') : sh('cat', { stdin: noise }))),
    );
    expect(loud.bytes.length).toBeLessThan(OUTPUT_LIMIT);
    expect(text(loud.readings[0]?.stdout)).toBe('little\n');
    for (const reading of loud.readings.slice(1)) {
      expect(reading).toMatchObject({ frame: 'whole', exitCode: 0, truncated: true });
      // What the first left is passed on: more than a twentieth for each.
      expect(reading.stdout.length).toBeGreaterThan(15_000);
      expect(Buffer.compare(noise.subarray(0, reading.stdout.length), reading.stdout)).toBe(0);
    }
  });

  test('together they hold no more than that of one command: each is cut to its share, which is said, and what others leave is passed on', async () => {
    const zeros = (megabytes: number): Step => sh(`head -c ${megabytes}000000 /dev/zero`);
    const { readings, logs } = await launch([sh('echo little'), zeros(12), zeros(12), sh('echo err >&2; exit 4')]);
    const sizes = readings.map(({ stdout, stderr }) => stdout.byteLength + stderr.byteLength);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(TOGETHER_CAP);
    expect(readings.map(({ frame, exitCode, truncated }) => [frame, exitCode, truncated])).toEqual([
      ['whole', 0, false],
      ['whole', 0, true],
      ['whole', 0, true],
      ['whole', 4, false],
    ]);
    expect(sizes[1]).toBe(Math.floor((TOGETHER_CAP - 'little\n'.length) / 3));
    expect(readings.map(({ warnings }) => / bytes together: /.test(warnings.join()))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    // From the end alone it is the same.
    const [, ...others] = readSteps(logs.slice(10), noncesOf(4));
    expect(others.map(({ exitCode, stderr }) => [exitCode, text(stderr)])).toEqual([
      [0, ''],
      [0, ''],
      [4, 'err\n'],
    ]);
    expect(others.reduce((sum, { stdout }) => sum + stdout.byteLength, 0)).toBeLessThanOrEqual(TOGETHER_CAP);
  });

  test('of a pod in which no folder can be made: no step runs', async () => {
    const { path, remove } = pathWithout('mkdir');
    try {
      const { readings, logs } = await launch([sh('echo secret'), sh('echo secret')], {
        shell: ['/bin/sh'],
        env: { PATH: path },
      });
      expect(shown(readings)).toEqual([NOT_REACHED, NOT_REACHED]);
      expect(logs).not.toContain('secret');
    } finally {
      remove();
    }
  });

  test.each([
    'gzip',
    'base64',
    'sha256sum',
    'wc',
    'cat',
    'head',
    'mkfifo',
    'sleep',
    'dd',
    'rm',
    'openssl',
    'stat',
    'ls',
  ])('without %s it still arrives', async (tool) => {
    const { path, remove } = pathWithout(tool);
    const folder = mkdtempSync(join(tmpdir(), 'work-'));
    try {
      const { readings } = await launch([sh('printf "out\\n"'), sh('printf "err\\n" >&2; exit 6'), sh('echo')], {
        shell: ['/bin/sh'],
        env: { PATH: path, TMPDIR: folder },
      });
      expect(shown(readings)).toEqual([['whole', 0, 'out\n', ''], ['whole', 6, '', 'err\n'], NOT_REACHED]);
    } finally {
      remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('cut at any place, from either end: the steps before and after are whole, and none is called what it was not', async () => {
    const { logs, readings } = await launch(
      [sh('echo one; echo err >&2'), sh('seq 1 400; exit 3'), sh('echo three'), sh('exit 5'), sh('echo no')],
      {},
      'continue',
    );
    expect(readings.map(({ exitCode }) => exitCode)).toEqual([0, 3, 0, 5, 0]);
    const nonces = noncesOf(5);
    for (let at = 0; at <= logs.length; at += 5)
      for (const part of [logs.slice(0, at), logs.slice(at)]) {
        for (const [index, reading] of readSteps(part, nonces).entries()) {
          const right = readings[index];
          expect(reading.frame).not.toBe('not-reached');
          expect(reading.contradiction).toBeUndefined();
          if (reading.frame !== 'whole') {
            expect(reading.stdout.length + reading.stderr.length).toBe(0);
            continue;
          }
          if (reading.exitCode !== right?.exitCode) throw new Error(`cut at ${at}: step ${index} has another code`);
          if (!text(right?.stdout).startsWith(text(reading.stdout))) throw new Error(`cut at ${at}: other output`);
          if (!reading.truncated && text(reading.stdout) !== text(right?.stdout))
            throw new Error(`cut at ${at}: not said`);
        }
      }
  });

  test('a step that began is not called "not reached", whatever stands after it', () => {
    const [first = '', second = ''] = noncesOf(2);
    const logs = `AKSGW1 S ${first}\nAKSGW1 N ${first}\nAKSGW1 N ${second}\n`;
    expect(readSteps(logs, [first, second]).map(({ frame }) => frame)).toEqual(['started', 'not-reached']);
  });
});
