import { lookup } from 'node:dns/promises';
import { createStreamIndex, type StreamIndex } from '../audit/read/stream-index.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { openAuditTrail } from '../audit/write/open-trail.ts';
import { systemClock, systemEntropy, type Clock, type Entropy } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { openConfig, type OpenedConfig } from '../config/source.ts';
import { recordConfig } from '../gateway/record-config.ts';
import { checkJobs } from '../jobs/check.ts';
import { createNotices } from '../notices.ts';
import { createDeliveries, type Deliveries } from '../notify/deliver.ts';
import type { Resolve } from '../notify/post.ts';
import { openStores } from '../open-stores.ts';
import { compilePolicy, type Policy } from '../policy/policy.ts';
import { createCredential, type Credential } from '../relay/credential.ts';
import { storageCredential } from '../store/azure-storage.ts';
import type { Records } from '../store/records.ts';
import { observeProcess } from '../telemetry/observe/process.ts';
import { observedRecords } from '../telemetry/observe/records.ts';
import { observedTrail } from '../telemetry/observe/trail.ts';
import { openTelemetry } from '../telemetry/open.ts';
import type { OpenedTelemetry } from '../telemetry/opened.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Own } from './close-all.ts';
import { createMessages, type Messages } from './messages.ts';
import type { AssembleOptions } from './options.ts';

/** What the rooms above stand on. */
export interface Base extends Ground {
  readonly credential: Credential;
  readonly measured: OpenedTelemetry;
  readonly observe: Observe;
  readonly records: Records;
  readonly trail: AuditTrail;
  readonly streams: StreamIndex;
  readonly deliveries: Deliveries;
}

/** What is there before anything is opened but the configuration. */
interface Ground {
  readonly options: AssembleOptions;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly messages: Messages;
  readonly config: OpenedConfig;
  readonly policyOf: (config: Config) => Policy;
  /** This process, uniquely. */
  readonly holder: string;
}

/** Gives a thing that measures what is asked of it, where there is telemetry; the thing itself where there is none. */
type Observe = <T>(thing: T, observed: (thing: T, telemetry: Telemetry, clock: Clock) => T) => T;

/** The configuration, the stores that it names, and the trail, where every configuration that is loaded is recorded. */
export async function openBase(options: AssembleOptions, own: Own): Promise<Base> {
  const { env, clock = systemClock, entropy = systemEntropy } = options;
  const messages = createMessages();
  const config = own(await openConfiguration(options, clock));
  const ground = { options, clock, entropy, messages, config, policyOf: compiledOnce(), holder: entropy.uuid() };
  const { azure, identity } = config.current();
  const credential = createCredential({ azure, authority: identity.authority, clock, env });
  const { measured, observe } = await openMeasuring(ground, credential, own);
  const { records, trail, streams } = await openRecordsAndTrail(ground, credential, observe, own);
  const { report, warn } = messages;
  await recordConfig({ config, policyOf: ground.policyOf, trail, build: options.version, warn, onError: report });
  const deliveries = own(openDeliveries(ground, { measured, records, trail }));
  return { ...ground, credential, measured, observe, records, trail, streams, deliveries };
}

/** Reads a configuration that is a blob, before any configuration says how: with whatever Azure sign-in the host has. */
const bootstrap = {
  azure: { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } },
  authority: 'https://login.microsoftonline.com',
} as const;

const openConfiguration = ({ location, env, entrance }: AssembleOptions, clock: Clock): Promise<OpenedConfig> =>
  openConfig({
    location,
    env,
    clock,
    fetch,
    entrance,
    checks: [checkJobs(clock.now)],
    credential: createCredential({ ...bootstrap, clock, env }),
  });

async function openMeasuring(
  { options, clock, messages, config, holder }: Ground,
  credential: Credential,
  own: Own,
): Promise<Pick<Base, 'measured' | 'observe'>> {
  const open = options.openTelemetry ?? openTelemetry;
  const measured = own(
    await open(config.current().telemetry, {
      version: options.version,
      instance: holder,
      credential: storageCredential(credential, clock),
      clock,
      warn: messages.warn,
    }),
  );
  const { telemetry } = measured;
  if (telemetry.enabled) own(observeProcess(telemetry, clock));
  return {
    measured,
    observe: (thing, observed) => (telemetry.enabled ? observed(thing, telemetry, clock) : thing),
  };
}

async function openRecordsAndTrail(
  { options, clock, entropy, messages, config }: Ground,
  credential: Credential,
  observe: Observe,
  own: Own,
): Promise<Pick<Base, 'records' | 'trail' | 'streams'>> {
  const first = config.current();
  const { report: onError, warn } = messages;
  const open = options.openStores ?? openStores;
  const { records, log, ...trailOptions } = await open(first, { clock, entropy, credential, onError, warn });
  const observed = observe(own(records), observedRecords);
  const about = {
    tenants: first.identity.tenants,
    clusters: [...first.clusters.values()].map(({ arm }) => arm.id),
  };
  const trail = own(
    await openAuditTrail({ ...trailOptions, log, clock, entropy, build: options.version, about, onError }),
  );
  return { records: observed, trail: observe(trail, observedTrail), streams: createStreamIndex(log, clock) };
}

const resolveHost: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

const openDeliveries = (
  { options, clock, entropy, messages, config, policyOf }: Ground,
  { measured, records, trail }: Pick<Base, 'measured' | 'records' | 'trail'>,
): Deliveries =>
  createDeliveries({
    config,
    env: options.env,
    records,
    trail,
    tell: createNotices({ config, policyOf, records }),
    resolve: options.resolve ?? resolveHost,
    clock,
    entropy,
    count: (result) => measured.telemetry.count('aksgw.deliveries', { result }),
    onError: messages.report,
  });

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
