import { dirname, resolve } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Secret } from '../secret.ts';
import type { Config, ConfigSource } from './config.ts';
import { parseConfig } from './load.ts';
import { fileReader, urlReader, type TextReader } from './text.ts';

export interface OpenOptions {
  /** A path, or the https URL of a blob (AKSGW_CONFIG, --config). */
  readonly location: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** For a blob that is not public: gives an access token for the scope. It is sent to blob endpoints only. */
  readonly credential?: ((scope: string) => Promise<Secret>) | undefined;
  /** Against which `file:` and `sqlite:` are resolved; otherwise the file's own folder, or the working folder for a URL. */
  readonly baseDir?: string | undefined;
  /** Another configuration is in force. */
  readonly onReload?: ((config: Config, previous: Config) => void) | undefined;
  /** The last good one stays in force: the file cannot be read, or ConfigError. Told once for each cause, until it changes. */
  readonly onError?: ((error: Error) => void) | undefined;
}

export interface OpenedConfig extends ConfigSource {
  /** Looks at once whether there is something new. Never rejects: what goes wrong is told to `onError`. */
  refresh(): Promise<void>;
  /** Stops looking; what is in force stays. */
  close(): void;
}

/**
 * How often it is looked for a new file, in ms. With the time-out of one look this keeps the spec's word that policy and the
 * list of the blocked are in force within 60 s.
 */
const LOOK_EVERY = 30_000;

/** Reads the configuration and keeps it current. Rejects when the first reading fails: ConfigError, ConfigUnreadable. */
export async function openConfig(options: OpenOptions): Promise<OpenedConfig> {
  const { location, env, clock, onReload, onError = warn } = options;
  const closed = new AbortController();
  const remote = /^https?:/i.test(location);
  const reader: TextReader = remote ? urlReader(location, options) : fileReader(location);
  const baseDir = options.baseDir ?? (remote ? process.cwd() : dirname(resolve(location)));
  const parse = (text: string): Config => parseConfig(text, { baseDir, env, source: reader.source });

  let seen = await reader.read(undefined, closed.signal);
  let config = parse(seen.text);
  /** Whether the text last seen was not taken. */
  let bad = false;
  let told: string | undefined;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    try {
      const found = await reader.read(seen, closed.signal);
      if (closed.signal.aborted) return;
      if (!bad) told = undefined;
      const changed = found.text !== seen.text;
      seen = found;
      if (!changed) return;
      bad = true;
      const previous = config;
      const next = keepWhatCannotChange(previous, parse(found.text), reader.source);
      bad = false;
      config = next;
      if (next.digest !== previous.digest) onReload?.(next, previous);
    } catch (error) {
      if (closed.signal.aborted) return;
      const problem = error instanceof Error ? error : new Error(String(error));
      if (problem.message !== told) onError(problem);
      told = problem.message;
    }
  }

  const refresh = (): Promise<void> => {
    looking ??= look().finally(() => (looking = undefined));
    return looking;
  };

  void (async () => {
    while (!closed.signal.aborted) {
      await clock.sleep(LOOK_EVERY, { signal: closed.signal, unref: true }).catch((error: unknown) => {
        if (!closed.signal.aborted) throw error;
      });
      if (!closed.signal.aborted) await refresh();
    }
  })();

  return { current: () => config, refresh, close: () => closed.abort() };
}

/**
 * A socket that listens, stores that are open and the authority whose keys are held stay as they were at the start: changed
 * under a running gateway they would tear records and audit apart. The rest of the new file is taken.
 */
function keepWhatCannotChange(running: Config, next: Config, source: string): Config {
  const places = ({ audit, records, signingKey }: Config['storage']) => ({ audit, records, signingKey });
  const fixed: readonly [name: string, before: unknown, after: unknown][] = [
    ['listen', running.listen, next.listen],
    ['storage', places(running.storage), places(next.storage)],
    ['identity.authority', running.identity.authority, next.identity.authority],
  ];
  const kept = fixed.filter(([, before, after]) => JSON.stringify(before) !== JSON.stringify(after));
  return {
    ...next,
    listen: running.listen,
    storage: { ...next.storage, ...places(running.storage) },
    identity: { ...next.identity, authority: running.identity.authority },
    warnings: [
      ...kept.map(
        ([name]) => `${source}: ${name} has changed, which takes a restart: the old one stays in force until then`,
      ),
      ...next.warnings,
    ],
  };
}

const warn = (error: Error): void => process.emitWarning(error.message, { type: error.name });
