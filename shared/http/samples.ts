import { problems } from '../errors.ts';

/** Samples for the OpenAPI document. A test holds each against its schema. */

export const sampleCommands = [
  { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] },
  {
    command: 'kubectl apply -f k8s/app.yaml -n shop',
    files: [
      {
        path: 'k8s/app.yaml',
        content: 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app, namespace: shop }\ndata: { mode: calm }\n',
      },
    ],
    timeoutSeconds: 120,
    reason: 'INC-1234',
    requestedBy: 'U02ABC on Slack',
  },
];

export const sampleBatch = {
  steps: [
    { command: 'kubectl scale deployment/web --replicas=3 -n shop' },
    { command: 'kubectl rollout status deployment/web -n shop', timeoutSeconds: 120 },
  ],
  onError: 'stop',
  reason: 'INC-1234',
};

export const sampleRecord = {
  id: 'a3f1c2d4-5b6e-4f70-8a91-b2c3d4e5f607',
  cluster: 'demo',
  argv: ['kubectl', 'get', 'pods', '-n', 'shop'],
  status: 'completed',
  exitCode: 0,
  stdout: 'NAME   READY   STATUS    RESTARTS   AGE\nweb    1/1     Running   0          3d\n',
  stderr: '',
  outputBytes: { stdout: 80, stderr: 0 },
  streams: 'separate',
  truncated: false,
  timedOut: false,
  cancelled: false,
  replayed: false,
  warnings: [],
  submittedAt: '2026-01-31T08:00:00.000Z',
  startedAt: '2026-01-31T08:00:04.000Z',
  finishedAt: '2026-01-31T08:00:05.000Z',
  reason: null,
  requestedBy: 'U02ABC on Slack',
  principal: {
    kind: 'app',
    tid: '11111111-1111-4111-8111-111111111111',
    oid: '22222222-2222-4222-8222-222222222222',
  },
  decision: { role: 'viewer', rule: 'allow[0]' },
  azure: { commandId: '0123456789abcdef0123456789abcdef' },
  receipt: 'eyJhbGciOiJFUzI1NiJ9.eyJzZXEiOjQyfQ.c2lnbmF0dXJl',
};

const { status, title, retryable, next } = problems['rate-limited'];

export const sampleProblem = {
  type: 'urn:aksgw:problem:rate-limited',
  title,
  status,
  detail: 'You are over the 30 commands a minute that you may start; try again in 12 s.',
  instance: 'urn:uuid:0b9d1c5e-7f38-4a52-9c46-d1e2f3a4b5c6',
  code: 'rate-limited',
  retryable,
  next,
};
