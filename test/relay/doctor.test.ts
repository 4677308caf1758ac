import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, afterEach, describe, expect, test } from '@jest/globals';

import { startArm, type ArmOptions, type EmulatedArm } from '../../infra/local/arm.ts';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { shellPod } from '../../infra/local/pod.ts';
import { systemClock, systemEntropy } from '../../shared/clock.ts';
import { createArm } from '../../shared/relay/arm.ts';
import { assumptions, probeNames } from '../../shared/relay/azure-assumptions.ts';
import { runDoctor, type DoctorReport } from '../../shared/relay/doctor.ts';
import { Secret } from '../../shared/secret.ts';
import { cluster } from './support/fixtures.ts';

let arm: EmulatedArm;
afterEach(() => arm.close());

// The doctor asks of helm only that it is there; the machine need not have it.
const tools = mkdtempSync(join(tmpdir(), 'aksgw-tools-'));
writeFileSync(join(tools, 'helm'), '#!/bin/sh\necho v0.0.0-stand-in\n', { mode: 0o755 });
afterAll(() => rmSync(tools, { recursive: true, force: true }));

let kubernetes: EmulatedKubernetes;
beforeAll(async () => {
  kubernetes = await startKubernetes();
});
afterAll(() => kubernetes.close());

async function examine(options: Partial<ArmOptions> = {}, clusterToken?: () => Promise<Secret>): Promise<DoctorReport> {
  arm = await startArm({
    clusters: [{ resourceId: cluster.arm.id }],
    runner: shellPod({ standIn: true, tools, kubernetes }),
    ...options,
  });
  return runDoctor({
    arm: createArm({ endpoint: arm.url, token: () => Promise.resolve(new Secret('arm')), clock: systemClock }),
    cluster: cluster.arm,
    clusterToken,
    // Looks again at once: the emulation needs no two seconds.
    clock: { ...systemClock, sleep: (ms, options) => systemClock.sleep(Math.min(ms, ms === 2_000 ? 50 : ms), options) },
    entropy: systemEntropy,
  });
}

const verdicts = ({ checks }: DoctorReport): Readonly<Record<string, string>> =>
  Object.fromEntries(checks.map(({ assumption, verdict }) => [assumption.id, verdict]));

describe('the doctor, on the emulated Azure', () => {
  test('confirms every assumption that a probe can tell of', async () => {
    const report = await examine();
    const seen = verdicts(report);
    // The emulated pod has no service account's files; Entra is the next test.
    const notHere = new Set(['pod-namespace', 'entra-token']);
    for (const { id, probe } of assumptions) {
      const cannotTell = probe === 'none' || notHere.has(id);
      expect([id, seen[id]]).toEqual([id, cannotTell ? 'not-checked' : 'confirmed']);
    }
    expect(report.findings['pwd']).toMatch(/command-files$/);
    expect(report.findings['shell']).toMatch(/sh|busybox/);
    expect(report.findings['output cut']).toMatch(/(start|end) lost, 5\d{5} bytes/);
    expect(arm.executions).toHaveLength(4);
  });

  test('on a cluster with Entra integration runs its probes with the token it is given', async () => {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${part({ alg: 'none' })}.${part({ aud: '6dae42f8-4368-4678-94ff-3960e28e3630' })}.x`;
    const clusters = [{ resourceId: cluster.arm.id, aad: true }];
    const report = await examine({ clusters }, () => Promise.resolve(new Secret(token)));
    expect(verdicts(report)).toMatchObject({ 'entra-token': 'confirmed', 'exit-code': 'confirmed' });
    expect(JSON.stringify(report)).not.toContain(token);
  });

  test('says which end of the output is lost', async () => {
    expect((await examine({ cut: 'head' })).findings['output cut']).toMatch(/^the start lost/);
    await arm.close();
    expect((await examine({ cut: 'tail' })).findings['output cut']).toMatch(/^the end lost/);
  });

  test('tells a refuted assumption from one that could not be looked at', async () => {
    const report = await examine({
      runner: async ({ command }) =>
        command.includes('AKSGW1')
          ? { exitCode: 0, logs: 'not what was sent\n' }
          : { exitCode: 0, logs: '', reason: 'DeadlineExceeded' },
    });
    expect(verdicts(report)).toMatchObject({
      'exit-code': 'refuted',
      'logs-are-utf8-text': 'refuted',
      'shell-text': 'refuted',
      'throttle-bucket': 'not-checked',
    });
  });

  test('a cluster that cannot be read, or run on, is a report and not an error', async () => {
    arm = await startArm({ clusters: [] });
    const endpoint = arm.url;
    const report = await runDoctor({
      arm: createArm({ endpoint, token: () => Promise.resolve(new Secret('arm')), clock: systemClock }),
      cluster: cluster.arm,
      clock: systemClock,
      entropy: systemEntropy,
    });
    expect(report.findings['cluster']).toMatch(/404/);
    expect(new Set(Object.values(verdicts(report)))).toEqual(new Set(['not-checked']));
    await arm.close();
    const refused = await examine({ clusters: [{ resourceId: cluster.arm.id, aad: true }] });
    expect(refused.checks.find(({ assumption }) => assumption.id === 'exit-code')?.detail).toMatch(
      /MissingAADClusterToken/,
    );
  });
});

describe('the table of assumptions', () => {
  const root = join(import.meta.dirname, '../..');

  test('names each once, with files that exist and probes that there are', () => {
    expect(new Set(assumptions.map(({ id }) => id)).size).toBe(assumptions.length);
    for (const { leansOn, probe } of assumptions) {
      for (const file of leansOn) expect([file, existsSync(join(root, file))]).toEqual([file, true]);
      expect(['none', ...probeNames]).toContain(probe);
    }
    arm = { close: () => Promise.resolve() } as EmulatedArm;
  });

  test('has every assumption that a comment in the relay names', () => {
    const known = new Set(assumptions.map(({ id }) => id));
    const folder = join(root, 'shared/relay');
    const named = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        [...readFileSync(join(folder, file), 'utf8').matchAll(/assumption `([a-z-]+)`/g)].map(([, id]) => id ?? ''),
      );
    expect(named.length).toBeGreaterThan(1);
    for (const id of named) expect(known).toContain(id);
    arm = { close: () => Promise.resolve() } as EmulatedArm;
  });
});
