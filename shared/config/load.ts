import { readPolicy } from './bindings.ts';
import { sha256 } from './canonical.ts';
import type { Config } from './config.ts';
import { readDocument } from './document.ts';
import { checkForm } from './form.ts';
import { warnOfImplications } from './implications.ts';
import { ConfigError, formatPath, formatProblem, type ConfigProblem, type Path, type Report } from './problem.ts';
import { checkRoles } from './roles.ts';
import { ConfigSchema, type ConfigFile } from './schema.ts';
import {
  readAzure,
  readClusters,
  readIdentity,
  readLimits,
  readMonitorLogs,
  readListen,
  readStorageSection,
} from './sections.ts';
import { isLoopback } from './values.ts';

export interface ParseOptions {
  /** The folder against which `file:` and `sqlite:` are resolved. */
  readonly baseDir: string;
  /** Where tokens and secrets that the file names are looked for. Left out, they are not: a policy is tested without them. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** What the file is called in problems and warnings; never a URL with a secret in it. */
  readonly source: string;
}

/** Far above any real policy, far below what a reader of YAML chokes on. Characters. */
export const MAX_CONFIG_LENGTH = 1024 * 1024;

/**
 * Reads gateway.yaml: form, references between its parts, and everything that "Refused at load" names. Throws ConfigError with
 * all problems at once, each with its line; warnings come with the configuration.
 */
export function parseConfig(text: string, options: ParseOptions): Config {
  const { source } = options;
  if (text.length > MAX_CONFIG_LENGTH) {
    throw new ConfigError(source, [{ line: 1, path: '', message: `is longer than ${MAX_CONFIG_LENGTH} characters` }]);
  }
  const document = readDocument(text);
  const problems: ConfigProblem[] = document.problems.map((problem) => ({ ...problem, path: '' }));
  const warnings: ConfigProblem[] = [];
  const broken = new Set<Path[number] | undefined>();
  const finding = (path: Path, message: string): ConfigProblem => ({
    line: document.line(path),
    path: formatPath(path),
    message,
  });
  const report: Report = {
    problem(path, message) {
      broken.add(path[0]);
      problems.push(finding(path, message));
    },
    warning: (path, message) => warnings.push(finding(path, message)),
  };
  if (problems.length > 0) throw new ConfigError(source, problems);
  checkForm(ConfigSchema, document.value, [], (path, message) => report.problem(path, message));
  if (broken.has(undefined)) throw new ConfigError(source, problems);

  // A section is read on when its form is sound, so that one run tells of everything; the rest is never looked at.
  const file = document.value as ConfigFile;
  const misshapen = new Set(broken);
  const sound = (...sections: readonly (keyof ConfigFile)[]): boolean =>
    !sections.some((section) => misshapen.has(section));
  const listen = sound('listen') ? readListen(file) : undefined;
  const identity = sound('identity') ? readIdentity(file, report) : undefined;
  const azure = sound('azure') ? readAzure(file, options.env, report) : undefined;
  const clusters = sound('clusters', 'azure') ? readClusters(file, report) : undefined;
  const storage =
    listen && sound('storage')
      ? readStorageSection(file, options.baseDir, offLoopback(listen.host, options.env), report)
      : undefined;
  const monitorLogs = sound('monitorLogs') ? readMonitorLogs(file, report) : undefined;
  const limits = sound('limits') ? readLimits(file, report) : undefined;
  const policy = sound('policy') && clusters && identity ? checkPolicy() : undefined;
  if (sound('jobs') && file.jobs && file.jobs.length > 0) {
    report.problem(['jobs'], 'jobs are not built yet: leave them out, and call the gateway from your own scheduler');
  }
  if (problems.length > 0 || !(listen && identity && azure && clusters && storage && limits && policy)) {
    throw new ConfigError(source, problems);
  }
  warnOfImplications(policy, clusters, report);
  return {
    listen,
    identity,
    azure,
    clusters,
    storage,
    ...(monitorLogs && { monitorLogs }),
    limits,
    policy,
    digest: sha256(text),
    warnings: warnings.toSorted((a, b) => a.line - b.line).map((warning) => formatProblem(source, warning)),
  };

  function checkPolicy() {
    const custom = new Set([...(clusters?.values() ?? [])].flatMap(({ resources }) => resources.map(fullName)));
    checkRoles(file.policy.roles, custom, report);
    const known = { clusters: Object.keys(file.clusters), tenants: identity?.tenants ?? [] };
    return readPolicy(file.policy, known, report);
  }
}

const fullName = ({ resource, group }: { resource: string; group: string }): string => `${resource}.${group}`;

/** Why this gateway can be reached from elsewhere, in words; undefined when it cannot. */
function offLoopback(host: string, env: NodeJS.ProcessEnv | undefined): string | undefined {
  if (!isLoopback(host)) return `listen.host is ${host}`;
  // Set on every Azure Functions instance (learn.microsoft.com/azure/app-service/reference-app-settings): there the host listens.
  if (env?.['WEBSITE_INSTANCE_ID']) return 'this is an Azure Functions instance';
  return undefined;
}
