import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { USAGE } from '../../infra/local/kubernetes/reviews.ts';
import type { KubeObject } from '../../infra/local/kubernetes/json.ts';
import type { BatchOutputBody, ClusterHealthOutput } from '../../shared/http/schemas.ts';
import type { BatchResult } from '../../shared/gateway/read-batch.ts';
import { assess } from '../../shared/health/assess.ts';
import { readLook } from '../../shared/health/read-batch.ts';
import { testStack, type TestStack } from '../support/stack.ts';

/**
 * 5,000 pods and 500 nodes: what a look sends through run command, and what the gateway itself spends. Names, times and figures differ as
 * they do in a cluster: it is them that do not compress. A tenth of it by default; AKSGW_SCALE=whole takes all.
 */
const WHOLE = process.env['AKSGW_SCALE'] === 'whole';
const PODS = WHOLE ? 5_000 : 500;
const NODES = WHOLE ? 500 : 50;
/** Bytes: of the whole 400 kB. */
const MOST_SENT = 80 * PODS;
const noise = (seed: string, length: number): string =>
  createHash('sha256').update(seed).digest('hex').slice(0, length);
const figure = (seed: string, most: number): number => Number.parseInt(noise(seed, 8), 16) % most;

const node = (index: number): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: `aks-pool${index % 5}-${figure('pool', 90_000_000)}-vmss${index.toString(36).padStart(6, '0')}`,
    labels: {
      'kubernetes.azure.com/agentpool': `pool${index % 5}`,
      'kubernetes.azure.com/node-image-version': 'AKSUbuntu-2204gen2containerd-202611.03.0',
    },
    creationTimestamp: new Date(Date.now() - figure(`n${index}`, 90 * 86_400) * 1_000).toISOString(),
  },
  spec: {},
  status: {
    allocatable: { cpu: '3860m', memory: '12880736Ki' },
    nodeInfo: { kubeletVersion: 'v1.35.2' },
    conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'KernelDeadlock', 'ReadonlyFilesystem']
      .map((type) => ({ type, status: 'False', reason: 'well' }))
      .concat([{ type: 'Ready', status: index === 7 ? 'False' : 'True', reason: 'KubeletReady' }]),
  },
});

const pod = (index: number): KubeObject => {
  const app = `service-${index % 180}`;
  const started = new Date(Date.now() - figure(`p${index}`, 30 * 86_400) * 1_000).toISOString();
  const bad = index % 500 === 3;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${app}-${noise(app, 10)}-${noise(`s${index}`, 5)}`,
      namespace: `team-${index % 40}`,
      annotations: { [USAGE]: `${figure(`c${index}`, 90_000_000)}n/${figure(`m${index}`, 300_000)}Ki` },
      creationTimestamp: started,
    },
    spec: {
      nodeName: `aks-pool-${index % NODES}`,
      containers: ['app', 'proxy'].map((name) => ({
        name,
        image: `acr.azurecr.io/${app}:${noise(app, 12)}`,
        resources: { limits: { cpu: '500m', memory: '512Mi' }, requests: { cpu: '100m', memory: '256Mi' } },
      })),
    },
    status: {
      phase: 'Running',
      podIP: `10.244.${index >> 8}.${index & 255}`,
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True' })),
      containerStatuses: ['app', 'proxy'].map((name) => ({
        name,
        ready: !bad,
        restartCount: figure(`r${index}${name}`, 4),
        image: '',
        imageID: `sha256:${noise(`${app}${name}`, 64)}`,
        state: bad ? { waiting: { reason: 'CrashLoopBackOff' } } : { running: { startedAt: started } },
        lastState: {},
      })),
    },
  };
};

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({ jobs: false });
  for (let index = 0; index < NODES; index += 1) stack.azure.kubernetes.place(node(index));
  for (let index = 0; index < PODS; index += 1) stack.azure.kubernetes.place(pod(index));
});
afterAll(() => stack.close());

test(`${PODS} pods and ${NODES} nodes are one pod start, under ${MOST_SENT} bytes sent, under a second of own time`, async () => {
  const { status, body } = await stack.request<ClusterHealthOutput>('GET', '/v1/clusters/demo/health', {
    token: stack.tokens.bot,
    headers: { prefer: 'wait=200' },
  });
  expect(status).toBe(200);
  expect(stack.azure.arm.posts).toHaveLength(1);
  expect(body.cut).toBe(false);
  expect(body.parts).toMatchObject({ pods: { total: PODS + 12 }, nodes: { total: NODES + 2 } });
  expect(body.findings.filter(({ what }) => what === 'crash-loop')).toHaveLength(PODS / 500);
  expect(body.findings.filter(({ what }) => what === 'node-not-ready')).toHaveLength(1);
  const sent = Math.max(...stack.azure.arm.polls.map(({ bytes = 0 }) => bytes));
  expect(sent).toBeGreaterThan(10 * PODS);
  expect(sent).toBeLessThan(MOST_SENT);

  // What the gateway does with it, apart from what the emulated Azure does in this same process.
  const { body: own } = await stack.request<{ items: { batch: string }[] }>('GET', '/v1/commands?limit=1', {
    token: stack.tokens.bot,
  });
  const { body: batch } = await stack.request<BatchOutputBody>('GET', `/v1/batches/${own.items[0]?.batch}`, {
    token: stack.tokens.bot,
  });
  const items = batch.items.map(({ stdout, stderr, ...record }) => ({
    record,
    output: { stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) },
  })) as unknown as BatchResult['items'];
  const began = process.cpuUsage();
  const seen = { cluster: 'demo', namespace: undefined, denied: new Map(), now: Date.now() };
  const azure = { kind: 'unknown', reason: '' } as const;
  const health = assess({ ...seen, azure, ...readLook({ ...batch, items } as unknown as BatchResult) });
  const { user, system } = process.cpuUsage(began);
  expect(health.parts.pods.numbers).toMatchObject({ total: PODS + 12 });
  expect((user + system) / 1_000).toBeLessThan(1_000);
  if (process.env['AKSGW_FIGURES']) console.log({ sent, ownMs: (user + system) / 1_000 });
}, 120_000);
