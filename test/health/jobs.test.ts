import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { Problem } from '../../shared/errors.ts';
import type { Health } from '../../shared/health/assess.ts';
import { createLooks } from '../../shared/health/looks.ts';
import { createHealthMetrics } from '../../shared/health/metrics.ts';
import { jobPrincipal } from '../../shared/identity/principal.ts';
import { main } from '../../shared/client/main.ts';
import { partNames } from '../../shared/health/status.ts';
import { labels } from '../../shared/telemetry/metrics.ts';
import type { JobWithRunsOutput } from '../../shared/http/schemas.ts';
import { testStack, type TestStack } from '../support/stack.ts';
import { DEMO_CLUSTER } from '../../infra/local/azure.ts';
import { faults } from './zoo.ts';

let ahead = 0;
const clock = {
  ...systemClock,
  now: () => systemClock.now() + ahead,
  monotonic: () => systemClock.monotonic() + ahead,
};
const cluster: { resourceId: string; powerState?: 'Running' | 'Stopped' } = { resourceId: DEMO_CLUSTER };

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    clock,
    clusters: [cluster],
    gateway: { clock },
    jobs: false,
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 400')
        .replace(
          '  bindings:\n',
          `  bindings:
    - { role: viewer, clusters: [demo], subjects: [{ job: watch }] }
    - { role: keeper, clusters: ['*'], subjects: [{ user: 77777777-7777-4777-8777-777777777777 }] }\n`,
        )
        .replace(
          '    auditor:\n',
          `    keeper:
      allow:
        - { verbs: [get, run], resources: [jobs.aksgw], namespaces: ['*'], names: [watch, blind] }
        - { verbs: [get], nonResourceURLs: ['/metrics'] }
    auditor:\n`,
        )
        .replace(
          '\n...\n',
          `
telemetry: { prometheus: true }
jobs:
  - { name: watch, cluster: demo, health: true, schedule: "*/5 * * * *" }
  - { name: blind, cluster: demo, health: true, schedule: "*/5 * * * *" }
...\n`,
        ),
  });
});
afterAll(() => stack.close());

const job = async (name: string) =>
  (await stack.request<JobWithRunsOutput>('GET', `/v1/jobs/${name}`, { token: stack.tokens.auditor })).body;

/** The next slot comes, and what it starts has ended. */
async function slot(): Promise<void> {
  ahead += 5 * 60_000 - (clock.now() % (5 * 60_000)) + 1_000;
  await stack.gateway.runJobs(20_000);
  await stack.gateway.runJobs();
}

test('a job with health: true looks as itself by schedule, whatever it sees is no failure of the job', async () => {
  await stack.gateway.runJobs();
  for (const { objects } of faults(clock.now()).slice(0, 6))
    for (const one of objects) stack.azure.kubernetes.place(one);
  await slot();
  const watch = await job('watch');
  expect(watch).toMatchObject({ health: true, argv: null, steps: null });
  expect(watch.lastRun).toMatchObject({
    outcome: 'completed',
    exitCode: 0,
    why: expect.stringMatching(/^failing: node-not-ready/),
  });
  const { text } = await stack.request('GET', '/metrics', { token: stack.tokens.auditor });
  const line = (name: string, ...labels: readonly string[]): string | undefined =>
    text.split('\n').find((one) => one.startsWith(`${name}{`) && labels.every((label) => one.includes(label)));
  expect(line('aksgw_cluster_status', 'aspect="nodes"', 'cluster="demo"')).toMatch(/ 2( \d+)?$/);
  expect(line('aksgw_cluster_status', 'aspect="storage"')).toMatch(/ 0( \d+)?$/);
  expect(line('aksgw_cluster_findings', 'what="crash-loop"')).toMatch(/ 1( \d+)?$/);
  expect(line('aksgw_cluster_nodes', 'node="notReady"')).toMatch(/ 2( \d+)?$/);
  expect(line('aksgw_cluster_pods', 'namespace="shop"', 'pod="problem"')).toMatch(/ 1( \d+)?$/);
  // Nothing is bound to the other job, so it may see nothing.
  expect((await job('blind')).lastRun).toMatchObject({ outcome: 'suspended' });
}, 60_000);

test('aksgw health prints a table, and exits with 1 when something is wrong', async () => {
  stack.azure.kubernetes.reset();
  ahead += 70_000;
  const token = await stack.azure.entra.appToken({
    oid: '33333333-3333-4333-8333-333333333333',
    roles: ['Commands.Run'],
  });
  const aksgw = async (...words: string[]) => {
    let [out, err] = ['', ''];
    const write = (add: (text: string) => void) => ({
      write: (text: string | Uint8Array) => (add(String(text)), true),
    });
    const code = await main(words, {
      env: { AKSGW_URL: stack.url, AKSGW_TOKEN: token },
      cwd: stack.folder,
      stdout: write((text) => (out += text)),
      stderr: write((text) => (err += text)),
      signal: new AbortController().signal,
    } as never);
    return { code, out, err };
  };
  const well = await aksgw('--cluster', 'demo', 'health');
  expect([well.code, well.err]).toEqual([0, '']);
  expect(well.out).toMatch(/^demo: ok, seen at [\d-]+ [\d:]+ UTC\n\nPART +STATUS +SAYS\nreachability +ok +answered in/);
  stack.azure.kubernetes.failing.add('etcd');
  const ill = await aksgw('health', 'demo', '-n', 'shop');
  expect([ill.code, ill.out]).toEqual([1, expect.stringMatching(/failing +not-ready +apiserver\/readyz +etcd/)]);
  expect(JSON.parse((await aksgw('health', 'demo', '--json')).out)).toMatchObject({ cluster: 'demo' });
  expect((await aksgw('health')).code).toBe(2);
  expect((await aksgw('health', 'demo', 'more')).code).toBe(2);
}, 60_000);

test('its numbers are gauges with few labels, and say nothing of what is old or was not seen', async () => {
  const gauges = new Map<string, () => readonly { labels: Record<string, string | number>; value: number }[]>();
  const metrics = createHealthMetrics({ gauge: (name, read) => gauges.set(name, read as never) }, clock);
  const read = (name: string) => gauges.get(name)?.() ?? [];
  expect(read('aksgw.cluster.status')).toEqual([]);

  cluster.powerState = 'Stopped';
  ahead += 70_000;
  const away: Health[] = [];
  await expect(look(away)).rejects.toMatchObject({ code: 'cluster-unavailable' });
  expect(away.map(({ status, parts }) => [status, parts.reachability.status])).toEqual([['failing', 'failing']]);
  delete cluster.powerState;
  ahead += 70_000;

  for (const { objects } of faults(clock.now()).slice(0, 6))
    for (const one of objects) stack.azure.kubernetes.place(one);
  const health = await look([]);
  metrics.set(health, clock.now() + 3 * 3_600_000);
  const status = Object.fromEntries(
    read('aksgw.cluster.status').map(({ labels: { aspect = '' }, value }) => [aspect, value]),
  );
  expect(status).toMatchObject({ whole: 2, nodes: 2, pods: 2, reachability: 0 });
  expect(Object.keys(status).sort()).toEqual([...labels.aspect].sort());
  expect(['whole', ...partNames].sort()).toEqual([...labels.aspect].sort());
  expect(read('aksgw.cluster.findings')).toContainEqual({ labels: { cluster: 'demo', what: 'crash-loop' }, value: 1 });
  expect(read('aksgw.cluster.nodes')).toContainEqual({ labels: { cluster: 'demo', node: 'notReady' }, value: 2 });
  expect(read('aksgw.cluster.pods')).toContainEqual({
    labels: { cluster: 'demo', namespace: 'shop', pod: 'problem' },
    value: 1,
  });

  const many = Array.from({ length: 500 }, (_, index) => ({ namespace: `n${index}`, pods: 1, problems: 0 }));
  const pods = { ...health.parts.pods, numbers: { ...health.parts.pods.numbers, namespaces: many } };
  metrics.set({ ...health, parts: { ...health.parts, pods } }, clock.now() + 3 * 3_600_000);
  expect(new Set(read('aksgw.cluster.pods').map(({ labels: { namespace } }) => namespace)).size).toBe(31);
  expect(read('aksgw.cluster.pods').reduce((sum, { value }) => sum + value, 0)).toBe(500);

  ahead += 4 * 3_600_000;
  for (const name of gauges.keys()) expect([name, read(name)]).toEqual([name, []]);
});

/** No other process. */
const alone = { find: async () => [], put: async () => undefined };

/** A look of the job's, as the gateway has it; `seen` gets what becomes metrics. */
async function look(seen: Health[]): Promise<Health> {
  const view = () => Promise.reject(new Problem('azure-unreachable', 'Azure is away.'));
  const metrics = { set: (health: Health) => void seen.push(health) };
  const looks = createLooks({ gateway: stack.gateway.gateway, relay: { view }, clock, metrics, shared: alone });
  const principal = { tid: '', oid: 'watch', azp: '', uti: '', idtyp: 'job' } as const;
  const request = { caller: { principal: jobPrincipal('watch') }, facts: { requestId: 'r', principal } };
  const started = await looks.start(request, 'demo', {}, clock.now() + 1_000);
  await started.active?.finished;
  await looks.note(request, 'demo', started.record.batch?.id ?? '', clock.now() + 1_000);
  const [health] = seen;
  if (!health) throw new Error('nothing was noted');
  return health;
}
