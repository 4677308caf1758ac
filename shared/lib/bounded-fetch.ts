interface BoundedFetchOptions {
  readonly fetch: typeof fetch;
  /** Bounds the time: from withDeadline. */
  readonly signal: AbortSignal;
  readonly maxBytes: number;
}

interface FetchedBody {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** Node's fetch says only "fetch failed"; the reason is in its cause. */
class FetchFailed extends Error {
  override readonly name = 'FetchFailed';
}

/**
 * A request whose answer is read whole, within a bound in bytes and in time. Never follows a redirect: the address is pinned, and a
 * token must not travel on. Rejects with FetchFailed, or with the signal's reason.
 */
export async function fetchBounded(
  url: string | URL,
  init: Omit<RequestInit, 'signal' | 'redirect'>,
  { fetch, signal, maxBytes }: BoundedFetchOptions,
): Promise<FetchedBody> {
  try {
    const response = await fetch(url, { ...init, signal, redirect: 'error' });
    return { status: response.status, headers: response.headers, bytes: await readBody(response, maxBytes) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const message = error instanceof Error ? error.message : String(error);
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
    throw new FetchFailed(`${message}${cause}`, { cause: error });
  }
}

async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new Error(`is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const promised = response.headers.get('content-length');
  if (promised !== null && !response.headers.has('content-encoding') && Number(promised) !== length && length > 0)
    throw new Error(`broke off after ${length} of ${promised} bytes`);
  return Buffer.concat(chunks);
}
