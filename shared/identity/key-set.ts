import { importJWK } from 'jose';
import type { CryptoKey } from 'jose';

import type { Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import { untilAborted, withDeadline } from '../lib/abort.ts';
import { fetchBounded } from '../lib/bounded-fetch.ts';
import { decodeUtf8 } from '../lib/utf8.ts';

/** Up to this age keys are used as they are: Entra wants them looked at daily at least, jose's default is ten minutes. */
const FRESH_MS = 10 * 60_000;
/** Up to this age they are used while newer ones are fetched beside the request; after it the request waits for them. */
const WAIT_AFTER_MS = 60 * 60_000;
/** With the authority out of reach the last good keys serve this long. A key that Entra withdrew must not live for ever. */
const LAST_GOOD_MS = 24 * 60 * 60_000;
/** Between two fetches of one set, for any reason: a flood of made-up `kid`s costs one fetch in this time. */
const COOLDOWN_MS = 30_000;
/** While there are no keys at all: a gateway that starts before its network should not wait long. */
const FIRST_COOLDOWN_MS = 5_000;
const FETCH_TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_KEYS = 100;

/** One tenant's signing keys as fetched. The object is the same for as long as the keys are. */
export interface KeySet {
  readonly keys: ReadonlyMap<string, CryptoKey>;
}

/** Where the keys stand and which issuer they must be for: both from the configuration, never from a token. */
interface KeySource {
  readonly url: string;
  readonly issuer: string;
  readonly tenant: string;
}

export interface KeySetClient {
  /** The keys in force. Throws Problem `identity-unavailable` when there are none that may still be used. */
  current(signal?: AbortSignal): Promise<KeySet>;
  /**
   * The keys after `kid` was not among them: fetched again unless that was done a moment ago. Throws Problem
   * `identity-unavailable` when they could not be fetched, since then nobody knows whether the kid is a new key's.
   */
  afterUnknownKey(signal?: AbortSignal): Promise<KeySet>;
}

interface Loaded {
  readonly set: KeySet;
  readonly digest: string;
  readonly at: number;
}

type Attempt = { readonly at: number } & ({ readonly ok: true } | { readonly ok: false; readonly cause: unknown });

/**
 * A tenant's key set over its life. Not jose's createRemoteJWKSet: that one reads the system's clock, has no last good keys
 * and no bound on them, and cannot tell a cache of verified tokens when the keys changed.
 */
export function createKeySet(source: KeySource, options: { clock: Clock; fetch: typeof fetch }): KeySetClient {
  const { clock } = options;
  let loaded: Loaded | undefined;
  let attempt: Attempt | undefined;
  let refreshing: Promise<void> | undefined;

  /** A wall clock, since a suspended machine must not keep keys young; one that was set back counts as old. */
  const age = (at: number): number => {
    const elapsed = clock.now() - at;
    return elapsed < 0 ? Number.POSITIVE_INFINITY : elapsed;
  };

  const load = async (): Promise<void> => {
    const at = clock.now();
    try {
      const text = await download(source.url, options);
      const { keys, digest } = await readKeys(text, source);
      loaded = { at, digest, set: loaded?.digest === digest ? loaded.set : { keys } };
      attempt = { at, ok: true };
    } catch (cause) {
      attempt = { at: clock.now(), ok: false, cause };
    }
  };

  const cooldown = (): number => (loaded === undefined ? FIRST_COOLDOWN_MS : COOLDOWN_MS);

  /** One fetch at a time, not more often than the cooldown; never rejects, what went wrong stands in `attempt`. */
  const refresh = (): Promise<void> => {
    if (refreshing !== undefined) return refreshing;
    if (attempt !== undefined && age(attempt.at) < cooldown()) return Promise.resolve();
    refreshing = load().finally(() => (refreshing = undefined));
    return refreshing;
  };

  const unavailable = (): Problem => {
    const failed = attempt?.ok === false ? attempt : undefined;
    const wait = failed ? Math.ceil(Math.max(0, cooldown() - age(failed.at)) / 1000) : 0;
    return new Problem('identity-unavailable', `The signing keys of tenant ${source.tenant} could not be fetched.`, {
      cause: failed?.cause,
      retryAfter: Math.max(1, wait),
    });
  };

  const lastGood = (): KeySet => {
    if (loaded !== undefined && age(loaded.at) < LAST_GOOD_MS) return loaded.set;
    throw unavailable();
  };

  return {
    current: async (signal) => {
      const old = loaded === undefined ? Number.POSITIVE_INFINITY : age(loaded.at);
      if (loaded !== undefined && old < FRESH_MS) return loaded.set;
      const refreshed = refresh();
      if (old >= WAIT_AFTER_MS) await untilAborted(refreshed, signal);
      return lastGood();
    },
    afterUnknownKey: async (signal) => {
      // The fetch is shared between requests: a request that goes away stops waiting, not the fetch.
      await untilAborted(refresh(), signal);
      if (attempt?.ok === false) throw unavailable();
      return lastGood();
    },
  };
}

async function download(
  url: string,
  { clock, fetch }: { clock: Clock; fetch: typeof globalThis.fetch },
): Promise<string> {
  const { status, bytes } = await withDeadline(clock, FETCH_TIMEOUT_MS, undefined, (signal) =>
    fetchBounded(url, { headers: { accept: 'application/json' } }, { fetch, signal, maxBytes: MAX_BODY_BYTES }),
  );
  if (status !== 200) throw new Error(`the key set answered ${status}`);
  return decodeUtf8(bytes);
}

interface ReadKeys {
  readonly keys: ReadonlyMap<string, CryptoKey>;
  /** What tells two sets apart: each key's kid, modulus and exponent. */
  readonly digest: string;
}

/** The RS256 keys of a JWK set (RFC 7517) that are for the issuer. Throws when it is not a JWK set, or has none. */
async function readKeys(text: string, source: KeySource): Promise<ReadKeys> {
  const body: unknown = JSON.parse(text);
  const members = isRecord(body) ? body['keys'] : undefined;
  if (!Array.isArray(members) || members.length > MAX_KEYS) throw new Error('the key set is not a JWK set');
  const keys = new Map<string, CryptoKey>();
  const named: string[] = [];
  for (const member of members) {
    const jwk = usableKey(member, source);
    if (jwk === undefined) continue;
    const key = await importJWK({ kty: 'RSA', n: jwk.n, e: jwk.e, alg: 'RS256' }, 'RS256').catch(() => undefined);
    if (key === undefined || !('algorithm' in key) || !isLongEnough(key)) continue;
    keys.set(jwk.kid, key);
    named.push(`${jwk.kid} ${jwk.n} ${jwk.e}`);
  }
  if (keys.size === 0) throw new Error('the key set has no RS256 key for this issuer');
  return { keys, digest: named.sort().join('\n') };
}

/** An RSA signing key of this issuer, or undefined: a set may hold keys for other uses and, beside them, other issuers. */
function usableKey(jwk: unknown, { issuer, tenant }: KeySource): { kid: string; n: string; e: string } | undefined {
  if (!isRecord(jwk) || jwk['kty'] !== 'RSA') return undefined;
  const { kid, n, e } = jwk;
  if (typeof kid !== 'string' || typeof n !== 'string' || typeof e !== 'string') return undefined;
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return undefined;
  if (jwk['alg'] !== undefined && jwk['alg'] !== 'RS256') return undefined;
  // Entra names the issuer beside each key, on shared metadata with a placeholder for the tenant.
  const named = jwk['issuer'];
  if (named === undefined) return { kid, n, e };
  return typeof named === 'string' && named.replace('{tenantid}', tenant) === issuer ? { kid, n, e } : undefined;
}

/** RFC 7518, section 3.3: 2048 bits or larger. */
const isLongEnough = (key: CryptoKey): boolean =>
  'modulusLength' in key.algorithm && Number(key.algorithm.modulusLength) >= 2048;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
