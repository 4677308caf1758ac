import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { ContainerServiceClient } from '@azure/arm-containerservice';

import { startArm, type EmulatedArm } from '../../infra/local/arm.ts';
import { systemClock, systemEntropy } from '../../shared/clock.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { createRelay } from '../../shared/relay/create.ts';
import { Secret } from '../../shared/secret.ts';

/**
 * How soon the end of a command is seen, and at what cost, beside the SDK's own poller at its default (2 s), at the Azure CLI's 5 s
 * and, for commands that are sent at one moment, at the Python SDK's 30 s. Each has an emulated Azure of its own with the documented
 * throttles, the same commands, at the same time. Real time: half an hour, `--quick` some minutes; `--bursts` the last part alone.
 * Prints one JSON object; `node test/bench/relay.ts [--quick] [--bursts]`.
 */
const quick = process.argv.includes('--quick');
/**
 * One command at a time: each length at several phases of a poller's interval, a quarter of a second off: at whole halves the
 * lengths, which are multiples of the same, would end just as a poller asks.
 */
const LENGTHS = quick ? [100, 1_000, 2_500, 4_000, 6_000] : [100, 1_000, 2_500, 4_000, 6_000, 30_000];
const PHASES = quick ? [250] : [250, 750, 1_250, 1_750];
/** Between the rounds the throttles fill up, as they do for somebody who sends a command now and then. */
const REST_MS = 60_000;
const COUNT = quick ? 10 : 30;
const [SHORTEST, LONGEST] = quick ? [2_000, 12_000] : [5_000, 60_000];
const TOGETHER = Array.from({ length: COUNT }, (_, index) =>
  Math.round(SHORTEST + (index * (LONGEST - SHORTEST)) / (COUNT - 1)),
);

const subscriptionOf = (index: number): string => `00000000-0000-0000-0000-${String(index).padStart(12, '0')}`;
const clusterOf = (index: number): Cluster => {
  const subscription = subscriptionOf(index);
  const id = `/subscriptions/${subscription}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/demo`;
  return {
    name: `demo-${index}`,
    arm: { id, subscription, resourceGroup: 'rg', name: 'demo' },
    runAs: 'gateway',
    impersonate: false,
    defaultNamespace: 'default',
    resources: [],
  };
};

/** Runs one command that takes `ms` to its end, as the caller sees it. */
type Poller = (name: string, ms: number) => Promise<void>;

/** An emulated Azure whose commands only take time, and when each ended. */
async function timedAzure(
  startMs = 0,
): Promise<{ readonly arm: EmulatedArm; readonly endedAt: ReadonlyMap<string, number> }> {
  const endedAt = new Map<string, number>();
  const arm = await startArm({
    clusters: [{ resourceId: clusterOf(1).arm.id }],
    throttles: 'documented',
    latency: { startMs },
    runner: async ({ command, signal }) => {
      const [, name = '', ms = '0'] = /(bench-\w+)=(\d+)/.exec(command) ?? [];
      await systemClock.sleep(Number(ms), { signal });
      endedAt.set(name, performance.now());
      return { exitCode: 0, logs: '' };
    },
  });
  return { arm, endedAt };
}

/** Nothing stands in the way of a POST. */
const unfenced = {
  authorise: () => Promise.resolve({}),
  permit: () => Promise.resolve(),
  fence: () => undefined,
};

const relayTo = (url: string) =>
  createRelay({
    config: () => ({
      azure: { resourceManager: url, credential: { kind: 'default' } },
      identity: { authority: 'https://login.microsoftonline.com', tenants: [], audience: '', scopes: [] },
    }),
    credential: () => Promise.resolve(new Secret('bench')),
    clock: systemClock,
    entropy: systemEntropy,
    holder: 'bench',
  });

function relayPoller(url: string): Poller {
  const relay = relayTo(url);
  return async (name, ms) => {
    const common = { cluster: clusterOf(1), owner: 'bench', nonce: '0'.repeat(32), timeoutSeconds: 3_600 };
    const submittedAt = Date.now();
    const sent = { words: ['sleep', `${name}=${ms}`], files: [], secret: false };
    const submitted = await relay.submit({ ...common, ...unfenced, sent });
    if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
    const ended = await relay.follow({ ...common, commandId: submitted.commandId, submittedAt });
    if (ended.kind !== 'completed') throw new Error(ended.kind);
  };
}

/** The SDK as it comes, retries and all; only the bearer policy gives way, since it refuses http. */
function sdkPoller(url: string, updateIntervalInMs?: number): Poller {
  const client = new ContainerServiceClient({ getToken: () => Promise.resolve(null) }, subscriptionOf(1), {
    endpoint: url,
    allowInsecureConnection: true,
  });
  client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  client.pipeline.addPolicy({
    name: 'loopbackToken',
    sendRequest: (request, next) => {
      request.headers.set('authorization', 'Bearer bench');
      return next(request);
    },
  });
  return async (name, ms) => {
    const result = await client.managedClusters
      .runCommand(
        'rg',
        'demo',
        { command: `sleep ${name}=${ms}` },
        updateIntervalInMs === undefined ? {} : { updateIntervalInMs },
      )
      .pollUntilDone();
    if (result.exitCode !== 0) throw new Error(String(result.provisioningState));
  };
}

interface Measured {
  readonly meanLagMs: number;
  readonly worstLagMs: number;
  readonly requests: number;
  readonly throttled: number;
  /** Commands whose end was never seen: the poller gave up. */
  readonly failed: number;
}

async function measure(
  make: (url: string) => Poller,
  work: (run: (ms: number) => Promise<void>) => Promise<void>,
): Promise<Measured> {
  const { arm, endedAt } = await timedAzure();
  const poller = make(arm.url);
  const lags: number[] = [];
  let failed = 0;
  let count = 0;
  await work(async (ms) => {
    count += 1;
    const name = `bench-${count}`;
    try {
      await poller(name, ms);
      lags.push(performance.now() - (endedAt.get(name) ?? Number.NaN));
    } catch {
      failed += 1;
    }
  });
  const asked = [...arm.posts, ...arm.polls];
  await arm.close();
  return {
    meanLagMs: Math.round(lags.reduce((sum, lag) => sum + lag, 0) / lags.length),
    worstLagMs: Math.round(Math.max(...lags)),
    requests: asked.length,
    throttled: asked.filter(({ status }) => status === 429).length,
    failed,
  };
}

const pollers = {
  relay: relayPoller,
  sdk2s: (url: string) => sdkPoller(url),
  cli5s: (url: string) => sdkPoller(url, 5_000),
} as const;

async function compare(work: (run: (ms: number) => Promise<void>) => Promise<void>) {
  const [relay, sdk2s, cli5s] = await Promise.all(
    [pollers.relay, pollers.sdk2s, pollers.cli5s].map((make) => measure(make, work)),
  );
  if (!relay || !sdk2s || !cli5s) throw new Error('not measured');
  return {
    relay,
    sdk2s,
    cli5s,
    lagRatioToSdk2s: ratio(relay, sdk2s),
    lagRatioToCli5s: ratio(relay, cli5s),
  };
}

/** Of those who saw every end; the lag of a poller that gave up on most is that of its luckiest runs. */
const ratio = (relay: Measured, other: Measured): number | string =>
  other.failed > 0
    ? `not comparable: the other saw ${other.failed} ends not at all`
    : Number((relay.meanLagMs / other.meanLagMs).toFixed(3));

/** How many at one moment, and how long (ms) their pods take to start. Each takes a second after that. */
const BURSTS = quick ? { counts: [1, 20, 60], starts: [0] } : { counts: [1, 20, 30, 60, 200], starts: [0, 4_000] };

interface Answered {
  /** ms from the moment to the answer: half of them, 95 %, the last; of those that were answered. */
  readonly p50: number;
  readonly p95: number;
  readonly last: number;
  readonly throttled: number;
  readonly posts: number;
  readonly looks: number;
  /** Commands whose end was never seen: the poller gave up. */
  readonly failed: number;
}

/** Commands of a second sent at one moment, no limit of the gateway in the way: only Azure's throttle counts. */
async function burst(make: (url: string) => Poller, count: number, startMs: number): Promise<Answered> {
  const { arm } = await timedAzure(startMs);
  const poller = make(arm.url);
  const began = performance.now();
  const outcomes = await Promise.allSettled(
    Array.from({ length: count }, async (_, index) => {
      await poller(`bench-${index}`, 1_000);
      return performance.now() - began;
    }),
  );
  const times = outcomes
    .flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    .sort((a, b) => a - b);
  const at = (share: number): number => Math.round(times[Math.ceil(times.length * share) - 1] ?? Number.NaN);
  const throttled = [...arm.posts, ...arm.polls].filter(({ status }) => status === 429).length;
  const [posts, looks] = [arm.posts.length, arm.polls.length];
  await arm.close();
  return { p50: at(0.5), p95: at(0.95), last: at(1), throttled, posts, looks, failed: count - times.length };
}

/** Each has an Azure of its own, and after its first seconds asks once a second: they need not wait for one another. */
const STAGGER_MS = 15_000;

async function bursts() {
  const cases = BURSTS.counts
    .flatMap((count) => BURSTS.starts.map((startMs) => ({ count, startMs })))
    .sort((a, b) => b.count - a.count); // the longest first
  const measured = await Promise.all(
    cases.map(async ({ count, startMs }, index) => {
      await systemClock.sleep(index * STAGGER_MS);
      const [relay, sdk2s, cli5s, python30s] = await Promise.all(
        [relayPoller, pollers.sdk2s, pollers.cli5s, (url: string) => sdkPoller(url, 30_000)].map((make) =>
          burst(make, count, startMs),
        ),
      );
      return [`${count} at once, pods start after ${startMs / 1000} s`, { relay, sdk2s, cli5s, python30s }] as const;
    }),
  );
  return Object.fromEntries(measured.toReversed());
}

/** A thousand runs that do not end, over twenty subscriptions, on this process; Azure is another one. */
async function many() {
  const [subscriptions, each] = [20, quick ? 10 : 50];
  const child = fork(import.meta.filename, ['--azure', String(subscriptions)], { stdio: 'inherit' });
  const [url] = (await once(child, 'message')) as [string];
  const relay = relayTo(url);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const stopping = new AbortController();
  const follow = async (index: number): Promise<void> => {
    const common = {
      cluster: clusterOf(1 + (index % subscriptions)),
      owner: `owner-${index % 7}`,
      nonce: '0'.repeat(32),
      timeoutSeconds: 3_600,
    };
    const submittedAt = Date.now();
    const sent = { words: ['sleep', '3600'], files: [], secret: false };
    for (;;) {
      const submitted = await relay.submit({ ...common, ...unfenced, sent });
      if (submitted.kind === 'accepted') {
        await relay
          .follow({ ...common, commandId: submitted.commandId, submittedAt }, stopping.signal)
          .catch(() => undefined);
        return;
      }
      if (submitted.kind === 'lost') throw new Error(submitted.message);
      await systemClock.sleep((submitted.problem.options.retryAfter ?? 1) * 1000);
    }
  };
  // One for each subscription first: what is loaded and kept once is not a running command's.
  const runs = Array.from({ length: subscriptions }, (_, index) => follow(index));
  await systemClock.sleep(3_000);
  collect();
  const before = process.memoryUsage();
  for (let index = subscriptions; index < subscriptions * each; index += 1) runs.push(follow(index));
  await systemClock.sleep(quick ? 10_000 : 40_000);
  collect();
  const after = process.memoryUsage();
  const cpu = process.cpuUsage();
  const span = quick ? 5_000 : 30_000;
  await systemClock.sleep(span);
  const { user, system } = process.cpuUsage(cpu);
  child.send('count');
  const [counted] = (await once(child, 'message')) as [{ posts: number; polls: number; throttled: number }];
  stopping.abort(new Error('measured'));
  await Promise.all(runs);
  await systemClock.sleep(1_000);
  collect();
  const without = process.memoryUsage(); // with everything that is loaded and kept once
  await relay.close();
  child.kill();
  return {
    running: runs.length,
    subscriptions,
    heapPerRunKb: Number(((after.heapUsed - without.heapUsed) / runs.length / 1024).toFixed(1)),
    rssGrowthPerRunKb: Number(((after.rss - before.rss) / (runs.length - subscriptions) / 1024).toFixed(1)),
    cpuPercentOfOneCore: Number((((user + system) / 1000 / span) * 100).toFixed(1)),
    ...counted,
  };
}

/** The other process of `many`. */
async function azureProcess(subscriptions: number): Promise<void> {
  const arm = await startArm({
    clusters: Array.from({ length: subscriptions }, (_, index) => ({ resourceId: clusterOf(1 + index).arm.id })),
    throttles: 'documented',
    runner: ({ signal }) => systemClock.sleep(3_600_000, { signal }).then(() => ({ exitCode: 0, logs: '' })),
  });
  process.on('message', () => {
    const throttled = [...arm.posts, ...arm.polls].filter(({ status }) => status === 429).length;
    process.send?.({ posts: arm.posts.length, polls: arm.polls.length, throttled });
  });
  process.send?.(arm.url);
}

const azureAt = process.argv.indexOf('--azure');
if (azureAt !== -1) await azureProcess(Number(process.argv[azureAt + 1]));
else if (process.argv.includes('--bursts'))
  console.log(JSON.stringify({ quick, atOnce: await bursts() }, undefined, 2));
else {
  const oneAtATime = await compare(async (run) => {
    for (const phase of PHASES) {
      if (phase !== PHASES[0]) await systemClock.sleep(REST_MS);
      for (const length of LENGTHS) await run(length + phase);
    }
  });
  const together = await compare(async (run) => {
    await Promise.all(TOGETHER.map(run));
  });
  const atOnce = await bursts();
  console.log(JSON.stringify({ quick, oneAtATime, together, atOnce, many: await many() }, undefined, 2));
}
