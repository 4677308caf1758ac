import { request as requestHttp } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../clock.ts';
import { bareHost } from '../config/webhooks.ts';
import { withDeadline } from '../lib/abort.ts';
import { whyNot, type Reach } from './address.ts';

/** Every address of a host; what Node's own `dns.lookup` gives. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/**
 * One look-up of a host at a time: those that come meanwhile share it. A host whose name server does not answer holds one of the few threads that
 * the process looks names up with (nodejs.org/api/dns.html, "Implementation considerations"), and not one for each message that waits for it.
 */
export function sharedLookups(resolve: Resolve): Resolve {
  const underWay = new Map<string, Promise<readonly string[]>>();
  return (host) => {
    const known = underWay.get(host);
    if (known) return known;
    const look = resolve(host).finally(() => underWay.delete(host));
    underWay.set(host, look);
    return look;
  };
}

/** The gateway does not send there, whatever the configuration says. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

interface Posted {
  readonly status: number;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
}

interface PostOptions {
  readonly resolve: Resolve;
  readonly clock: Clock;
  readonly reach: Reach;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 10_000;

/**
 * One POST to an address that is looked up once and checked: the connection goes to the very address that was checked, whatever the name
 * means a moment later (DNS rebinding). No redirect is followed, no proxy used, and nothing of the answer kept but its status. Rejects with
 * AddressRefused, or with what went wrong.
 */
export async function post(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  { resolve, clock, reach, signal }: PostOptions,
): Promise<Posted> {
  return withDeadline(clock, TIMEOUT_MS, signal, async (until) => {
    const host = bareHost(url);
    const addresses = isIP(host) === 0 ? await resolve(host) : [host];
    const [address] = addresses;
    if (address === undefined) throw new Error('the host has no address');
    // Each of them: one that is wrong says that the name is not what it should be.
    for (const one of addresses) {
      const why = whyNot(one, reach);
      if (why !== undefined) throw new AddressRefused(`the host's address ${one} ${why}`);
    }
    return send(url, address, headers, body, until);
  });
}

function send(
  url: URL,
  address: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<Posted> {
  const { promise, resolve, reject } = Promise.withResolvers<Posted>();
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    agent: false,
    signal,
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: a receiver that nobody vouches for is no receiver.
    rejectUnauthorized: true,
    lookup: (_host, { all }, done) => {
      const family = isIP(address);
      if (all) done(null, [{ address, family }]);
      else done(null, address, family);
    },
  };
  const sent = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options, (response) => {
    const { statusCode = 0, headers: given } = response;
    const seconds = Number(given['retry-after']);
    resolve({ status: statusCode, ...(Number.isFinite(seconds) && seconds > 0 && { retryAfter: seconds }) });
    response.destroy();
  });
  sent.once('error', reject);
  // An answer that asks to speak another protocol is none: Node closes the connection without an error.
  sent.once('close', () => reject(new Error('it was closed')));
  sent.end(body);
  return promise;
}
