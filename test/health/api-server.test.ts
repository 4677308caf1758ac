import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchResult } from '../../shared/gateway/read-batch.ts';
import { assess } from '../../shared/health/assess.ts';
import { readLook } from '../../shared/health/read-batch.ts';
import { labels } from '../../shared/telemetry/metrics.ts';
import { faults } from './zoo.ts';

/**
 * A real kube-apiserver, in which the zoo's objects were written by hand, as the whole gateway looked at it (record.ts): what kubectl printed
 * and complained of is replayed here. It validates what the emulated cluster takes, and it has no metrics API and no kubelets.
 */
interface Recorded {
  readonly posts: number;
  readonly items: readonly {
    readonly argv: readonly string[];
    readonly stdout: string;
    readonly stderr: string;
    readonly exitCode: number;
    readonly truncated: boolean;
    readonly timedOut: boolean;
    readonly status: string;
  }[];
}
const recording = JSON.parse(readFileSync(join(import.meta.dirname, 'recordings/api-server.json'), 'utf8')) as {
  readonly version: string;
  readonly at: string;
  readonly asker: Recorded;
  readonly stranger: Recorded;
};
const recordedAt = Date.parse(recording.at);

/** Ten minutes after the objects were written: what waits has waited long enough. */
function replay({ items }: Recorded) {
  const results = items.map(({ stdout, stderr, ...record }) => ({
    record,
    output: { stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) },
  }));
  const batch = { id: 'b', status: 'completed', onError: 'continue', items: results } as unknown as BatchResult;
  const azure = { kind: 'unknown', reason: '' } as const;
  const now = recordedAt + 10 * 60_000;
  return assess({ cluster: 'real', namespace: undefined, azure, denied: new Map(), now, ...readLook(batch) });
}

test('every fault is found, named and ranked on a real API server, in one pod start', () => {
  expect(recording.version).toMatch(/^v1\.\d+\.\d+$/);
  expect(recording.asker.posts).toBe(1);
  const { findings, parts } = replay(recording.asker);
  const zoo = faults(recordedAt, recording.version);
  for (const { name, finds, says = /(?:)/ } of zoo) {
    const found = findings.find(({ what, object }) => what === finds.what && object === finds.object);
    expect([name, found]).toEqual([name, expect.objectContaining({ ...finds, detail: expect.stringMatching(says) })]);
  }
  const others = findings.filter(({ object }) => !zoo.some(({ finds }) => finds.object === object));
  expect(others.map(({ part }) => part)).toEqual(others.map(() => 'controlPlane'));
  expect(parts.controlPlane.checks).toMatchObject({ readyz: { status: 'ok' }, livez: { status: 'ok' } });
  expect(parts.controlPlane.numbers).toMatchObject({ version: recording.version, failedChecks: [] });
  expect(parts.tunnel).toMatchObject({ status: 'ok', numbers: { kind: 'konnectivity-agent', ready: 1 } });
  expect(parts.events.numbers).toMatchObject({ warnings: 21 });
});

test('what the server does not serve is not known, and neither green nor a fault', () => {
  const { parts } = replay(recording.asker);
  expect(parts.nodes.checks['nodeMetrics']).toMatchObject({
    status: 'unknown',
    reason: expect.stringMatching(/resource type/),
  });
  expect(parts.pods.checks['podMetrics']?.status).toBe('unknown');
});

test('whom Kubernetes lets read nothing sees not-allowed in every part but the version and its health, which it tells everybody', () => {
  expect(recording.stranger.posts).toBe(1);
  const { parts } = replay(recording.stranger);
  for (const part of ['nodes', 'workloads', 'pods', 'storage', 'scaling', 'events', 'tunnel'] as const) {
    const states = Object.entries(parts[part].checks).filter(([name]) => !name.endsWith('Metrics'));
    expect([part, states.map(([, { status }]) => status)]).toEqual([part, states.map(() => 'not-allowed')]);
    expect(['not-allowed', 'unknown']).toContain(parts[part].status);
  }
  expect(parts.controlPlane.checks['version']?.status).not.toBe('not-allowed');
});

test('everything that a look can find is a value of the label of its metric', () => {
  const parts = join(import.meta.dirname, '../../shared/health/parts');
  const code = globSync('*.ts', { cwd: parts }).map((file) => readFileSync(join(parts, file), 'utf8'));
  const words = new Set(code.flatMap((text) => [...text.matchAll(/'([a-z]+(?:-[a-z]+)*)'/g)].map(([, word]) => word)));
  for (const what of labels.what) expect([what, words.has(what)]).toEqual([what, true]);
  for (const { finds } of faults(0)) expect(labels.what).toContain(finds.what);
});

test('an answer that was cut is told: its last line does not count, and its part is not well', () => {
  const cut = (item: Recorded['items'][number]) => {
    const pods = item.argv[2] === 'pods';
    // In the middle of the last line, as the launcher cuts.
    return pods ? { ...item, stdout: item.stdout.slice(0, -20), truncated: true } : item;
  };
  const whole = replay(recording.asker);
  const seen = replay({ ...recording.asker, items: recording.asker.items.map(cut) });
  expect([whole.cut, seen.cut]).toEqual([false, true]);
  expect(seen.parts.pods.numbers).toMatchObject({ cut: true, total: Number(whole.parts.pods.numbers['total']) - 1 });
  expect(seen.parts.pods.checks['pods']?.reason).toMatch(/was cut/);

  const healthy = (item: Recorded['items'][number]) =>
    item.argv[2] === 'pods' ? { ...item, stdout: '', truncated: true } : item;
  expect(replay({ ...recording.asker, items: recording.asker.items.map(healthy) }).parts.pods.status).toBe('unknown');
});
