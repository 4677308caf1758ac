import type { AuditTrail } from '../audit/trail.ts';
import { changesBetween } from '../config/changes.ts';
import type { Config } from '../config/config.ts';
import type { ConfigHooks, OpenedConfig } from '../config/source.ts';
import type { Policy } from '../policy/policy.ts';

interface RecordConfigOptions {
  readonly config: OpenedConfig;
  readonly policyOf: (config: Config) => Policy;
  readonly trail: AuditTrail;
  readonly build: string;
  /** Warnings of a configuration that came into force. */
  readonly warn: (warning: string) => void;
  /** Why a new one did not, for as long as that lasts; and what else goes wrong where nobody waits. */
  readonly onError: (error: unknown) => void;
}

/** The configuration in force is in the trail, and each change of it before it takes effect. Rejects with Problem. */
export async function recordConfig(options: RecordConfigOptions): Promise<void> {
  const { config } = options;
  await loaded(options, config.current());
  config.watch(hooksOf(options));
}

function hooksOf(options: RecordConfigOptions): ConfigHooks {
  const { config, policyOf, trail, warn, onError } = options;
  return {
    onLoading: async (next, previous) => {
      await trail.record({
        event: 'config.loading',
        source: config.source,
        configDigest: next.digest,
        policyDigest: policyOf(next).digest,
        previousConfigDigest: previous.digest,
        changed: changesBetween(previous, next),
      });
    },
    onReload: (next) => {
      for (const warning of next.warnings) warn(warning);
      loaded(options, next).catch(onError);
    },
    onProblem: (problem, repeated) => {
      onError(problem);
      if (repeated) return;
      trail.record({ event: 'config.refused', source: config.source, detail: problem.message }).catch(onError);
    },
  };
}

async function loaded({ trail, policyOf, build }: RecordConfigOptions, config: Config): Promise<void> {
  const policyDigest = policyOf(config).digest;
  await trail.record({ event: 'config.loaded', configDigest: config.digest, policyDigest, build });
}
