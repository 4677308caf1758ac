import { lookup } from 'node:dns/promises';
import type { FastifyInstance } from 'fastify';
import { createAdmission } from './admission/admission.ts';
import { countingLines } from './admission/count-lines.ts';
import { createStoredResults, type StoredResults } from './admission/stored-results.ts';
import { createTraffic, type Traffic } from './admission/traffic.ts';
import { createIdempotency } from './admission/idempotency.ts';
import type { AuditTrail } from './audit/trail.ts';
import { openAuditTrail } from './audit/write/open-trail.ts';
import { outcomesOf } from './audit/read/outcome.ts';
import { checkpoints, queryEvents } from './audit/read/query.ts';
import { createStreamIndex, type StreamIndex } from './audit/read/stream-index.ts';
import { systemClock, systemEntropy, type Clock, type Entropy } from './clock.ts';
import type { Config, Entrance } from './config/config.ts';
import { openConfig, type OpenedConfig } from './config/source.ts';
import { sameArmId } from './config/values.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { checkJobs } from './jobs/check.ts';
import { compiledOnce as compiledJobs } from './jobs/context.ts';
import { createLooks, type Looks } from './health/looks.ts';
import { createHealthMetrics } from './health/metrics.ts';
import { createSharedLooks } from './health/shared-looks.ts';
import { createJobs, type Jobs } from './jobs/jobs.ts';
import { createApp } from './http/app.ts';
import type { LogOptions } from './http/options.ts';
import { createAuthenticator } from './identity/authenticate.ts';
import { createLifecycle, type Lifecycle } from './gateway/lifecycle/lifecycle.ts';
import { recordConfig } from './gateway/record-config.ts';
import { openStores } from './open-stores.ts';
import { createDeliveries, type Deliveries } from './notify/deliver.ts';
import type { Resolve } from './notify/post.ts';
import { createNotices } from './notices.ts';
import type { Records } from './store/records.ts';
import { compilePolicy, type Policy } from './policy/policy.ts';
import { observedAdmission } from './telemetry/observe/admission.ts';
import { tracedRuns } from './telemetry/observe/jobs.ts';
import { observeProcess } from './telemetry/observe/process.ts';
import { observedRecords } from './telemetry/observe/records.ts';
import { observedRelay } from './telemetry/observe/relay.ts';
import { observedTrail } from './telemetry/observe/trail.ts';
import { openTelemetry } from './telemetry/open.ts';
import type { OpenedTelemetry } from './telemetry/opened.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { storageCredential } from './store/azure-storage.ts';
import { preloadSdk } from './relay/arm.ts';
import { createRelay } from './relay/create.ts';
import { createCredential, type Credential } from './relay/credential.ts';
import type { Relay } from './relay/relay.ts';
import { createSweep, type Sweep } from './sweep.ts';

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
  /** In place of the system's own look-up of host names, for deliveries. */
  readonly resolve?: Resolve;
  /** In place of the stores that the configuration names. */
  readonly openStores?: typeof openStores;
  /** In place of what the configuration asks for. */
  readonly openTelemetry?: typeof openTelemetry;
}

/** A gateway that is ready: its app for any host, and the sweep for any timer. */
export interface Assembled {
  readonly app: FastifyInstance;
  readonly config: OpenedConfig;
  readonly gateway: Gateway;
  readonly sweep: Sweep;
  /** One look at every scheduled job. Waits up to `waitMs` for the commands that this process carries. */
  runJobs(waitMs?: number): Promise<void>;
  /** One attempt at everything that webhooks are to be told. */
  runDeliveries(): Promise<void>;
  /** Stops taking requests, gives running commands back to the next process, closes the trail. */
  close(): Promise<void>;
}

const BOOTSTRAP = { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } } as const;

/** How long answers may still be on their way out after everything behind them has stopped. */
const LAST_ANSWERS_MS = 2_000;

const resolveHost: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

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

type Own = <T extends { close(): void | Promise<void> }>(thing: T) => T;

/** Opens each floor over the one below it, the app last. */
async function open(options: AssembleOptions, opened: Close[]): Promise<Omit<Assembled, 'close'>> {
  const own: Own = (thing) => {
    opened.push(() => thing.close());
    return thing;
  };
  const base = await openBase(options, own);
  const corridor = openCorridor(base, own);
  const looks = openLooks(base, corridor);
  const jobs = openJobs(base, corridor, looks);
  const app = await openApp(base, corridor, jobs, looks);
  const { config, records, trail, clock, messages } = base;
  const { gateway, lifecycle } = corridor;
  messages.sendTo(app.log);
  preloadSdk();
  opened.push(() => stopServing(app, lifecycle, config.current().graceSeconds * 1_000, clock));
  return {
    app,
    config,
    gateway,
    sweep: createSweep({ config, records, trail, gateway, lifecycle, clock, onError: messages.report }),
    runDeliveries: () => base.deliveries.run(),
    async runJobs(waitMs = 0) {
      await jobs.tick();
      if (waitMs > 0) await Promise.race([lifecycle.idle(), clock.sleep(waitMs, { unref: true })]);
    },
  };
}

/** Gives a thing that measures what is asked of it, where there is telemetry; the thing itself where there is none. */
type Observe = <T>(thing: T, observed: (thing: T, telemetry: Telemetry, clock: Clock) => T) => T;

/** What the rooms above stand on. */
interface Base {
  readonly options: AssembleOptions;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly messages: Messages;
  readonly config: OpenedConfig;
  readonly policyOf: (config: Config) => Policy;
  readonly credential: Credential;
  readonly records: Records;
  readonly trail: AuditTrail;
  readonly streams: StreamIndex;
  readonly measured: OpenedTelemetry;
  readonly observe: Observe;
  /** This process, uniquely. */
  readonly holder: string;
  readonly deliveries: Deliveries;
}

/** The configuration, the stores that it names, and the trail, where every configuration that is loaded is recorded. */
async function openBase(options: AssembleOptions, own: Own): Promise<Base> {
  const { location, env, entrance, version, clock = systemClock, entropy = systemEntropy } = options;
  const messages = createMessages();
  const { report, warn } = messages;
  const config = own(
    await openConfig({
      location,
      env,
      clock,
      fetch,
      entrance,
      checks: [checkJobs(clock.now)],
      // The blob's own identity, before any configuration says which: whatever Azure sign-in the host has.
      credential: createCredential({ azure: BOOTSTRAP, authority: 'https://login.microsoftonline.com', clock, env }),
    }),
  );
  const first = config.current();
  const policyOf = compiledOnce();
  const credential = createCredential({ azure: first.azure, authority: first.identity.authority, clock, env });
  const holder = entropy.uuid();
  const measured = own(
    await (options.openTelemetry ?? openTelemetry)(first.telemetry, {
      version,
      instance: holder,
      credential: storageCredential(credential, clock),
      clock,
      warn,
    }),
  );
  const { telemetry } = measured;
  const observe: Observe = (thing, observed) => (telemetry.enabled ? observed(thing, telemetry, clock) : thing);
  if (telemetry.enabled) own(observeProcess(telemetry, clock));
  const stores = await (options.openStores ?? openStores)(first, { clock, entropy, credential, onError: report, warn });
  const { log, key, copies, seal, siem } = stores;
  const records = observe(own(stores.records), observedRecords);
  const about = {
    tenants: first.identity.tenants,
    clusters: [...first.clusters.values()].map(({ arm }) => arm.id),
  };
  const written = own(
    await openAuditTrail({
      log,
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
  const trail = observe(written, observedTrail);
  const streams = createStreamIndex(log, clock);
  await recordConfig({
    config,
    policyOf,
    trail,
    build: version,
    warn,
    onError: report,
  });
  const tell = createNotices({ config, policyOf, records });
  const resolve = options.resolve ?? resolveHost;
  const deliveries = own(
    createDeliveries({
      config,
      env,
      records,
      trail,
      tell,
      resolve,
      clock,
      entropy,
      count: (result) => measured.telemetry.count('aksgw.deliveries', { result }),
      onError: report,
    }),
  );
  return {
    options,
    clock,
    entropy,
    messages,
    config,
    policyOf,
    credential,
    records,
    trail,
    streams,
    measured,
    observe,
    holder,
    deliveries,
  };
}

/** The way of a request, from admission to Azure and back. */
interface Corridor {
  readonly gateway: Gateway;
  readonly lifecycle: Lifecycle;
  readonly relay: Relay;
  readonly traffic: Traffic;
  /** The trail, each line of it counted for the caller who caused it. */
  readonly counted: AuditTrail;
}

function openCorridor(base: Base, own: Own): Corridor {
  const { options, config, policyOf, credential, records, trail, streams, holder, clock, entropy, messages } = base;
  const {
    observe,
    measured: { telemetry },
  } = base;
  const sender = own(
    createRelay({
      config: config.current,
      credential,
      clock,
      entropy,
      leases: records,
      holder,
      env: options.env,
      told: (cluster, operation, answer) => telemetry.count('aksgw.azure.requests', { cluster, operation, answer }),
    }),
  );
  const relay = observe<Relay>(sender, observedRelay);
  const admission = observe(
    createAdmission({ records, limits: () => config.current().limits, clock }),
    observedAdmission,
  );
  const limits = () => config.current().limits;
  const traffic = createTraffic({ limits, clock });
  const counted = countingLines(trail, traffic);
  const results = createStoredResults({
    records,
    limits,
    hours: () => config.current().storage.resultsHours,
    clock,
    onError: messages.report,
  });
  const lifecycle = openLifecycle(base, relay, results);
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
      idempotency: createIdempotency({ records, clock }),
      lifecycle,
      cancelRefused: new Map(),
      discovered: new Map(),
      clock,
      entropy,
      onError: messages.report,
      inRoom: (room, step) => telemetry.span(room, {}, step),
    },
    options.settleAfterMs,
  );
  telemetry.gauge('aksgw.commands.carried', () => [{ labels: {}, value: lifecycle.carried() }]);
  telemetry.gauge('aksgw.queue.waiting', () => [{ labels: {}, value: admission.queued() }]);
  return { gateway, lifecycle, relay, traffic, counted };
}

const openLifecycle = (base: Base, relay: Relay, results: StoredResults): Lifecycle => {
  const { options, config, records, trail, streams, holder, clock, entropy, messages } = base;
  return createLifecycle({
    onDelivery: base.deliveries.soon,
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
    onError: messages.report,
  });
};

const openLooks = ({ clock, records, measured: { telemetry } }: Base, { gateway, relay }: Corridor): Looks =>
  createLooks({
    gateway,
    relay,
    clock,
    metrics: createHealthMetrics(telemetry, clock),
    shared: createSharedLooks(records, clock),
  });

const openJobs = (
  { config, records, holder, clock, entropy, messages, deliveries, measured: { telemetry } }: Base,
  { gateway, counted }: Corridor,
  health: Looks,
): Jobs =>
  createJobs({
    config,
    jobsOf: compiledJobs(clock),
    gateway: tracedRuns(gateway, telemetry),
    health,
    records,
    trail: counted,
    onDelivery: deliveries.soon,
    clock,
    entropy,
    holder,
    onError: messages.report,
    telemetry,
  });

function openApp(
  base: Base,
  { gateway, relay, traffic, counted }: Corridor,
  jobs: Jobs,
  looks: Looks,
): Promise<FastifyInstance> {
  const {
    options,
    config,
    records,
    trail,
    clock,
    entropy,
    measured: { telemetry, prometheus },
  } = base;
  const identity = createAuthenticator({ config: () => config.current().identity, clock });
  return createApp({
    config: config.current,
    authenticate: (header, signal) => telemetry.span('identity', {}, () => identity.authenticate(header, signal)),
    authenticateRequester: identity.authenticateRequester,
    gateway,
    jobs,
    looks,
    trail: counted,
    traffic,
    checks: {
      records: () => records.ping(),
      audit: () => trail.check(),
      identity: () => identity.ready(),
      azure: (signal) => relay.ping(signal),
      configuration: async () => (config.problem() ? 'degraded' : undefined),
    },
    clock,
    entropy,
    version: options.version,
    telemetry,
    prometheus,
    logger: options.logger ?? false,
  });
}

/** New requests are refused first; the lifecycle then ends the held ones, so that their answers still get out. */
async function stopServing(app: FastifyInstance, lifecycle: Lifecycle, graceMs: number, clock: Clock): Promise<void> {
  const closed = app.close();
  // A POST that hangs is left as `submitting`: the next process says honestly that it may or may not have run.
  await Promise.race([lifecycle.close(), clock.sleep(graceMs, { unref: true })]);
  await Promise.race([closed, clock.sleep(LAST_ANSWERS_MS, { unref: true })]);
  app.server.closeAllConnections(); // an idle socket must not delay the end of the trail
  await closed;
}

type Log = FastifyInstance['log'];

/** What happens in the background, for the log. That comes with the app: messages until then wait for it. */
interface Messages {
  /** Gets what failed where no caller waits for it. */
  readonly report: (error: unknown) => void;
  readonly warn: (warning: Error | string) => void;
  readonly sendTo: (log: Log) => void;
}

function createMessages(): Messages {
  let log: Log | undefined;
  const early: ((log: Log) => void)[] = [];
  const say = (message: (log: Log) => void): void => (log ? message(log) : void early.push(message));
  return {
    report: (error) => say((to) => to.error({ err: error }, 'something failed in the background')),
    warn: (warning) =>
      say((to) => (typeof warning === 'string' ? to.warn(warning) : to.warn({ err: warning }, warning.message))),
    sendTo: (opened) => {
      log = opened;
      for (const message of early) message(opened);
    },
  };
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
