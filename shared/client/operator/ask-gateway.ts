import { systemClock } from '../../clock.ts';
import { isLoopback } from '../../config/values.ts';
import { withDeadline } from '../../lib/abort.ts';
import { fetchBounded } from '../../lib/bounded-fetch.ts';
import { trimEnd } from '../../lib/trim-end.ts';
import { tokenTo } from '../connect.ts';
import type { Host } from '../host.ts';

const ANSWER_MS = 30_000;
const MOST_BYTES = 4 * 1024 * 1024;

/** What the gateway at an address of `readAddress` answers to a GET, with the operator's own sign-in. */
export async function askGateway(base: string, path: string, host: Host): Promise<unknown> {
  const token = await (await tokenTo(base, host))();
  const answer = await withDeadline(systemClock, ANSWER_MS, host.signal, (signal) =>
    fetchBounded(
      `${base}${path}`,
      { headers: { authorization: `Bearer ${token}`, accept: 'application/json' } },
      { fetch, maxBytes: MOST_BYTES, signal },
    ),
  );
  if (answer.status !== 200) throw new Error(`${base} answered ${answer.status}`);
  return JSON.parse(Buffer.from(answer.bytes).toString('utf8')) as unknown;
}

/** The value of an option as a gateway's address. Throws Error where a token could be read on its way there. */
export function readAddress(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) return trimEnd(text, '/');
  throw new Error(`${option} takes an https address: over plain http your token could be read on the way`);
}
