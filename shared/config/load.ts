import { readPolicy } from './bindings.ts';
import { readJobs } from './jobs.ts';
import { readWebhooks } from './webhooks.ts';
import type { Report } from './problem.ts';
import { sha256 } from '../lib/digest.ts';
import type { Config, Entrance } from './config.ts';
import { examine, type Examined } from './examine.ts';
import { keepFixedKeys } from './fixed-keys.ts';
import { wellKnownCustomResources } from '../kubernetes/well-known-custom-resources.ts';
import { warnOfImplications } from './implications.ts';
import { checkRoles } from './roles.ts';
import { ConfigSchema, type ConfigFile } from './schema.ts';
import {
  readAzure,
  readClusters,
  readIdentity,
  readLimits,
  readMonitorLogs,
  readPublicUrl,
  isEmulated,
  readListen,
  readStorageSection,
} from './sections.ts';
import { readTelemetry } from './telemetry.ts';
import { isLoopback } from './values.ts';

interface ParseOptions {
  /** The folder against which `file:` and `sqlite:` are resolved. */
  readonly baseDir: string;
  /** Where tokens and secrets that the file names are looked for. Left out, they are not: a policy is tested without them. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** `port` unless told. */
  readonly entrance?: Entrance | undefined;
  /** What rooms above this one have to say of the file: a job's schedule, the grammar of its commands. */
  readonly checks?: readonly ConfigCheck[] | undefined;
  /** What the file is called in problems and warnings; never a URL with a secret in it. */
  readonly source: string;
  /** The file that the running gateway was started with: its fixed keys stay in force. */
  readonly running?: ConfigFile | undefined;
}

/** Reports what is wrong, by its path in the file. */
export type ConfigCheck = (config: Omit<Config, 'warnings'>, report: Report) => void;

/** A configuration, and the file that it was made from, with its fixed keys as they are in force. */
export interface Loaded {
  readonly config: Config;
  readonly file: ConfigFile;
}

/** As loadConfig, for those who need the configuration alone. */
export const parseConfig = (text: string, options: ParseOptions): Config => loadConfig(text, options).config;

/**
 * Reads gateway.yaml: form, references between its parts, and everything that is refused before it can do harm. Throws ConfigError
 * with all problems at once, each with its line; warnings come with the configuration.
 */
export function loadConfig(text: string, options: ParseOptions): Loaded {
  const examined = examine(text, ConfigSchema, options.source);
  const file = inForce(examined, options.running);
  const parts = readSections(file, examined, options);
  const config = parts && { ...parts, digest: sha256(text) };
  // Looked at also where something else is wrong: one run tells everything.
  if (config && examined.sound('clusters', 'jobs', 'limits'))
    for (const check of options.checks ?? []) check(config, examined);
  if (config && examined.sound('clusters', 'policy')) warnOfImplications(config.policy, config.clusters, examined);
  examined.conclude();
  if (!config) throw new TypeError('a section was left out though nothing is wrong with it');
  return { file, config: { ...config, warnings: examined.warnings() } };
}

/** The file with its fixed keys as they are in force. What is misshapen is not compared: the file will be refused. */
function inForce(examined: Examined, running: ConfigFile | undefined): ConfigFile {
  // Where its form is not that of the schema, readSections looks at none of it.
  const file = examined.value as ConfigFile;
  if (!running || !examined.sound(...Object.keys(ConfigSchema.properties))) return file;
  const next = keepFixedKeys(file, running);
  for (const path of next.kept)
    examined.warning(path, 'has changed, which takes a restart: the old value stays in force until then');
  return next.file;
}

/** Each section is read when its form is sound, so that one run reports everything; the rest is never looked at. */
function readSections(file: ConfigFile, examined: Examined, options: ParseOptions) {
  const shaped = new Set(Object.keys(ConfigSchema.properties).filter((section) => examined.sound(section)));
  const sound = (...sections: readonly (keyof ConfigFile)[]): boolean => sections.every((name) => shaped.has(name));
  const listen = sound('listen') ? readListen(file) : undefined;
  const identity = sound('identity') ? readIdentity(file, examined) : undefined;
  const azure = sound('azure') ? readAzure(file, options.env, examined) : undefined;
  const clusters = sound('clusters', 'azure') ? readClusters(file, examined) : undefined;
  const publicUrl = sound('publicUrl') ? readPublicUrl(file, examined) : undefined;
  const reachable = listen && azure && offLoopback(listen.host, options.entrance, azure);
  const storage =
    listen && azure && sound('storage')
      ? readStorageSection(file, options.baseDir, { azure, reachable, entrance: options.entrance ?? 'port' }, examined)
      : undefined;
  const monitorLogs = sound('monitorLogs') ? readMonitorLogs(file, examined) : undefined;
  const telemetry = sound('telemetry') ? readTelemetry(file, options.env, examined) : undefined;
  const limits = sound('limits') ? readLimits(file, examined) : undefined;
  const policy =
    sound('policy') && clusters && identity
      ? checkPolicy(file, clusters, identity, sound('jobs'), examined)
      : undefined;
  const jobs = sound('jobs', 'clusters') && clusters ? readJobs(file, clusters, examined) : undefined;
  const onLoopback = listen !== undefined && azure !== undefined && reachable === undefined;
  const webhooks = sound('webhooks') ? readWebhooks(file, { env: options.env, onLoopback }, examined) : undefined;
  if (!(listen && identity && azure && clusters && storage && limits && policy && jobs && webhooks)) return undefined;
  return {
    ...(publicUrl !== undefined && { publicUrl }),
    graceSeconds: file.shutdown?.graceSeconds ?? 25,
    listen,
    identity,
    azure,
    clusters,
    storage,
    ...(monitorLogs && { monitorLogs }),
    ...(telemetry && { telemetry }),
    limits,
    policy,
    jobs,
    webhooks,
  };
}

function checkPolicy(
  file: ConfigFile,
  clusters: Config['clusters'],
  { tenants }: Config['identity'],
  jobsAreSound: boolean,
  examined: Examined,
): Config['policy'] {
  const custom = new Set([
    ...wellKnownCustomResources.keys(),
    ...[...clusters.values()].flatMap(({ resources }) => resources.map(fullName)),
  ]);
  const discovered = [...clusters.values()].some(({ discover }) => discover === true);
  checkRoles(file.policy.roles, { names: custom, discovered }, examined);
  checkGroups(file, examined);
  const jobs = jobsAreSound ? (file.jobs ?? []).map(({ name }) => name) : undefined;
  return readPolicy(file.policy, { clusters: Object.keys(file.clusters), tenants, jobs }, examined);
}

/** A binding through a group rests on the `groups` claim of tokens. */
function checkGroups({ identity, policy }: ConfigFile, examined: Examined): void {
  for (const [index, { role, subjects }] of policy.bindings.entries()) {
    const at = subjects.findIndex((subject) => 'group' in subject);
    if (at === -1) continue;
    const path = ['policy', 'bindings', index, 'subjects', at];
    const denies = (policy.roles[role]?.deny ?? []).length > 0;
    if (identity.groupsClaim === 'absent')
      examined.problem(path, 'identity.groupsClaim says that tokens have no groups: nobody would be bound by this');
    else if (identity.groupsClaim === undefined && denies)
      examined.problem(
        path,
        `role "${role}" denies, and a deny through a group is lost where tokens have no groups claim: set identity.groupsClaim to emitted once the app registration emits it`,
      );
  }
}

const fullName = ({ resource, group }: { resource: string; group: string }): string => `${resource}.${group}`;

/** Why this gateway can be reached from elsewhere, in words; undefined when it cannot. */
function offLoopback(host: string, entrance: Entrance | undefined, azure: Config['azure']): string | undefined {
  if (entrance === 'functions' && !isEmulated(azure)) return 'the Functions host listens';
  return isLoopback(host) ? undefined : `listen.host is ${host}`;
}
