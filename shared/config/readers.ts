import { open } from 'node:fs/promises';
import { fetchBounded } from '../lib/bounded-fetch.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import type { Secret } from '../secret.ts';
import { anyCloud, isStorageHost } from './cloud.ts';
import { MAX_CONFIG_LENGTH } from './examine.ts';
import { isLoopback } from './values.ts';

/** A text as it was found. */
export interface FoundText {
  readonly text: string;
  /** By which its place tells whether it is still the same. */
  readonly etag?: string | undefined;
  /** Its place never shows a text half written. */
  readonly atomic?: boolean;
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
        return { text: decodeConfig(await file.readFile()) };
      } catch (error) {
        throw unreadable(path, error);
      }
    },
  };
}

export interface UrlReaderOptions {
  readonly fetch: typeof fetch;
  /** For a blob that is not public: gives an access token for the scope. It is sent to storage accounts only. */
  readonly credential?: ((scope: string) => Promise<Secret>) | undefined;
}

/** Throws ConfigUnreadable for a URL that is neither https nor loopback. */
export function urlReader(location: string, { fetch, credential }: UrlReaderOptions): TextReader {
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (!url) throw new ConfigUnreadable('the location of the configuration is no URL');
  const source = url.origin + url.pathname;
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
    throw new ConfigUnreadable(
      `${source}: plain http is for loopback only: anyone on the network path could write the policy`,
    );
  }
  // A token for storage goes to storage accounts only, whatever host somebody configures.
  const takesToken = isStorageHost(url.hostname, 'blob', anyCloud);

  const headers = async (seen: FoundText | undefined): Promise<Headers> => {
    // The version that first took Entra tokens with every feature used here (learn.microsoft.com/rest/api/storageservices).
    const headers = new Headers({ 'x-ms-version': '2021-12-02', accept: '*/*' });
    if (seen?.etag !== undefined) headers.set('if-none-match', seen.etag);
    if (credential && takesToken) {
      const token = await credential('https://storage.azure.com/.default');
      headers.set('authorization', `Bearer ${token.reveal()}`);
    }
    return headers;
  };

  async function read(seen: undefined, signal: AbortSignal): Promise<FoundText>;
  async function read(seen: FoundText | undefined, signal: AbortSignal): Promise<FoundText>;
  async function read(seen: FoundText | undefined, signal: AbortSignal): Promise<FoundText> {
    try {
      const init = { headers: await headers(seen) };
      const answer = await fetchBounded(url ?? location, init, { fetch, signal, maxBytes: MAX_CONFIG_LENGTH });
      if (answer.status === 304 && seen) return seen;
      // No other: a 206 is a part of the text (RFC 9110, section 15.3.7), a 203 was changed on the way.
      if (answer.status !== 200) throw new Error(`answered ${answer.status}`);
      return {
        text: decodeConfig(answer.bytes),
        etag: answer.headers.get('etag') ?? undefined,
        // A block blob is replaced as a whole (learn.microsoft.com/rest/api/storageservices/put-block-list).
        atomic: takesToken && answer.headers.get('x-ms-blob-type') === 'BlockBlob',
      };
    } catch (error) {
      throw unreadable(source, error);
    }
  }
  return { source, read };
}

/** UTF-8 or nothing, without a byte order mark: any other byte would silently become another name. Throws Error. */
export function decodeConfig(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes).replace(/^\ufeff/, '');
  } catch (cause) {
    throw new Error('is not UTF-8', { cause });
  }
}

function unreadable(source: string, error: unknown): ConfigUnreadable {
  const message = error instanceof Error ? error.message : String(error);
  return new ConfigUnreadable(`${source}: ${message}`, { cause: error });
}
