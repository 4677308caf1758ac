import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startArm, type EmulatedArm } from '../../infra/local/arm.ts';
import { CLUSTER_ID } from '../../infra/local/stack.ts';
import { main } from '../../shared/client/main.ts';
import type { DoctorReport } from '../../shared/relay/doctor.ts';
import { assumptions } from '../../shared/relay/azure-assumptions.ts';
import { testStack, type TestStack } from '../support/stack.ts';

/** The operator's commands as an operator gives them, on what a real gateway has left behind. */
describe('aksgw', () => {
  let stack: TestStack;
  let broken: EmulatedArm;
  let trail: string;
  const tools = mkdtempSync(join(tmpdir(), 'aksgw-tools-'));

  async function aksgw(...argv: string[]) {
    let out = '';
    let err = '';
    const code = await main(argv, {
      env: { ...stack.env, AKSGW_CONFIG: undefined },
      stdin: (async function* () {})(),
      stdout: { write: (chunk) => (out += Buffer.from(chunk as Uint8Array).toString()) },
      stderr: { write: (chunk) => (err += Buffer.from(chunk as Uint8Array).toString()) },
      cwd: () => stack.folder,
    });
    return { code, out, err };
  }
  const write = (name: string, text: string): string => {
    const file = join(stack.folder, name);
    writeFileSync(file, text);
    return file;
  };

  beforeAll(async () => {
    // The doctor asks of helm only that it is there; the machine need not have it.
    writeFileSync(join(tools, 'helm'), '#!/bin/sh\necho v0.0.0-stand-in\n', { mode: 0o755 });
    stack = await testStack({ standIn: true, tools });
    trail = join(stack.folder, 'data/audit');
    for (const verb of ['restart', 'status']) {
      const { body } = await stack.command({ argv: ['kubectl', 'rollout', verb, 'deployment/web', '-n', 'shop'] });
      expect(body.status).toBe('completed');
    }
    expect((await stack.command({ argv: ['kubectl', 'get', 'secrets'] })).status).toBe(403);
    await stack.gateway.close();
    broken = await startArm({
      clusters: [{ resourceId: CLUSTER_ID }],
      runner: async () => ({ exitCode: 0, logs: 'not what was asked for\n' }),
    });
  }, 30_000);
  afterAll(async () => {
    await broken.close();
    await stack.close();
    rmSync(tools, { recursive: true, force: true });
  });

  describe('doctor', () => {
    test('finds every assumption that it can look at to hold on the emulated Azure', async () => {
      const { code, out, err } = await aksgw('doctor', '--cluster', 'demo', '--config', stack.config, '--json');
      const { checks, cluster } = JSON.parse(out) as DoctorReport;
      expect(cluster).toBe(CLUSTER_ID);
      expect(checks.map(({ assumption }) => assumption.id)).toEqual(assumptions.map(({ id }) => id));
      const verdicts = Object.fromEntries(checks.map(({ assumption, verdict }) => [assumption.id, verdict]));
      // The emulated pod has no service account's files, and this cluster no Entra integration.
      const notHere = new Set(['pod-namespace', 'entra-token']);
      for (const { id, probe } of assumptions) {
        const cannotTell = probe === 'none' || notHere.has(id);
        expect([id, verdicts[id]]).toEqual([id, cannotTell ? 'not-checked' : 'confirmed']);
      }
      expect(err).toContain('…');
      expect(code).toBe(0);
    }, 30_000);

    test('exits 1 where one does not hold, and says which, without the settings that only the gateway has', async () => {
      const text = readFileSync(stack.config, 'utf8').replace(
        '\nstorage:',
        '\ntelemetry: { azureMonitor: true }\nstorage:',
      );
      const config = write('broken.yaml', text.replace(stack.azure.arm.url, broken.url));
      const { code, out } = await aksgw('doctor', '--cluster', 'demo', '--config', config);
      expect(out).toMatch(/^ {2}refuted +exit-code: /m);
      expect(code).toBe(1);
    }, 30_000);

    test('exits 3 where nothing was found to hold, since nothing was checked', async () => {
      const nobody = 'http://127.0.0.1:9';
      const config = write('away.yaml', readFileSync(stack.config, 'utf8').replace(stack.azure.arm.url, nobody));
      const { code, out } = await aksgw('doctor', '--cluster', 'demo', '--config', config);
      expect(out).not.toMatch(/^ {2}(?:refuted|confirmed)/m);
      expect(code).toBe(3);
    }, 30_000);

    test('ends with 125 when nobody is signed in, and says how to', async () => {
      const own = readFileSync(stack.config, 'utf8').replace(
        /credential: \{ kind: static.*\}/,
        'credential: { kind: default }',
      );
      const config = write('own.yaml', own);
      const { PATH, AZURE_TOKEN_CREDENTIALS: only } = process.env;
      // Azure's SDK looks there: at an `az` that is not to be had, and at no address.
      Object.assign(process.env, { PATH: '', AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential' });
      try {
        const { code, out, err } = await aksgw('doctor', '--cluster', 'demo', '--config', config);
        expect(err).toContain('you are not signed in to Azure: az login');
        expect([code, out]).toEqual([125, '']);
      } finally {
        process.env['PATH'] = PATH;
        if (only === undefined) delete process.env['AZURE_TOKEN_CREDENTIALS'];
        else process.env['AZURE_TOKEN_CREDENTIALS'] = only;
      }
    });

    test('of a cluster that is not configured is refused', async () => {
      const { code, err } = await aksgw('doctor', '--cluster', 'nowhere', '--config', stack.config);
      expect([code, err]).toEqual([125, 'aksgw: the configuration has no cluster "nowhere"\n']);
    });
  });

  describe('policy test', () => {
    const cases = join(import.meta.dirname, '../../infra/local/cases.yaml');

    test('passes the cases of the example', async () => {
      const { code, out } = await aksgw('policy', 'test', cases, '--config', stack.config);
      expect(out).toMatch(/^\d\d+ passed, 0 failed$/m);
      expect(code).toBe(0);
    });

    test('says that no configuration is named', async () => {
      const { code, err } = await aksgw('policy', 'test', cases);
      expect([code, err.split('\n')[0]]).toEqual([
        2,
        'aksgw: no configuration is named: --config FILE, or AKSGW_CONFIG',
      ]);
    });

    test('exits 1 when one comes out otherwise, with its line', async () => {
      const wrong = write(
        'wrong.yaml',
        readFileSync(cases, 'utf8').replace('kubectl get secrets, expect: deny', 'kubectl get secrets, expect: allow'),
      );
      const { code, out } = await aksgw('policy', 'test', wrong, '--config', stack.config);
      expect(out).toMatch(/^WRONG .*wrong\.yaml:\d+/m);
      expect(out).toMatch(/passed, 1 failed$/m);
      expect(code).toBe(1);
    });
  });

  describe('audit', () => {
    const lines = (text: string) => text.trimEnd().split('\n');
    const exported = async (...more: string[]): Promise<string> =>
      (await aksgw('audit', 'export', '--config', stack.config, ...more)).out;
    const verifyExport = (file: string, ...more: string[]) =>
      aksgw('audit', 'verify', '--export', file, '--config', stack.config, ...more);

    test('verify finds the trail that the gateway left intact, by its configuration alone, and pins it', async () => {
      const state = join(stack.folder, 'pins.json');
      const verify = (...more: string[]) => aksgw('audit', 'verify', '--config', stack.config, ...more);
      const { code, out } = await verify('--state', state, '--json');
      expect(JSON.parse(out)).toMatchObject({ verdict: 'INTACT', commands: { paired: 2, open: [] } });
      expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ version: 1, rootKeys: [expect.any(String)] });
      expect(code).toBe(0);
      // With the pins alone, once a key was named.
      expect((await aksgw('audit', 'verify', trail, '--state', state)).code).toBe(0);
    });

    test('verify needs none of the secrets of the configuration', async () => {
      let out = '';
      const write = (chunk: Uint8Array | string) => (out += Buffer.from(chunk as Uint8Array).toString());
      const code = await main(['audit', 'verify', '--config', stack.config], {
        env: {},
        stdin: (async function* () {})(),
        stdout: { write },
        stderr: { write },
        cwd: () => stack.folder,
      });
      expect([code, out]).toEqual([0, expect.stringMatching(/^INTACT: /)]);
    });

    test('verify exits 3 when no key was named, and 1 for a key that is not believed', async () => {
      const keyless = await aksgw('audit', 'verify', trail);
      expect([keyless.code, keyless.out]).toEqual([3, expect.stringMatching(/^UNPROVEN: [^]*root-key-not-named/)]);
      const foreign = await aksgw('audit', 'verify', trail, '--root-key', 'another');
      expect([foreign.code, foreign.out]).toEqual([1, expect.stringMatching(/^BROKEN: [^]*root-key-unknown/)]);
    });

    test('verify exits 1 for a changed line of an export, 3 for one whose manifest is gone, and 0 for a whole one', async () => {
      const whole = await exported();
      const verdict = async (text: string, ...more: string[]) => {
        const { code, out } = await verifyExport(write('export.jsonl', text), ...more);
        return [code, out.split(':')[0]];
      };
      expect(await verdict(whole)).toEqual([0, 'INTACT']);
      expect(await verdict(whole.replace('"restart"', '"restarT"'))).toEqual([1, 'BROKEN']);
      expect(await verdict(lines(whole).slice(0, -1).join('\n').concat('\n'))).toEqual([3, 'UNPROVEN']);
      // A line and the manifest made up again, as far as one can without a key.
      expect(await verdict(lines(whole).toSpliced(1, 2).join('\n').concat('\n'))).toEqual([1, 'BROKEN']);
    });

    test('verify takes an explanation for a finding, with who and why', async () => {
      const state = join(stack.folder, 'explained.json');
      const strange = write('data/audit/notes.txt', 'x');
      const verify = (...more: string[]) =>
        aksgw('audit', 'verify', '--config', stack.config, '--state', state, ...more);
      const before = await verify();
      const id = /notes\.txt is not named as a segment[^[]*\[(\w+)\]/.exec(before.out)?.[1] ?? '';
      expect(before.code).toBe(3);
      expect((await verify('--acknowledge', id)).code).toBe(2);
      const after = await verify('--acknowledge', id, '--by', 'Ann', '--why', 'a note of mine');
      expect([after.code, after.out]).toEqual([0, expect.stringContaining('by Ann')]);
      expect((await verify()).code).toBe(0);
      rmSync(strange);
    });

    test('export gives the lines of the trail, and the same events as a table', async () => {
      const { code, out } = await aksgw('audit', 'export', trail);
      expect(code).toBe(0);
      const codes = lines(out).map((line) => (JSON.parse(line) as { code?: string }).code);
      expect(codes.filter((one) => one === 'AKG300I')).toHaveLength(2);
      expect(codes).toContain('AKG201W');
      const table = await aksgw('audit', 'export', '--config', stack.config, '--format', 'csv');
      expect(lines(table.out).filter((line) => line.includes('AKG300I'))).toHaveLength(2);
      // Nobody vouches for what is not in it.
      expect((await verifyExport(write('unsigned.jsonl', out))).code).toBe(3);
    });

    test('export waits for a slow reader', async () => {
      let longest = 0;
      let read = 0;
      const slow = new Writable({
        highWaterMark: 1,
        decodeStrings: false,
        write(chunk: string, _encoding, done) {
          read += 1;
          longest = Math.max(longest, slow.writableLength - chunk.length);
          setImmediate(done);
        },
      });
      const host = { env: stack.env, stdin: (async function* () {})(), stdout: slow, stderr: slow };
      expect(await main(['audit', 'export', trail], { ...host, cwd: () => stack.folder })).toBe(0);
      expect(read).toBeGreaterThan(1);
      expect(longest).toBe(0);
    });

    test('export exits with 2 for wrong usage, and 125 for a place where there is no trail', async () => {
      expect((await aksgw('audit', 'export', trail, '--format', 'xml')).code).toBe(2);
      const { code, err } = await aksgw('audit', 'export', join(stack.folder, 'nowhere'));
      expect([code, /there is no audit trail at/.test(err)]).toEqual([125, true]);
      expect((await aksgw('audit', 'export', trail, '--since', 'yesterday')).code).toBe(125);
    });

    /** What the Activity Log would say of a POST that the emulated Azure saw. */
    const activityOf = (commandId: string, at: number) => ({
      operationName: { value: 'Microsoft.ContainerService/managedClusters/runCommand/action' },
      eventTimestamp: new Date(at).toISOString(),
      correlationId: commandId,
      resourceId: CLUSTER_ID,
      caller: 'gateway@example.com',
    });
    const activity = () =>
      stack.azure.arm.posts.filter(({ at }) => at <= lastPost).map((post) => activityOf(post.commandId, post.at));
    let lastPost = 0;
    beforeAll(() => {
      // The doctor's own runs, which come later, go around the gateway.
      lastPost = stack.azure.arm.posts[1]?.at ?? 0;
    });

    test('reconcile exits 0 when Azure knows the same runs', async () => {
      const { code, out } = await aksgw(
        'audit',
        'reconcile',
        write('activity.json', JSON.stringify(activity())),
        trail,
      );
      expect([code, out]).toEqual([
        0,
        expect.stringMatching(/^2 runs are in both\nthe gateway is gateway@example\.com, /),
      ]);
    });

    test('reconcile exits 1 for a run around the gateway, and for a command that Azure does not know', async () => {
      const stranger = { ...activityOf('f'.repeat(32), lastPost + 1), caller: 'eve@example.com' };
      const around = write('around.json', JSON.stringify([...activity(), stranger]));
      const more = await aksgw('audit', 'reconcile', around, trail);
      expect([more.code, /^around the gateway: .* by eve@example\.com /m.test(more.out)]).toEqual([1, true]);
      const [first] = activity();
      const less = await aksgw('audit', 'reconcile', write('less.json', JSON.stringify([first])), trail);
      expect(less.out).toMatch(/^1 runs are in both\n[^]*\nnot in the Activity Log/);
      expect(less.code).toBe(1);
      const nothing = await aksgw('audit', 'reconcile', write('none.json', '[]'), trail);
      expect([nothing.code, nothing.out]).toEqual([3, expect.stringContaining('nothing was compared')]);
    });
  });

  test('answers an operator command that there is not with those that there are', async () => {
    const { code, err } = await aksgw('audit', 'shred');
    expect(code).toBe(2);
    expect(err).toContain(
      'audit verify, audit export, audit open, audit keys, audit reconcile, policy test, policy lint, policy diff, policy who-can, policy explain, config sign, config check, doctor',
    );
  });
});
