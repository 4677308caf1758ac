import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { metrics as metricsTable, prometheusName, type MetricName } from '../../shared/telemetry/metrics.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';
import { readPrometheus } from './support/prometheus.ts';
import { startReceiver } from './support/receiver.ts';

/**
 * A day of a gateway, by script: what its metrics say at the end is what was done. Read from Prometheus' text and from what it sent over OTLP, and
 * held against the audit trail as well.
 */
const scraper = '88888888-8888-4888-8888-888888888888';
const SECRET = 'hunter2-never-anywhere';
const GET = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
const MISSING = { argv: ['kubectl', 'get', 'configmap', 'missing', '-n', 'shop'] };
const DELETE = { argv: ['kubectl', 'delete', 'pod', SECRET, '-n', 'shop'] };

const JOBS = `
jobs:
  - { name: nightly, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, pods, -n, shop] }
  - { name: failing, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, pods/missing, -n, shop] }
  - { name: denied, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, secrets, -n, shop] }
`;

const SLOT_MS = 5 * 60_000;
/** The day begins a second after a slot, so that the next one is far. */
let ahead = SLOT_MS - (systemClock.now() % SLOT_MS) + 1_000;
const clock = { ...systemClock, now: () => systemClock.now() + ahead };

const edit =
  (otlp: string) =>
  (yaml: string): string =>
    yaml
      .replace('\nstorage:', `\ntelemetry: { prometheus: true, otlp: "${otlp}" }\nstorage:`)
      .replace('submitsPerMinute: 30', 'submitsPerMinute: 20')
      .replace("'/v1/commands/*']", "'/v1/commands/*', /metrics]")
      .replace(
        '  bindings:\n',
        `  bindings:
    - { role: viewer, clusters: [demo], subjects: [{ job: nightly }, { job: failing }, { job: denied }] }
    - { role: auditor, clusters: ['*'], subjects: [{ user: ${scraper} }] }\n`,
      )
      .replace('\n...\n', `${JOBS}...\n`);

/** What was done, by the answers alone. */
const done = { limited: 0, deniedJob: 0, posts: 0 };
let folder: string;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let stack: TestStack;
let text: string;
let metrics: ReadonlyMap<string, number>;
let trail: readonly Line[];

interface Line {
  readonly code: string;
  readonly traceId?: string;
  readonly commandId?: string;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-day-'));
  receiver = await startReceiver();
  const gateway = { clock, settleAfterMs: 24 * 3_600_000 };
  stack = await testStack({ folder, edit: edit(receiver.url), jobs: false, gateway });
  const { bot, user, job } = stack.tokens;
  const { faults } = stack.azure.arm;
  await stack.gateway.runJobs(); // sees the jobs first
  const run = async (body: unknown, token: string | null, expected = 'completed') => {
    const answer = await stack.command(body, { token });
    expect(answer.body.code ?? answer.body.status).toBe(expected);
  };

  for (let each = 0; each < 3; each += 1) await run(GET, bot);
  await run(MISSING, bot);
  await run(DELETE, bot, 'policy-denied');
  await run(DELETE, bot, 'policy-denied');
  await run({ argv: ['rm', '-rf', SECRET] }, bot, 'command-refused');
  await run({ argv: 7 }, bot, 'request-invalid');
  await run(GET, null, 'token-missing');
  await run(GET, null, 'token-missing');
  await run(GET, `${SECRET}.x.y`, 'token-invalid');
  faults.post({ kind: 'failed', reason: 'ImagePullBackOff' });
  await run(GET, bot, 'failed');
  faults.post({ kind: 'resetAfter' });
  await run(GET, bot, 'unknown');
  faults.post({ kind: 'status', status: 403, code: 'AuthorizationFailed', message: SECRET });
  await run(GET, bot, 'azure-refused');
  faults.post({ kind: 'status', status: 429, code: 'TooManyRequests', message: SECRET, retryAfter: 1 });
  await run(GET, bot); // sent again after the 429

  const keyed = { token: bot, headers: { 'idempotency-key': `key-${SECRET}` } };
  const first = await stack.command(GET, keyed);
  expect((await stack.command(GET, keyed)).body.id).toBe(first.body.id);
  const deployments = { argv: GET.argv.with(2, 'deployments') };
  const steps = [deployments, MISSING, deployments];
  const batch = { token: user, body: { steps, onError: 'continue' } };
  expect((await stack.request('POST', '/v1/clusters/demo/batches', batch)).status).toBe(200);
  for (let each = 0; each < 50 && done.limited === 0; each += 1) {
    const { code } = (await stack.command(DELETE, { token: job })).body;
    if (code === 'rate-limited') done.limited += 1;
    else done.deniedJob += 1;
  }
  await stack.request('GET', `/nowhere/${SECRET}`, { token: bot });
  await stack.request('GET', '/metrics', { token: bot }); // has no right to it

  // One slot in time; then three at once, the newest of them late.
  ahead += SLOT_MS - (clock.now() % SLOT_MS) + 5_000;
  await look();
  ahead += 3 * SLOT_MS + 120_000;
  await look();

  const token = await stack.azure.entra.userToken({ oid: scraper });
  const answer = await stack.request('GET', '/metrics', { token });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  ({ text } = answer);
  metrics = readPrometheus(text);
  done.posts = stack.azure.arm.posts.length;
  await closed();
  trail = linesOf(join(folder, 'data/audit'));
}, 90_000);

let isClosed = false;
const closed = async (): Promise<void> => {
  if (isClosed) return;
  isClosed = true;
  await stack.close();
  receiver.close();
};

afterAll(async () => {
  await closed();
  rmSync(folder, { recursive: true, force: true });
});

const look = async (): Promise<void> => {
  await stack.gateway.runJobs(30_000); // until no command runs
  await stack.gateway.runJobs();
};

const linesOf = (place: string): Line[] =>
  readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8').split('\n'))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

/** All series of a counter. */
const of = (name: string): Record<string, number> =>
  Object.fromEntries(
    [...metrics]
      .filter(([series]) => series.startsWith(`${name}{`))
      .map(([series, value]) => [series.slice(name.length), value]),
  );

const lines = (code: string): number => trail.filter((line) => line.code === code).length;
const sum = (series: Readonly<Record<string, number>>): number =>
  Object.values(series).reduce((total, value) => total + value, 0);

describe('the metrics of a day, read from the text of Prometheus', () => {
  test('say what was done', () => {
    expect(of('aksgw_commands_total')).toEqual({
      // three, one after a 429, one with a key, two steps, and a job
      '{cluster=demo,outcome=completed}': 3 + 1 + 1 + 2 + 1,
      '{cluster=demo,outcome=nonzero}': 1 + 1 + 1,
      '{cluster=demo,outcome=failed}': 1,
      '{cluster=demo,outcome=unknown}': 1,
      '{cluster=demo,outcome=rejected}': 1,
    });
    expect(of('aksgw_commands_replayed_total')).toEqual({ '{}': 1 });
    expect(of('aksgw_denials_total')).toEqual({
      '{by=policy,cluster=demo}': 2 + done.deniedJob + 1, // and the job that may not
      '{by=principal,cluster=none}': 1,
    });
    expect(of('aksgw_refusals_total')).toEqual({
      '{code=command-refused}': 1,
      '{code=request-invalid}': 1,
      '{code=route-not-found}': 1,
    });
    expect(of('aksgw_unauthenticated_total')).toEqual({ '{code=token-missing}': 2, '{code=token-invalid}': 1 });
    expect(of('aksgw_limited_total')).toEqual({ '{}': 1 });
  });

  test('say what came of the jobs', () => {
    expect(of('aksgw_job_runs_total')).toEqual({
      '{job=nightly,status=completed}': 1,
      '{job=failing,status=nonzero}': 1,
      '{job=denied,status=suspended}': 1,
    });
    expect(of('aksgw_job_missed_total')).toEqual({ '{job=nightly}': 3, '{job=failing}': 3, '{job=denied}': 3 });
  });

  test('say what Azure was asked, and how it answered', () => {
    const { posts } = done;
    const requests = of('aksgw_azure_requests_total');
    expect(requests['{answer=throttled,cluster=demo,operation=post}']).toBe(1);
    expect(requests['{answer=refused,cluster=demo,operation=post}']).toBe(1);
    expect(requests['{answer=lost,cluster=demo,operation=post}']).toBe(1);
    const posted = Object.entries(requests).filter(([series]) => series.includes('operation=post'));
    expect(sum(Object.fromEntries(posted))).toBe(posts);
    expect(requests['{answer=answered,cluster=demo,operation=poll}']).toBeGreaterThan(8);
    expect(requests['{answer=answered,cluster=demo,operation=view}']).toBeGreaterThan(0);
  });

  test('have times for what takes time, and values for what is', () => {
    const completed = of('aksgw_commands_total')['{cluster=demo,outcome=completed}'] ?? 0;
    expect(metrics.get('aksgw_relay_lag_seconds{cluster=demo}')).toBeGreaterThanOrEqual(completed);
    expect(metrics.get('aksgw_queue_duration_seconds{cluster=demo}')).toBeGreaterThan(completed);
    expect(metrics.get('aksgw_command_time_seconds{part=gateway}')).toBeGreaterThanOrEqual(completed - 1);
    expect(metrics.get('aksgw_audit_duration_seconds{result=ok}')).toBeGreaterThan(lines('AKG300I') * 2);
    for (const store of ['read', 'write', 'list', 'lease', 'output'])
      expect(metrics.get(`aksgw_store_duration_seconds{result=ok,store=${store}}`)).toBeGreaterThan(0);
    expect([...metrics.keys()].filter((series) => series.includes('result=failed'))).toEqual([]);
    expect(metrics.get('aksgw_memory_bytes{memory=rss}')).toBeGreaterThan(10_000_000);
    expect(metrics.get('aksgw_queue_waiting{}')).toBe(0);
    expect(metrics.get('aksgw_commands_carried{}')).toBe(0);
  });

  test('are families that the table has, and every one of the table that could happen', () => {
    const families = new Set([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`));
    families.delete('target_info gauge');
    const table = (Object.keys(metricsTable) as MetricName[]).map(
      (name) => `${prometheusName(name)} ${metricsTable[name].kind}`,
    );
    expect([...families].filter((family) => !table.includes(family))).toEqual([]);
    const missing = table.filter((family) => !families.has(family) && !family.startsWith('aksgw_cluster_')); // no job takes health here
    expect(missing.sort()).toEqual([
      'aksgw_commands_settled_total counter',
      'aksgw_deliveries_total counter', // the day has no webhook
      'aksgw_telemetry_dropped_total counter',
      'aksgw_telemetry_failures_total counter',
    ]);
  });

  test('are those of the trail', () => {
    expect(of('aksgw_commands_intended_total')).toEqual({ '{cluster=demo}': lines('AKG300I') });
    expect(sum(of('aksgw_commands_total'))).toBe(lines('AKG300I'));
    expect(sum(of('aksgw_denials_total'))).toBe(lines('AKG201W') + lines('AKG101W'));
    expect(sum(of('aksgw_refusals_total'))).toBe(lines('AKG200W') + lines('AKG204W'));
    expect(sum(of('aksgw_unauthenticated_total'))).toBe(lines('AKG100W'));
  });
});

describe('what was sent over OTLP', () => {
  test('has the same counters', () => {
    const sent = receiver.metrics();
    for (const name of Object.keys(metricsTable) as MetricName[]) {
      if (metricsTable[name].kind !== 'counter') continue;
      const ours = [...sent].filter(([series]) => series.startsWith(`${name}{`));
      expect(Object.fromEntries(ours.map(([series, value]) => [series.slice(name.length), value]))).toEqual(
        of(prometheusName(name)),
      );
    }
  });

  test('has a trace for each request and each run of a job, whose id is in the trail', () => {
    const spans = receiver.spans();
    const traces = new Set(spans.map(({ traceId }) => traceId));
    const told = trail.filter(({ traceId }) => traceId !== undefined);
    expect(told.length).toBeGreaterThan(40);
    expect(told.filter(({ traceId = '' }) => !traces.has(traceId))).toEqual([]);
    const jobs = spans.filter(({ name }) => name === 'job');
    expect(new Set(jobs.map(({ attributes }) => attributes['aksgw.job']))).toEqual(
      new Set(['denied', 'failing', 'nightly']),
    );
    expect(jobs).toHaveLength(3);
  });

  test('holds no text of a caller, no token and no secret, and nor has the text of Prometheus', () => {
    const sent = Buffer.concat(receiver.bodies.map(({ bytes }) => bytes)).toString('latin1');
    expect(sent.length).toBeGreaterThan(10_000);
    for (const everything of [sent, text]) {
      expect(everything).not.toContain(SECRET);
      expect(everything).not.toContain('nowhere');
      for (const token of Object.values(stack.tokens)) expect(everything).not.toContain(token.slice(0, 30));
      for (const oid of [...Object.values(people), scraper]) expect(everything).not.toContain(oid);
    }
  });
});

/** A Python that has OpenTelemetry's own protocol buffers and Prometheus' own client: pip install opentelemetry-proto prometheus-client. */
const python = process.env['AKSGW_TELEMETRY_PYTHON'] ?? 'python3';
const hasPython = (() => {
  try {
    execFileSync(python, ['-c', 'import opentelemetry.proto, prometheus_client'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const withPython = hasPython ? test : test.skip;

withPython(
  `Python reads the same from both${hasPython ? '' : ' (skipped: python3 has no opentelemetry-proto and prometheus-client)'}`,
  () => {
    writeFileSync(join(folder, 'metrics.txt'), text);
    writeFileSync(
      join(folder, 'metrics.pb'),
      receiver.bodies.findLast(({ path }) => path === '/v1/metrics')?.bytes ?? '',
    );
    const script = join(import.meta.dirname, 'support/read.py');
    const read = JSON.parse(execFileSync(python, [script, folder], { encoding: 'utf8' })) as Record<
      'text' | 'otlp',
      Record<string, number>
    >;
    const comparable = ([series]: readonly [string, number]): boolean => !series.startsWith('target_info');
    expect(Object.fromEntries(Object.entries(read.text).filter(comparable))).toEqual(
      Object.fromEntries([...metrics].filter(comparable)),
    );
    expect(Object.fromEntries(Object.entries(read.otlp))).toEqual(Object.fromEntries(receiver.metrics()));
  },
);
