/** Seconds a caller waits for a command's end when it does not say. */
const DEFAULT_WAIT_SECONDS = 25;
/** Azure's front end ends a request after 230 s, regardless of the function's own time-out (Functions, "HTTP trigger limits"). */
const MOST_WAIT_SECONDS = 225;

interface Preference {
  readonly waitSeconds: number;
  /** What was honoured, for Preference-Applied (RFC 7240, section 3); undefined when nothing was asked for that is known. */
  readonly applied: string | undefined;
}

/**
 * `Prefer: wait=N, respond-async` (RFC 7240, sections 4.1 and 4.3). Unknown preferences and malformed values are ignored, as section 2 demands;
 * of a preference given twice the first counts. `respond-async` alone answers at once, with `wait` after that many seconds.
 */
export function readPrefer(header: string | readonly string[] | undefined): Preference {
  let wait: number | undefined;
  let async = false;
  const text = typeof header === 'string' ? header : (header ?? []).join(',');
  for (const item of text.split(',')) {
    const [name = '', value = ''] = (item.split(';')[0] ?? '').split('=').map((part) => part.trim());
    if (name.toLowerCase() === 'respond-async' && value === '') async = true;
    const seconds = value.replace(/^"(.*)"$/, '$1');
    if (name.toLowerCase() === 'wait' && wait === undefined && /^\d{1,9}$/.test(seconds)) {
      wait = Math.min(Number(seconds), MOST_WAIT_SECONDS);
    }
  }
  const applied = [...(async ? ['respond-async'] : []), ...(wait === undefined ? [] : [`wait=${wait}`])];
  return {
    waitSeconds: wait ?? (async ? 0 : DEFAULT_WAIT_SECONDS),
    applied: applied.length > 0 ? applied.join(', ') : undefined,
  };
}
