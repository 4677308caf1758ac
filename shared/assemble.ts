import type { FastifyInstance } from 'fastify';
import { openBase, type Base } from './assemble/base.ts';
import { closeAll, type Close, type Own } from './assemble/close-all.ts';
import { openCorridor, type Corridor } from './assemble/corridor.ts';
import type { AssembleOptions } from './assemble/options.ts';
import type { Clock } from './clock.ts';
import type { OpenedConfig } from './config/source.ts';
import type { Gateway } from './gateway/gateway.ts';
import type { Lifecycle } from './gateway/lifecycle/lifecycle.ts';
import { createLooks, type Looks } from './health/looks.ts';
import { createHealthMetrics } from './health/metrics.ts';
import { createSharedLooks } from './health/shared-looks.ts';
import { createApp } from './http/app.ts';
import { createAuthenticator } from './identity/authenticate.ts';
import { compiledOnce as compiledJobs } from './jobs/context.ts';
import { createJobs, type Jobs } from './jobs/jobs.ts';
import { preloadSdk } from './relay/arm.ts';
import { createSweep, type Sweep } from './sweep.ts';
import { tracedRuns } from './telemetry/observe/jobs.ts';

/** A gateway that is ready: its app for any host, and the sweep for any timer. */
export interface Assembled {
  readonly app: FastifyInstance;
  readonly config: OpenedConfig;
  readonly gateway: Gateway;
  readonly sweep: Sweep;
  /** One look at every scheduled job. Waits up to `waitMs` for the commands that this process carries. */
  runJobs(waitMs?: number): Promise<void>;
  /** One attempt at everything that webhooks are to be told. Waits up to `waitMs` for it; what a slow receiver holds up goes on. */
  runDeliveries(waitMs?: number): Promise<void>;
  /** Stops taking requests, gives running commands back to the next process, closes the trail. */
  close(): Promise<void>;
}

/** How long answers may still be on their way out after everything behind them has stopped. */
const LAST_ANSWERS_MS = 2_000;

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
    runDeliveries: (waitMs) => base.deliveries.run(waitMs),
    async runJobs(waitMs = 0) {
      await jobs.tick();
      if (waitMs > 0) await Promise.race([lifecycle.idle(), clock.sleep(waitMs, { unref: true })]);
    },
  };
}

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
