import type { FastifyInstance } from 'fastify';
import { createAdmission } from './admission/admission.ts';
import { countingLines } from './admission/count-lines.ts';
import { createStoredResults } from './admission/stored-results.ts';
import { createTraffic } from './admission/traffic.ts';
import { createIdempotency } from './admission/idempotency.ts';
import { openAuditTrail } from './audit/write/open-trail.ts';
import { outcomesOf } from './audit/read/outcome.ts';
import { checkpoints, queryEvents } from './audit/read/query.ts';
import { createStreamIndex } from './audit/read/stream-index.ts';
import { systemClock, systemEntropy, type Clock, type Entropy } from './clock.ts';
import type { Config, Entrance } from './config/config.ts';
import { openConfig, type OpenedConfig } from './config/source.ts';
import { sameArmId } from './config/values.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { checkJobs } from './jobs/check.ts';
import { compiledOnce as compiledJobs } from './jobs/context.ts';
import { createJobs } from './jobs/jobs.ts';
import { createApp } from './http/app.ts';
import type { LogOptions } from './http/options.ts';
import { createAuthenticator } from './identity/authenticate.ts';
import { createLifecycle } from './gateway/lifecycle/lifecycle.ts';
import { recordConfig } from './gateway/record-config.ts';
import { openStores } from './open-stores.ts';
import type { Records } from './store/records.ts';
import { compilePolicy, type Policy } from './policy/policy.ts';
import { preloadSdk } from './relay/arm.ts';
import { createRelay } from './relay/create.ts';
import { createCredential } from './relay/credential.ts';

export interface AssembleOptions {
  /** A path, or the https address of a blob. */
  readonly location: string;
  readonly env: NodeJS.ProcessEnv;
  /** Which entrance calls; `port` unless told. */
  readonly entrance?: Entrance;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly version: string;
  readonly logger?: LogOptions;
  /** How long another process's silence lasts before its commands are taken over. */
  readonly leaseMs?: number;
  /** How long after its answer was lost a command's pod is looked for. */
  readonly settleAfterMs?: number;
  /** In place of the stores that the configuration names. */
  readonly openStores?: typeof openStores;
}

/** A gateway that is ready: its app for any host, and the sweep for any timer. */
export interface Assembled {
  readonly app: FastifyInstance;
  readonly config: OpenedConfig;
  readonly gateway: Gateway;
  /** Takes over orphaned commands and purges outputs past their retention. Waits up to `waitMs` for the commands it took over. */
  sweep(waitMs?: number): Promise<{ readonly recovered: number; readonly purged: number }>;
  /** One look at every scheduled job. Waits up to `waitMs` for the commands that this process carries. */
  runJobs(waitMs?: number): Promise<void>;
  /** Stops taking requests, gives running commands back to the next process, closes the trail. */
  close(): Promise<void>;
}

const BOOTSTRAP = { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } } as const;

/** How long answers may still be on their way out after everything behind them has stopped. */
const LAST_ANSWERS_MS = 2_000;

/** Commands that one sweep takes over: more wait for the next, since each is polled from then on. */
const ORPHANS_A_SWEEP = 100;

type Close = () => void | Promise<void>;

/** Opens everything, ground floor first. Rejects with ConfigError or Problem, having closed again what it had opened. */
export async function assemble(options: AssembleOptions): Promise<Assembled> {
  const opened: Close[] = [];
  const close = (): Promise<void> => closeAll(opened);
  try {
    return { ...(await open(options, opened)), close };
  } catch (error) {
    await close().catch(() => undefined); // the reason why it did not start matters more
    throw error;
  }
}

/** Closes what was opened, last first, and goes on when one fails: records that do not answer must not leave the trail open. */
export async function closeAll(opened: Close[]): Promise<void> {
  const failures: unknown[] = [];
  for (let last = opened.pop(); last; last = opened.pop()) {
    try {
      await last();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function open(options: AssembleOptions, opened: Close[]): Promise<Omit<Assembled, 'close'>> {
  const { location, env, version, clock = systemClock, entropy = systemEntropy } = options;
  const own = <T extends { close(): void | Promise<void> }>(thing: T): T => {
    opened.push(() => thing.close());
    return thing;
  };

  // The log comes with the app; messages until then wait for it.
  type Say = (log: FastifyInstance['log']) => void;
  let log: FastifyInstance['log'] | undefined;
  const early: Say[] = [];
  const say = (what: Say): void => (log ? what(log) : void early.push(what));
  const report = (error: unknown): void => say((to) => to.error({ err: error }, 'something failed in the background'));
  const warn = (warning: Error): void => say((to) => to.warn({ err: warning }, warning.message));
  const config = own(
    await openConfig({
      location,
      env,
      clock,
      fetch,
      entrance: options.entrance,
      checks: [checkJobs(clock.now)],
      // The blob's own identity, before any configuration says which: whatever Azure sign-in the host has.
      credential: createCredential({ azure: BOOTSTRAP, authority: 'https://login.microsoftonline.com', clock, env }),
    }),
  );
  const first = config.current();
  const policyOf = compiledOnce();
  const credential = createCredential({ azure: first.azure, authority: first.identity.authority, clock, env });
  const stores = await (options.openStores ?? openStores)(first, { clock, entropy, credential, onError: report, warn });
  const { records, log: place, key, copies, seal, siem } = stores;
  own(records);
  const about = {
    tenants: first.identity.tenants,
    clusters: [...first.clusters.values()].map(({ arm }) => arm.id),
  };
  const trail = own(
    await openAuditTrail({
      log: place,
      key,
      clock,
      entropy,
      build: version,
      about,
      copies,
      seal,
      siem,
      onError: report,
    }),
  );
  const streams = createStreamIndex(place, clock);
  await recordConfig({
    config,
    policyOf,
    trail,
    build: version,
    warn: (warning) => say((to) => to.warn(warning)),
    onError: report,
  });

  const holder = entropy.uuid();
  const relay = own(createRelay({ config: config.current, credential, clock, entropy, leases: records, holder, env }));
  const { authenticate, ready } = createAuthenticator({ config: () => config.current().identity, clock });
  const traffic = createTraffic({ limits: () => config.current().limits, clock });
  const counted = countingLines(trail, traffic);
  const admission = createAdmission({ records, limits: () => config.current().limits, clock });
  const results = createStoredResults({
    records,
    limits: () => config.current().limits,
    hours: () => config.current().storage.resultsHours,
    clock,
    onError: report,
  });
  const idempotency = createIdempotency({ records, clock });
  const lifecycle = createLifecycle({
    records,
    results,
    trail,
    relay,
    clock,
    holder,
    ...(options.leaseMs !== undefined && { leaseMs: options.leaseMs }),
    entropy,
    clusterOf: ({ armId }) => [...config.current().clusters.values()].find(({ arm }) => sameArmId(arm.id, armId)),
    outcomesOf: (orphans) => {
      // A clock that was set back since then must not hide what was told after it.
      const since = Math.min(clock.now(), ...orphans.map(({ submittedAt }) => submittedAt));
      return outcomesOf(streams, new Set(orphans.map(({ id }) => id)), since);
    },
    onError: report,
  });
  const gateway = createGateway(
    {
      config,
      policyOf,
      trail: counted,
      auditLog: { events: (query) => queryEvents(streams, query), checkpoints: (query) => checkpoints(streams, query) },
      relay,
      records,
      admission,
      traffic,
      results,
      idempotency,
      lifecycle,
      cancelRefused: new Map(),
      clock,
      entropy,
      onError: report,
    },
    options.settleAfterMs,
  );
  // It follows what it finds to its end, which no sweep waits for; a look at a time is enough.
  let settling: Promise<void> | undefined;
  const settleOnce = async (): Promise<void> => {
    settling ??= gateway
      .settleUnknown()
      .catch(report)
      .finally(() => (settling = undefined));
  };
  const jobs = createJobs({
    config,
    jobsOf: compiledJobs(clock),
    gateway,
    records,
    trail: counted,
    clock,
    entropy,
    holder,
    onError: report,
  });
  const app = await createApp({
    config: config.current,
    authenticate,
    gateway,
    jobs,
    trail: counted,
    traffic,
    checks: {
      records: () => records.ping(),
      audit: () => trail.check(),
      identity: () => ready(),
      azure: (signal) => relay.ping(signal),
      configuration: async () => (config.problem() ? 'degraded' : undefined),
    },
    clock,
    entropy,
    version,
    logger: options.logger ?? false,
  });
  log = app.log;
  for (const what of early) what(log);
  preloadSdk();
  // New requests are refused first; the lifecycle then ends the held ones, so that their answers still get out.
  opened.push(async () => {
    const closed = app.close();
    // A POST that hangs is left as `submitting`: the next process says honestly that it may or may not have run.
    await Promise.race([lifecycle.close(), clock.sleep(config.current().graceSeconds * 1_000, { unref: true })]);
    await Promise.race([closed, clock.sleep(LAST_ANSWERS_MS, { unref: true })]);
    app.server.closeAllConnections(); // an idle socket must not delay the end of the trail
    await closed;
  });

  return {
    app,
    config,
    gateway,
    async sweep(waitMs = 0) {
      // Each though the other fails: a record that cannot be taken over must not keep what is past its retention, nor the other way round.
      const [recovery, purge, blocked, settling] = await Promise.allSettled([
        lifecycle.recover(ORPHANS_A_SWEEP),
        purgeRecords(records, config.current().storage, clock, report).then(async (count) => {
          if (count > 0) await trail.record({ event: 'result.purged', count });
          return count;
        }),
        gateway.cancelBlocked(),
        settleOnce(),
      ]);
      const recovered = valueOf(recovery);
      if (waitMs > 0 && recovered > 0) await Promise.race([lifecycle.idle(), clock.sleep(waitMs, { unref: true })]);
      valueOf(blocked);
      valueOf(settling);
      return { recovered, purged: valueOf(purge) };
    },
    async runJobs(waitMs = 0) {
      await jobs.tick();
      if (waitMs > 0) await Promise.race([lifecycle.idle(), clock.sleep(waitMs, { unref: true })]);
    },
  };
}

/** What is past its retention goes. Returns how many outputs and records. */
async function purgeRecords(
  records: Records,
  { resultsHours, recordsDays }: Config['storage'],
  clock: Clock,
  report: (error: unknown) => void,
): Promise<number> {
  const now = clock.now();
  const outputsBefore = now - resultsHours * 3_600_000;
  const {
    outputs,
    records: removed,
    unreadable,
  } = await records.purge({
    outputsBefore,
    recordsBefore: now - recordsDays * 86_400_000,
    now,
  });
  for (const id of unreadable) report(new Error(`the record ${id} cannot be read; its output was purged`));
  return outputs + removed;
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

/** Each configuration's policy, compiled once. */
function compiledOnce(): (config: Config) => Policy {
  const compiled = new WeakMap<Config, Policy>();
  return (config) => {
    const known = compiled.get(config);
    if (known) return known;
    const policy = compilePolicy(config);
    compiled.set(config, policy);
    return policy;
  };
}
