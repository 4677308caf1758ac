import { open } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import type { Secret } from '../secret.ts';
import { MAX_CONFIG_LENGTH } from './load.ts';
import { isLoopback } from './values.ts';

/** A text as it was found, and the tag by which its place tells whether it is still the same. */
export interface FoundText {
  readonly text: string;
  readonly etag?: string | undefined;
}

/** Where a configuration is read from. */
export interface TextReader {
  /** What it is called in messages: no query, which may hold a secret. */
  readonly source: string;
  /** Gives `seen` itself when its place says that nothing has changed. Rejects with ConfigUnreadable. */
  read(seen: undefined, signal: AbortSignal): Promise<FoundText>;
  read(seen: FoundText, signal: AbortSignal): Promise<FoundText>;
}

/** The configuration could not be read at all: no such file, no rights, no answer. */
export class ConfigUnreadable extends Error {
  override readonly name = 'ConfigUnreadable';
}

export function fileReader(path: string): TextReader {
  return {
    source: path,
    async read() {
      try {
        // Always read, never trusted to a time stamp: it is small, and two changes may fall within one tick of the clock.
        await using file = await open(path);
        const { size } = await file.stat();
        if (size > MAX_CONFIG_LENGTH) throw new Error(`is larger than ${MAX_CONFIG_LENGTH} bytes`);
        return { text: decode(await file.readFile()) };
      } catch (error) {
        throw unreadable(path, error);
      }
    },
  };
}

interface UrlReaderOptions {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly credential?: ((scope: string) => Promise<Secret>) | undefined;
}

/** One look must end in time for the next: see LOOK_EVERY. Milliseconds. */
const TIME_OUT = 10_000;

/** Throws ConfigUnreadable for a URL that is neither https nor loopback. */
export function urlReader(location: string, { clock, fetch, credential }: UrlReaderOptions): TextReader {
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (!url) throw new ConfigUnreadable('the location of the configuration is no URL');
  const source = url.origin + url.pathname;
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
    throw new ConfigUnreadable(
      `${source}: plain http is for loopback only: whoever is on the way would write the policy`,
    );
  }
  // A token for storage goes to storage only, whatever host somebody configures.
  const isBlob = url.hostname.split('.').slice(1).includes('blob');

  const headers = async (seen: FoundText | undefined): Promise<Headers> => {
    // The version that first took Entra tokens with every feature used here (learn.microsoft.com/rest/api/storageservices).
    const headers = new Headers({ 'x-ms-version': '2021-12-02', accept: '*/*' });
    if (seen?.etag !== undefined) headers.set('if-none-match', seen.etag);
    if (credential && isBlob) {
      const token = await credential('https://storage.azure.com/.default');
      headers.set('authorization', `Bearer ${token.reveal()}`);
    }
    return headers;
  };

  async function read(seen: undefined, signal: AbortSignal): Promise<FoundText>;
  async function read(seen: FoundText | undefined, signal: AbortSignal): Promise<FoundText>;
  async function read(seen: FoundText | undefined, signal: AbortSignal): Promise<FoundText> {
    try {
      return await within(clock, TIME_OUT, signal, async (signal) => {
        const response = await fetch(url ?? location, { headers: await headers(seen), signal, redirect: 'error' });
        if (response.status === 304 && seen) return seen;
        if (!response.ok) throw new Error(`answered ${response.status}`);
        return { text: decode(await body(response)), etag: response.headers.get('etag') ?? undefined };
      });
    } catch (error) {
      throw unreadable(source, error);
    }
  }
  return { source, read };
}

async function body(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_CONFIG_LENGTH) throw new Error(`is larger than ${MAX_CONFIG_LENGTH} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Runs with a signal that aborts after `ms` or with its parent, and waits no longer than that. */
async function within<T>(
  clock: Clock,
  ms: number,
  parent: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const done = new AbortController();
  clock.sleep(ms, { signal: done.signal, unref: true }).then(
    () => late.abort(new Error(`gave no answer within ${ms / 1000} s`)),
    (error: unknown) => {
      if (!done.signal.aborted) late.abort(error);
    },
  );
  const signal = AbortSignal.any([parent, late.signal]);
  // What `run` awaits may know nothing of the signal, as a credential does not: so it is raced as well.
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([run(signal), aborted]);
  } finally {
    done.abort();
  }
}

/** UTF-8 or nothing: a byte that is none would silently become another name. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error('is not UTF-8', { cause });
  }
}

function unreadable(source: string, error: unknown): ConfigUnreadable {
  // Node's fetch says only "fetch failed"; the reason is in its cause.
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  const message = error instanceof Error ? error.message : String(error);
  return new ConfigUnreadable(`${source}: ${message}${cause}`, { cause: error });
}
