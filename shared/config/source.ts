import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import { pause, untilAborted, withDeadline } from '../lib/abort.ts';
import { elapsedSince, mark, type Mark } from '../lib/elapsed.ts';
import { parseBlockedList, withBlocked } from './blocked-list.ts';
import type { Config, ConfigSource, Entrance } from './config.ts';
import { loadConfig, type ConfigCheck, type Loaded } from './load.ts';
import { fileReader, urlReader, type FoundText, type TextReader, type UrlReaderOptions } from './readers.ts';
import { configKeyOf, SIGNATURE_SUFFIX, signedReader, type ConfigKey } from './signature.ts';
import { readWhole } from './whole-text.ts';

export interface OpenOptions extends UrlReaderOptions {
  /** A path, or the https URL of a blob (AKSGW_CONFIG, --config). */
  readonly location: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly entrance?: Entrance | undefined;
  /** As ParseOptions.checks: also of each new configuration. */
  readonly checks?: readonly ConfigCheck[] | undefined;
  /** Against which `file:` and `sqlite:` are resolved; otherwise the file's own folder, or the working folder for a URL. */
  readonly baseDir?: string | undefined;
}

/** What hears of a configuration that changes. */
export interface ConfigHooks {
  /** Another configuration is about to be in force, and is once this has resolved or ANNOUNCE_MS have passed. */
  readonly onLoading?: ((next: Config, previous: Config) => Promise<void>) | undefined;
  /** Another configuration is in force. */
  readonly onReload?: ((config: Config, previous: Config) => void) | undefined;
  /**
   * The last good one stays in force: a text cannot be read, or ConfigError. Called for each cause at once, and again (`repeated`)
   * every REPEAT_MS for as long as it lasts.
   */
  readonly onProblem?: ((problem: Error, repeated: boolean) => void) | undefined;
}

export interface OpenedConfig extends ConfigSource {
  /** What the configuration is called in messages. */
  readonly source: string;
  /** Begins to look regularly; until then only `refresh` and `fresh` look. */
  watch(hooks: ConfigHooks): void;
  /** Looks at once whether there is something new. Never rejects: what goes wrong is told to `onProblem`. */
  refresh(): Promise<void>;
  /** Stops looking; what is in force stays. */
  close(): void;
}

/**
 * How often a new text is looked for, and how long a look may take, ms. Together they hold what is promised: policy and the list of
 * the blocked are in force within MOST_AGE_MS.
 */
const LOOK_EVERY_MS = 20_000;
const LOOK_MS = 15_000;
/**
 * A configuration that was looked at longer ago is looked at before it decides anything. Only a process that stood still comes to
 * this: Azure Functions freezes instances between requests.
 */
const MOST_AGE_MS = 60_000;
/** A configuration that is not taken is reported as often as this. */
const REPEAT_MS = 5 * 60_000;
/** A trail that does not answer must not hold up a list of the blocked. */
const ANNOUNCE_MS = 5_000;

/** Reads the configuration, and keeps it current once it is watched. Rejects when the first reading fails: ConfigError, ConfigUnreadable. */
export async function openConfig(options: OpenOptions): Promise<OpenedConfig> {
  const watched = await start(options);
  const refresh = (): Promise<void> => {
    watched.looking ??= look(watched).finally(() => (watched.looking = undefined));
    return watched.looking;
  };
  return {
    source: watched.reader.source,
    watch: (hooks) => {
      watched.hooks = hooks;
      void lookRegularly(watched, refresh);
    },
    current: () => watched.config,
    fresh: async (signal) => {
      // The second look is for one that had begun before the process stood still, and was answered then.
      for (let looks = 0; looks < 2 && !isFresh(watched); looks += 1) await untilAborted(refresh(), signal);
      return watched.config;
    },
    isFresh: () => isFresh(watched),
    problem: () => watched.problem?.error,
    refresh,
    close: () => watched.closed.abort(),
  };
}

/** The texts that make one configuration, as they were found. */
interface Texts {
  readonly file: FoundText;
  readonly blocked: FoundText | undefined;
}

/** A configuration under watch. */
interface Watched {
  readonly options: OpenOptions;
  hooks: ConfigHooks;
  readonly closed: AbortController;
  readonly reader: TextReader;
  /** Of `policy.blockedFrom`, where that is set. */
  readonly blockedReader: TextReader | undefined;
  readonly baseDir: string;
  /** As at the start: its fixed keys stay. */
  readonly first: Loaded['file'];
  /** In force, and the texts that it was made from. */
  config: Config;
  good: Texts;
  /** The texts found last, and why they are not in force, if they are not. */
  seen: Texts;
  refusal: Error | undefined;
  /** What is wrong now, and when it was last told (monotonic). */
  problem: { readonly error: Error; readonly toldAt: number } | undefined;
  /** When the last look began. */
  asOf: Mark;
  looking: Promise<void> | undefined;
}

const isFresh = ({ options: { clock }, asOf }: Watched): boolean => elapsedSince(clock, asOf) <= MOST_AGE_MS;

async function start(options: OpenOptions): Promise<Watched> {
  const { location, env } = options;
  const closed = new AbortController();
  const asOf = mark(options.clock);
  const key = await configKeyOf(env);
  const reader = readerOf(location, options, key);
  const baseDir = options.baseDir ?? (isUrl(location) ? process.cwd() : dirname(resolve(location)));
  const file = await readOnce(reader, undefined, options, closed.signal);
  const { config, file: first } = loadConfig(file.text, {
    baseDir,
    env,
    entrance: options.entrance,
    checks: options.checks,
    source: reader.source,
  });
  const { blockedFrom } = config.policy;
  const blockedReader = blockedFrom === undefined ? undefined : readerOf(pathOf(blockedFrom, baseDir), options, key);
  const blocked = blockedReader && (await readOnce(blockedReader, undefined, options, closed.signal));
  const texts = { file, blocked };
  const watched: Watched = {
    options,
    hooks: {},
    closed,
    reader,
    blockedReader,
    baseDir,
    first,
    config,
    good: texts,
    seen: texts,
    refusal: undefined,
    problem: undefined,
    asOf,
    looking: undefined,
  };
  watched.config = make(watched, texts);
  return watched;
}

export const isUrl = (location: string): boolean => /^https?:/i.test(location);

/** With a key, a text counts only with its signature beside it. */
export function readerOf(
  location: string,
  options: UrlReaderOptions & Pick<OpenOptions, 'clock'>,
  key: ConfigKey | undefined,
): TextReader {
  const open = (place: string): TextReader => (isUrl(place) ? urlReader(place, options) : fileReader(place));
  return key ? signedReader(open(location), open(signaturePlace(location)), key, options.clock) : open(location);
}

/** Beside the text: a query (a shared access signature) stays at the end. */
function signaturePlace(location: string): string {
  if (!isUrl(location) || !URL.canParse(location)) return `${location}${SIGNATURE_SUFFIX}`;
  const url = new URL(location);
  url.pathname += SIGNATURE_SUFFIX;
  return url.href;
}

/** `policy.blockedFrom`: an address, or a file's path with or without `file:`. */
function pathOf(text: string, baseDir: string): string {
  if (isUrl(text)) return text;
  return text.startsWith('file://') ? fileURLToPath(text) : resolve(baseDir, text.replace(/^file:/, ''));
}

const readOnce = (
  reader: TextReader,
  seen: FoundText | undefined,
  { clock }: OpenOptions,
  closed: AbortSignal,
): Promise<FoundText> => withDeadline(clock, LOOK_MS, closed, (signal) => readWhole(reader, seen, clock, signal));

/** The configuration that the texts make. Throws ConfigError. */
function make(
  { options: { env, entrance, checks }, reader, blockedReader, baseDir, first }: Watched,
  { file, blocked }: Texts,
): Config {
  const { config } = loadConfig(file.text, { baseDir, env, entrance, checks, source: reader.source, running: first });
  if (!blockedReader || !blocked) return config;
  return withBlocked(
    config,
    parseBlockedList(blocked.text, blockedReader.source, config.identity.tenants),
    blocked.text,
  );
}

async function lookRegularly({ closed, options: { clock } }: Watched, refresh: () => Promise<void>): Promise<void> {
  while (!closed.signal.aborted) {
    await pause(clock, LOOK_EVERY_MS, closed.signal);
    if (!closed.signal.aborted) await refresh();
  }
}

/** One look: what is new and good is in force after it, and what is not is told. */
async function look(watched: Watched): Promise<void> {
  const { options, closed, reader, blockedReader, seen } = watched;
  const began = mark(options.clock);
  const [file, blocked] = await Promise.allSettled([
    readOnce(reader, seen.file, options, closed.signal),
    blockedReader ? readOnce(blockedReader, seen.blocked, options, closed.signal) : undefined,
  ]);
  if (closed.signal.aborted) return;
  const found: Texts = {
    file: file.status === 'fulfilled' ? file.value : seen.file,
    blocked: blocked.status === 'fulfilled' ? blocked.value : seen.blocked,
  };
  const changed = found.file.text !== seen.file.text || found.blocked?.text !== seen.blocked?.text;
  watched.seen = found;
  if (changed) await take(watched, found);
  watched.asOf = began;
  const unread = [file, blocked].find((one) => one.status === 'rejected');
  tell(watched, unread ? asError(unread.reason) : watched.refusal);
}

/**
 * Takes the texts that were found; of two of which one is bad, the other: a mistake in the policy does not hold back the list of the
 * blocked.
 */
async function take(watched: Watched, found: Texts): Promise<void> {
  watched.refusal = undefined;
  const { good } = watched;
  for (const texts of [found, { ...good, blocked: found.blocked }, { ...good, file: found.file }]) {
    const next = attempt(watched, texts);
    if (!next) continue;
    watched.good = texts;
    await putInForce(watched, next);
    return;
  }
}

function attempt(watched: Watched, texts: Texts): Config | undefined {
  try {
    return make(watched, texts);
  } catch (error) {
    watched.refusal ??= asError(error);
    return undefined;
  }
}

async function putInForce(watched: Watched, next: Config): Promise<void> {
  const { config: previous, options, hooks } = watched;
  if (next.digest === previous.digest) return;
  if (hooks.onLoading) {
    const announced = withDeadline(options.clock, ANNOUNCE_MS, undefined, async () =>
      hooks.onLoading?.(next, previous),
    );
    await announced.catch((error: unknown) => hooks.onProblem?.(asError(error), false));
  }
  watched.config = next;
  hooks.onReload?.(next, previous);
}

/** Tells of a problem when it is new, and again from time to time while it lasts. */
function tell(watched: Watched, error: Error | undefined): void {
  const { problem, options, hooks } = watched;
  const now = options.clock.monotonic();
  const repeated = error !== undefined && error.message === problem?.error.message;
  const due = error !== undefined && (!repeated || now - problem.toldAt >= REPEAT_MS);
  watched.problem = error && { error, toldAt: due ? now : (problem?.toldAt ?? now) };
  if (due) (hooks.onProblem ?? warn)(error, repeated);
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const warn = (error: Error): void => process.emitWarning(error.message, { type: error.name });
