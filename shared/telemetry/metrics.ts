import { outcomeEvents } from '../audit/events.ts';
import { problems, type ProblemCode } from '../errors.ts';

/**
 * A metric's kind says how it is read: a counter only grows, a histogram counts values into buckets, a gauge is the value of the moment.
 * `unit` is of UCUM, as OpenTelemetry has it: `s`, `By`, `1`, or what is counted in braces.
 */
interface Metric {
  readonly kind: 'counter' | 'histogram' | 'gauge';
  readonly unit: string;
  readonly labels: readonly Label[];
  readonly says: string;
}

/** The names of the configuration: as many as the operator wrote. */
const CONFIGURED = 'configured';
/** Found in a cluster, and told apart up to a bound (shared/health/metrics.ts). */
const BOUNDED = 'bounded';
/** Words of the code: HTTP's methods, statuses and the routes that the app has. */
const OF_THE_APP = 'of the app';

/**
 * Every label, and all the values it can have. No value comes from a caller's text, and none is an id: what callers send must not
 * make new series, which cost memory here and money where they are kept.
 */
export const labels = {
  cluster: CONFIGURED,
  job: CONFIGURED,
  /** `completed` ended with 0, `nonzero` with something else; the others did not run, or nobody knows. */
  outcome: ['completed', 'nonzero', 'rejected', 'failed', 'unknown', 'interrupted', 'cancelled'],
  code: Object.keys(problems) as ProblemCode[],
  /** Policy said no to a command, or to the caller as such: blocked, or without a right to what it asked of the gateway itself. */
  by: ['policy', 'principal'],
  /** Where a command's time went. */
  part: ['gateway', 'queue', 'azure'],
  /** Of a request to Azure. */
  operation: ['post', 'poll', 'view'],
  answer: ['answered', 'throttled', 'refused', 'unreached', 'lost'],
  result: ['ok', 'failed'],
  store: ['read', 'write', 'list', 'lease', 'output'],
  /** Of a job's slot: `completed` ended with 0, `nonzero` with something else. */
  status: ['completed', 'nonzero', 'failed', 'unknown', 'not-started', 'suspended', 'overlapped'],
  memory: ['rss', 'heap', 'external'],
  signal: ['traces', 'metrics'],
  /** Why a span is not sent. */
  why: ['queue-full', 'export-failed', 'unauthenticated'],
  /** Of a look at a cluster: the whole, or a part of it, in the order in which they are shown. */
  aspect: [
    'whole',
    'reachability',
    'azure',
    'controlPlane',
    'tunnel',
    'nodes',
    'workloads',
    'pods',
    'storage',
    'scaling',
    'events',
  ],
  /** What a look can find. */
  what: [
    'unreachable',
    'slow-start',
    'stopped',
    'run-command-off',
    'provisioning',
    'pool-stopped',
    'not-ready',
    'not-live',
    'out-of-support',
    'support-ends-soon',
    'slow',
    'tunnel-missing',
    'tunnel-not-ready',
    'node-not-ready',
    'node-pressure',
    'node-cordoned',
    'kubelet-skew',
    'node-full',
    'job-failed',
    'rollout-stuck',
    'none-ready',
    'not-all-ready',
    'not-observed',
    'rolling-out',
    'rollout-paused',
    'crash-loop',
    'image-pull',
    'container-config',
    'oom-killed',
    'unschedulable',
    'pending',
    'evicted',
    'restarting',
    'near-memory-limit',
    'claim-unbound',
    'claim-lost',
    'volume-failed',
    'at-maximum',
    'blocks-drain',
  ],
  node: ['ready', 'notReady', 'pressure', 'cordoned'],
  resource: ['cpu', 'memory'],
  replica: ['desired', 'ready'],
  namespace: BOUNDED,
  /** `problem`: something is found about it. */
  pod: ['all', 'problem'],
  'http.request.method': OF_THE_APP,
  'http.route': OF_THE_APP,
  'http.response.status_code': OF_THE_APP,
} as const satisfies Record<string, string | readonly string[]>;

type Label = keyof typeof labels;

/** Every metric there is. README.md here has the same as a table; dashboards and alerts take their names from it. */
export const metrics = {
  'aksgw.commands': {
    kind: 'counter',
    unit: '{command}',
    labels: ['cluster', 'outcome'],
    says: 'Commands that ended, steps of batches one by one',
  },
  'aksgw.commands.intended': {
    kind: 'counter',
    unit: '{command}',
    labels: ['cluster'],
    says: 'Commands that were allowed and about to be sent',
  },
  'aksgw.commands.settled': {
    kind: 'counter',
    unit: '{command}',
    labels: ['cluster'],
    says: 'Unknown commands whose pod told later how they ended',
  },
  'aksgw.commands.replayed': {
    kind: 'counter',
    unit: '{request}',
    labels: [],
    says: 'Requests that were answered with an earlier command, by their Idempotency-Key',
  },
  'aksgw.commands.carried': {
    kind: 'gauge',
    unit: '{command}',
    labels: [],
    says: 'Commands that this process carries now',
  },
  'aksgw.command.time': {
    kind: 'histogram',
    unit: 's',
    labels: ['part'],
    says: 'Time of commands whose end a caller waited for: in the gateway itself, in the queue, with Azure',
  },
  'aksgw.denials': {
    kind: 'counter',
    unit: '{request}',
    labels: ['by', 'cluster'],
    says: 'Requests denied by policy; cluster is none where the request is about no cluster',
  },
  'aksgw.refusals': {
    kind: 'counter',
    unit: '{request}',
    labels: ['code'],
    says: 'Requests refused as they were written, or since something did not answer',
  },
  'aksgw.unauthenticated': {
    kind: 'counter',
    unit: '{request}',
    labels: ['code'],
    says: 'Requests without a token that counts',
  },
  'aksgw.limited': {
    kind: 'counter',
    unit: '{request}',
    labels: [],
    says: 'Requests turned away by the limits of the configuration',
  },
  'aksgw.queue.waiting': {
    kind: 'gauge',
    unit: '{command}',
    labels: [],
    says: 'Commands that wait for a slot now',
  },
  'aksgw.queue.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['cluster'],
    says: 'Wait for a slot, of commands that got one',
  },
  'aksgw.azure.requests': {
    kind: 'counter',
    unit: '{request}',
    labels: ['cluster', 'operation', 'answer'],
    says: 'Requests to Azure Resource Manager: POSTs of commands, polls, looks at the cluster; throttled is its 429',
  },
  'aksgw.relay.lag': {
    kind: 'histogram',
    unit: 's',
    labels: ['cluster'],
    says: 'Time from the end of a command, as Azure tells it to the second, until the gateway saw it',
  },
  'aksgw.audit.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['result'],
    says: 'Time until an audit event was durable',
  },
  'aksgw.store.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['store', 'result'],
    says: 'Time of an operation on the records',
  },
  'aksgw.job.runs': {
    kind: 'counter',
    unit: '{slot}',
    labels: ['job', 'status'],
    says: 'Slots of jobs, by what came of them; runs by hand are commands, and not counted here',
  },
  'aksgw.deliveries': {
    kind: 'counter',
    unit: '{delivery}',
    labels: ['result'],
    says: 'Messages that webhooks took, or that were given up',
  },
  'aksgw.job.missed': {
    kind: 'counter',
    unit: '{slot}',
    labels: ['job'],
    says: 'Slots that nobody saw in time',
  },
  'aksgw.config.loads': {
    kind: 'counter',
    unit: '{file}',
    labels: ['result'],
    says: 'Configurations that were taken, or found unfit and not taken',
  },
  'aksgw.telemetry.failures': {
    kind: 'counter',
    unit: '{export}',
    labels: ['signal'],
    says: 'Exports of telemetry that failed: what was in them is lost',
  },
  'aksgw.telemetry.dropped': {
    kind: 'counter',
    unit: '{span}',
    labels: ['why'],
    says: 'Spans that nobody will see: too many waited, their export failed, or too many requests without a token that counts',
  },
  'aksgw.eventloop.delay': {
    kind: 'gauge',
    unit: 's',
    labels: [],
    says: 'How late timers came, the 99th percentile over 15 seconds',
  },
  'aksgw.eventloop.utilization': {
    kind: 'gauge',
    unit: '1',
    labels: [],
    says: 'The part of 15 seconds in which the event loop was busy',
  },
  'aksgw.memory': {
    kind: 'gauge',
    unit: 'By',
    labels: ['memory'],
    says: 'Memory of the process: resident, used of the heap, buffers outside it',
  },
  'aksgw.cluster.status': {
    kind: 'gauge',
    unit: '{status}',
    labels: ['cluster', 'aspect'],
    says: 'Of the last look of a health job: 0 ok, 1 degraded, 2 failing, 3 not seen',
  },
  'aksgw.cluster.findings': {
    kind: 'gauge',
    unit: '{finding}',
    labels: ['cluster', 'what'],
    says: 'What the last look of a health job found',
  },
  'aksgw.cluster.nodes': {
    kind: 'gauge',
    unit: '{node}',
    labels: ['cluster', 'node'],
    says: 'Nodes at the last look',
  },
  'aksgw.cluster.used': {
    kind: 'gauge',
    unit: '1',
    labels: ['cluster', 'resource'],
    says: 'The part of what nodes can give that was used at the last look',
  },
  'aksgw.cluster.replicas': {
    kind: 'gauge',
    unit: '{replica}',
    labels: ['cluster', 'replica'],
    says: 'Replicas of workloads at the last look',
  },
  'aksgw.cluster.pods': {
    kind: 'gauge',
    unit: '{pod}',
    labels: ['cluster', 'namespace', 'pod'],
    says: 'Pods at the last look, and those with a problem; namespaces beyond a bound are told as one without a name',
  },
  'aksgw.cluster.warnings': {
    kind: 'gauge',
    unit: '{event}',
    labels: ['cluster'],
    says: 'Warning events of the hour before the last look',
  },
  'aksgw.cluster.support': {
    kind: 'gauge',
    unit: '{day}',
    labels: ['cluster'],
    says: "Days until Azure ends the support of the cluster's version; below 0 since then",
  },
  'aksgw.cluster.start': {
    kind: 'gauge',
    unit: 's',
    labels: ['cluster'],
    says: 'How long the pod of the last look took to start',
  },
  'aksgw.cluster.age': {
    kind: 'gauge',
    unit: 's',
    labels: ['cluster'],
    says: 'How long ago the last look ended; none is told after the slot of its job that comes after the next',
  },
  'http.server.request.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['http.request.method', 'http.route', 'http.response.status_code'],
    says: 'Time of requests to the gateway, by the conventions of OpenTelemetry for HTTP',
  },
} as const satisfies Record<string, Metric>;

type Metrics = typeof metrics;
export type MetricName = keyof Metrics;
export type NameOf<Kind extends Metric['kind']> = {
  [Name in MetricName]: Metrics[Name]['kind'] extends Kind ? Name : never;
}[MetricName];
type ValueOf<L extends Label> = (typeof labels)[L] extends readonly (infer Value)[] ? Value : string | number;
/** A metric's labels, all of them. */
export type LabelsOf<Name extends MetricName> = {
  readonly [L in Metrics[Name]['labels'][number]]: ValueOf<L>;
};

/** What a label says that has no name of the configuration to say. */
export const NO_CLUSTER = 'none';

/** The outcome of a command, by the event that tells it. */
type CommandOutcome = (typeof labels)['outcome'][number];
export const outcomeOf = (event: (typeof outcomeEvents)[number], exitCode: number | undefined): CommandOutcome =>
  event === 'command.completed' && exitCode !== 0
    ? 'nonzero'
    : (event.slice('command.'.length) as Exclude<CommandOutcome, 'nonzero'>);

/**
 * The name in Prometheus' text, by OpenTelemetry's rules for it (opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics):
 * words joined by `_`, the unit behind them, `_total` on counters. A histogram has `_bucket`, `_sum` and `_count` behind that.
 */
export function prometheusName(name: MetricName): string {
  const { kind, unit } = metrics[name];
  const suffix = unit === 's' ? '_seconds' : unit === 'By' ? '_bytes' : unit === '1' ? '_ratio' : '';
  return `${name.replaceAll('.', '_')}${suffix}${kind === 'counter' ? '_total' : ''}`;
}
