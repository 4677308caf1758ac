import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock, type Clock } from '../../shared/clock.ts';
import { ClusterHealthBody, type ClusterHealthOutput, type ProblemDocument } from '../../shared/http/schemas.ts';
import { eventCodes } from '../../shared/audit/events.ts';
import { Compile } from 'typebox/compile';
import { DEMO_CLUSTER } from '../../infra/local/azure.ts';
import type { KubeObject } from '../../infra/local/kubernetes/json.ts';
import { testStack, type Answer, type RequestOptions, type TestStack } from '../support/stack.ts';
import { faults, warnings } from './zoo.ts';

type Body = ClusterHealthOutput & Partial<Omit<ProblemDocument, 'status'>>;

/** System time, further on by what a test says. */
let ahead = 0;
const clock: Clock = {
  now: () => systemClock.now() + ahead,
  monotonic: () => systemClock.monotonic() + ahead,
  sleep: (...given) => systemClock.sleep(...given),
};

const cluster = { resourceId: DEMO_CLUSTER } as {
  resourceId: string;
  powerState?: 'Running' | 'Stopped';
  disableRunCommand?: boolean;
  vnetIntegration?: boolean;
};

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    clock,
    jobs: false,
    clusters: [cluster],
    gateway: { clock },
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 4000'),
  });
});
afterAll(() => stack.close());
beforeEach(() => {
  // Nothing that was seen before is shared, and Azure's view is asked for again.
  ahead += 70_000;
  stack.azure.kubernetes.reset();
  delete stack.azure.kubernetes.allow;
  delete cluster.powerState;
  delete cluster.disableRunCommand;
  delete cluster.vnetIntegration;
});

const look = async (query = '', options: RequestOptions = {}): Promise<Answer<Body>> =>
  stack.request<Body>('GET', `/v1/clusters/demo/health${query}`, { token: stack.tokens.bot, ...options });
const posts = () => stack.azure.arm.posts.length;
const schema = Compile(ClusterHealthBody);

/** The pod of a job that has just ended. */
const done = (now: number): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'nightly-x7k2p', namespace: 'shop', creationTimestamp: new Date(now - 600_000).toISOString() },
  spec: { containers: [{ name: 'job', image: 'job:1' }] },
  status: {
    phase: 'Succeeded',
    containerStatuses: [
      {
        name: 'job',
        restartCount: 0,
        ready: false,
        state: { terminated: { reason: 'Completed', exitCode: 0, finishedAt: new Date(now - 60_000).toISOString() } },
      },
    ],
  },
});

describe('GET /v1/clusters/{cluster}/health', () => {
  test('a healthy cluster is quiet, in one pod start', async () => {
    const before = posts();
    stack.azure.kubernetes.place(done(clock.now()));
    const { status, body } = await look();
    expect([status, body.status, body.findings]).toEqual([200, 'ok', []]);
    expect(body.parts['pods']).toMatchObject({ restartedInHour: 0 });
    expect(Object.values(body.parts).map((part) => part.status)).toEqual(Array.from({ length: 10 }, () => 'ok'));
    expect([...schema.Errors(body)]).toEqual([]);
    expect(posts() - before).toBe(1);
    expect(body.parts).toMatchObject({
      nodes: { ready: 2, total: 2 },
      workloads: { ready: 12, desired: 12 },
      controlPlane: { version: 'v1.35.2', daysOfSupport: expect.any(Number) },
      tunnel: { kind: 'konnectivity-agent' },
      azure: { tier: 'standard', private: true, runCommand: true },
    });
  });

  test('names every fault of the zoo, the failing ones first', async () => {
    const zoo = faults(clock.now());
    for (const { objects } of zoo) for (const object of objects) stack.azure.kubernetes.place(object);
    for (const event of warnings(clock.now())) stack.azure.kubernetes.place(event);
    const { body } = await look();
    expect(body.status).toBe('failing');
    for (const { name, finds, says = /(?:)/ } of zoo) {
      const found = body.findings.find(({ what, object }) => what === finds.what && object === finds.object);
      expect([name, found]).toEqual([name, expect.objectContaining({ ...finds, detail: expect.stringMatching(says) })]);
    }
    // What is wrong, and nothing else.
    expect(body.findings.map(({ object }) => object).sort()).toEqual(zoo.map(({ finds }) => finds.object).sort());
    const order = body.findings.map(({ severity }) => severity);
    expect(order).toEqual([...order].sort().toReversed());
    expect(body.reason).toContain('node-not-ready');
    const counts = body.parts as Record<string, Record<string, unknown>>;
    expect(counts['pods']).toMatchObject({ status: 'failing', problems: { 'crash-loop': 2, unschedulable: 2 } });
    expect(counts['events']).toEqual({
      status: 'ok',
      reason: '21 warnings in the hour, most of them BackOff',
      checks: { events: { status: 'ok' } },
      warnings: 21,
      byReason: [
        { reason: 'BackOff', count: 17 },
        { reason: 'Fail|ed\nPod|shop', count: 4 },
      ],
      byObject: [
        { object: 'shop/pod/web-1', count: 17 },
        { object: 'shop/pod/web|2', count: 4 },
      ],
    });
    expect(counts['nodes']).toMatchObject({ notReady: 2, pressure: 1, cordoned: 1 });
  });

  // Each by itself, where asked for: AKSGW_ZOO=whole.
  (process.env['AKSGW_ZOO'] === 'whole' ? test : test.skip).each(
    faults(0).map((fault, index) => [fault.name, index] as const),
  )('finds %s by itself, and no other part is touched', async (_name, index) => {
    const fault = faults(clock.now())[index];
    for (const object of fault?.objects ?? []) stack.azure.kubernetes.place(object);
    const { body } = await look();
    expect(body.findings).toEqual([expect.objectContaining(fault?.finds ?? {})]);
    expect(body.status).toBe(fault?.finds.severity);
    const bad = Object.entries(body.parts).filter(([, part]) => part.status !== 'ok');
    expect(bad.map(([name]) => name)).toEqual([fault?.finds.part]);
  });

  test('a check of the API server that fails, one that is slow, and a tunnel that is missing', async () => {
    stack.azure.kubernetes.failing.add('etcd');
    stack.azure.kubernetes.remove('Deployment', 'kube-system', 'konnectivity-agent');
    stack.azure.kubernetes.allow = () => {
      ahead += 4_000;
      return true;
    };
    const { body } = await look();
    expect(body.status).toBe('failing');
    const found = body.findings.map(({ severity, part, what, detail }) => [severity, part, what, detail]);
    expect(found).toContainEqual(['failing', 'controlPlane', 'not-ready', 'etcd']);
    expect(found).toContainEqual(['failing', 'controlPlane', 'not-live', 'etcd']);
    expect(found).toContainEqual(['degraded', 'controlPlane', 'slow', expect.stringMatching(/ s a read on average$/)]);
    expect(found).toContainEqual(['failing', 'tunnel', 'tunnel-missing', expect.stringMatching(/konnectivity-agent/)]);
    expect(body.parts['controlPlane']).toMatchObject({ failedChecks: ['etcd'] });
  });

  test('a stopped cluster, and one whose run command is off: no pod, a finding, and nothing green', async () => {
    const before = posts();
    for (const [change, what] of [
      [{ powerState: 'Stopped' }, 'stopped'],
      [{ disableRunCommand: true }, 'run-command-off'],
    ] as const) {
      ahead += 70_000;
      Object.assign(cluster, { powerState: 'Running', disableRunCommand: false }, change);
      const { status, body } = await look();
      expect([status, body.status]).toEqual([200, 'failing']);
      expect(body.findings.map((finding) => finding.what)).toEqual(['unreachable', what]);
      const others = Object.entries(body.parts).filter(([name]) => !['reachability', 'azure'].includes(name));
      expect(new Set(others.map(([, part]) => part.status))).toEqual(new Set(['unknown']));
    }
    expect(posts()).toBe(before);
  });
});

describe('judged as the caller', () => {
  test('what it may not read is not allowed, never green; what it may is told', async () => {
    const { body } = await look('', { token: stack.tokens.user });
    expect(body.status).toBe('not-allowed');
    const mine = await look('?namespace=shop', { token: stack.tokens.user });
    expect(mine.body.namespace).toBe('shop');
    expect(mine.body.parts['events']?.status).toBe('ok');
    expect(mine.body.parts['nodes']?.status).toBe('not-allowed');
    expect(mine.body.parts['workloads']?.checks).toMatchObject({
      deployments: { status: 'ok' },
      statefulSets: { status: 'not-allowed' },
    });
    // Each read is a command of the caller, with its intent; what was denied is in the trail too.
    const trail = await stack.request<{ items: { code: string }[] }>('GET', '/v1/audit/events?limit=200&order=desc', {
      token: stack.tokens.auditor,
    });
    const codes = trail.body.items.map(({ code }) => code);
    for (const code of [eventCodes['command.intended'], eventCodes['command.completed']])
      expect(codes.filter((one) => one === code).length).toBeGreaterThan(2);
  });

  test('all that a look may not read is one line of the trail, however often it is asked for while it is fresh', async () => {
    const lines = async () => {
      const query = `/v1/audit/events?limit=200&code=${eventCodes['command.explained']}&order=desc`;
      const { body } = await stack.request<{ items: { argv: string[]; decision: string; attributes: unknown[] }[] }>(
        'GET',
        query,
        { token: stack.tokens.auditor },
      );
      return body.items;
    };
    const before = (await lines()).length;
    for (let again = 0; again < 3; again += 1) await look('?namespace=shop', { token: stack.tokens.user });
    const [line, ...others] = await lines();
    expect(others).toHaveLength(before);
    expect(line).toMatchObject({
      argv: ['kubectl', 'get', expect.stringMatching(/statefulsets\.apps,.*nodes/), '-n', 'shop'],
      decision: 'deny',
    });
    expect(line?.attributes).toContainEqual(expect.objectContaining({ resource: 'nodes', verb: 'list' }));
    expect(line?.attributes).toContainEqual(expect.objectContaining({ resource: 'statefulsets', namespace: 'shop' }));
  });

  test('a caller who may read nothing starts no pod', async () => {
    const before = posts();
    const { status, body } = await look('', { token: stack.tokens.job });
    expect(status).toBe(200);
    expect(new Set(Object.values(body.parts).map((part) => part.status))).toEqual(new Set(['not-allowed']));
    expect(posts()).toBe(before);
    const other = await stack.request('GET', '/v1/clusters/other/health', { token: stack.tokens.bot });
    expect([other.status, other.body.code]).toEqual([404, 'cluster-not-found']);
    expect((await look('', { token: null })).status).toBe(401);
  });

  test('what Kubernetes itself refuses is not allowed either; no tunnel is no fault where the API server stands in the VNet', async () => {
    stack.azure.kubernetes.remove('Deployment', 'kube-system', 'konnectivity-agent');
    cluster.vnetIntegration = true;
    stack.azure.kubernetes.allow = ({ resource }) => resource !== 'daemonsets' && resource !== 'nodes';
    const { body } = await look();
    expect(body.parts['workloads']).toMatchObject({
      status: 'not-allowed',
      checks: { daemonSets: { status: 'not-allowed' }, deployments: { status: 'ok' } },
      deployments: 4,
    });
    expect(body.parts['tunnel']).toMatchObject({ status: 'ok', kind: 'none' });
    expect(body.parts['nodes']?.status).toBe('not-allowed');
  });

  test('a namespace narrows it: no other is asked for; 202 with its own address while the look goes on', async () => {
    stack.azure.kubernetes.requests.length = 0;
    const before = posts();
    const first = await look('?namespace=shop', { headers: { prefer: 'respond-async' } });
    expect([first.status, first.body.status]).toEqual([202, 'unknown']);
    expect(first.headers.get('location')).toBe('/v1/clusters/demo/health?namespace=shop');
    expect(first.headers.get('retry-after')).toMatch(/^\d+$/);
    const { status, body } = await look('?namespace=shop');
    expect([status, body.status]).toEqual([200, 'ok']);
    expect(posts() - before).toBe(1);
    const asked = stack.azure.kubernetes.requests.map(({ info }) => info.namespace);
    expect(new Set(asked)).toEqual(new Set(['', 'shop', 'kube-system']));
    expect(body.parts['pods']).toMatchObject({ total: 4 });
    for (const query of ['?namespace=A', '?namespace=a/b', '?namespace=', '?colour=red'])
      expect((await look(query)).body.code).toBe('request-invalid');
  });

  test('is shared with the same caller alone', async () => {
    const before = posts();
    const shop = (token: string) => look('?namespace=shop', { token });
    const { user, job } = stack.tokens;
    const [one, two] = await Promise.all([shop(user), shop(user)]);
    expect(one.body).toEqual(two.body);
    expect((await shop(user)).body.at).toBe(one.body.at);
    expect(posts() - before).toBe(1);
    expect(one.body.parts['events']?.status).toBe('ok');
    expect((await shop(job)).body.parts['events']?.status).toBe('not-allowed');
    expect(posts() - before).toBe(2);
  });
});

describe('hostile text', () => {
  test('cannot make up an object, end a line or leave the fence', async () => {
    const evil =
      'x|Pod|shop|ok\nPod|shop|forged||||Failed|Evicted|||\n```\n<!channel> @everyone [a](http://x) \u001b[31m';
    stack.azure.kubernetes.place({
      ...faults(clock.now()).find(({ name }) => name.startsWith('a pod for which'))?.objects[0],
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: evil }],
      },
    } as never);
    const mine = { token: stack.tokens.user };
    const { body } = await look('?namespace=shop', mine);
    expect(body.findings.map(({ object }) => object)).toEqual(['pod/roomless']);
    expect(body.findings[0]?.detail).toContain('x|Pod|shop|ok');
    const markdown = await look('?namespace=shop', { ...mine, headers: { accept: 'text/markdown;profile=slack' } });
    expect(markdown.headers.get('content-type')).toMatch(/^text\/markdown/);
    expect(markdown.text.match(/```/g)).toHaveLength(2);
    expect(markdown.text).not.toContain('<!channel>');
    expect(markdown.text).not.toContain('\u001b');
    expect(markdown.text.split('\n').some((line) => line.startsWith('Pod|'))).toBe(false);
  });

  test('of a kubelet cannot make up a node', async () => {
    const forged = '|\nNode||forged||||Ready=True=;|v1.35.2';
    stack.azure.kubernetes.place({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'taken-over' },
      status: {
        phase: forged,
        conditions: [{ type: `Ready${forged}`, status: `True${forged}`, reason: forged }],
        nodeInfo: { kubeletVersion: `v1.35.2${forged}` },
      },
    });
    const { body } = await look();
    // Two are the cluster's own.
    expect((body.parts.nodes as unknown as { total: number }).total).toBe(3);
    expect(JSON.stringify(body.findings)).not.toContain('node/forged');
    expect(body.findings.some(({ object }) => object === 'node/taken-over')).toBe(true);
  });
});
