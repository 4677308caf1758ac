import { settingFault } from '../shared/config/environment.ts';
import type { Entrance } from '../shared/config/config.ts';
import { ConfigError } from '../shared/config/problem.ts';
import { didYouMean } from '../shared/lib/suggest.ts';

interface Setting {
  readonly what: string;
  /** Where only these words mean something. */
  readonly values?: { readonly on: Entrance; readonly words: readonly string[] };
  /** The entrances that do not start without it. */
  readonly required: readonly Entrance[];
  /** The Functions host takes some for itself, and shares some with the gateway. */
  readonly readBy: 'gateway' | 'host' | 'both';
}

/**
 * Every setting of the environment there is, app settings on Functions. Beside these, gateway.yaml names its own (`tokenEnv`, `secretEnv`,
 * `urlEnv`): they are checked when it is read.
 */
export const settings: Readonly<Record<string, Setting>> = {
  AKSGW_CONFIG: {
    what: 'the path or the https address of gateway.yaml',
    required: ['functions'], // on a port --config may say it
    readBy: 'gateway',
  },
  AKSGW_CONFIG_KEY: {
    what: 'the public key (a JWK, or a file with one) that gateway.yaml must be signed with',
    required: [],
    readBy: 'gateway',
  },
  AKSGW_LOG_LEVEL: {
    what: 'trace to fatal; info unless set. On a plain port only',
    values: { on: 'port', words: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] },
    required: [],
    readBy: 'gateway',
  },
  AzureWebJobsStorage__accountName: {
    what: 'the storage account of the Functions host: package, locks of timers',
    required: [],
    readBy: 'host',
  },
  AzureWebJobsStorage__credential: { what: 'managedidentity: there is no key', required: [], readBy: 'host' },
  AzureWebJobsStorage__clientId: { what: 'the identity that reaches it', required: [], readBy: 'host' },
  APPLICATIONINSIGHTS_CONNECTION_STRING: {
    what: "where telemetry goes, the host's and with `telemetry.azureMonitor` the gateway's",
    required: [],
    readBy: 'both',
  },
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: {
    what: "`ClientId=…;Authorization=AAD`: it is sent with a token, the host's of that identity, the gateway's of its own",
    required: [],
    readBy: 'both',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    what: 'headers for `telemetry.otlp`, such as a key',
    required: [],
    readBy: 'gateway',
  },
};

/** A start without a setting that it needs, or with one that means nothing. The message names it, and never its value. */
export class MissingSetting extends Error {
  override readonly name = 'MissingSetting';
  readonly settings: readonly string[];

  constructor(message: string, names: readonly string[]) {
    super(message);
    this.settings = names;
  }
}

/** Throws MissingSetting, naming every one that this entrance needs and does not have, or cannot understand. */
export function checkSettings(env: NodeJS.ProcessEnv, entrance: Entrance): void {
  const faults = Object.entries(settings).flatMap(([name, { required, what, values }]) => {
    const fault = required.includes(entrance) ? settingFault(env, name) : undefined;
    if (fault !== undefined) return [{ name, text: `the setting ${name} ${fault}: ${what}.${hint(env, name)}` }];
    const given = env[name];
    if (!given || values?.on !== entrance || values.words.includes(given)) return [];
    return [{ name, text: `the setting ${name} is none of ${values.words.join(', ')}.` }];
  });
  if (faults.length === 0) return;
  throw new MissingSetting(
    faults.map(({ text }) => text).join(' '),
    faults.map(({ name }) => name),
  );
}

/** A misspelled name of ours, if one is set. */
function hint(env: NodeJS.ProcessEnv, name: string): string {
  const strangers = Object.keys(env).filter((each) => each.startsWith('AKSGW') && !(each in settings));
  return didYouMean(name, strangers).replace('Did you mean', 'Set by another name:').replace('?', '.');
}

/** The settings for want of which a start failed: those of the table, and those that gateway.yaml names. */
export function missingSettings(error: Error): readonly string[] {
  if (error instanceof MissingSetting) return error.settings;
  if (!(error instanceof ConfigError)) return [];
  return [...new Set(error.problems.flatMap(({ setting }) => setting ?? []))];
}
