import type { Clock } from '../clock.ts';
import type { IdentityConfig } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { Secret } from '../secret.ts';
import { bearerToken } from './bearer.ts';
import type { TokenUse } from './claims.ts';
import { createKeySet, type KeySetClient } from './key-set.ts';
import type { Caller, Principal } from './principal.ts';
import { quote, tokenInvalid, TokenRefusal } from './refusals.ts';
import { createTokenCache, type TokenCache } from './token-cache.ts';
import { holdsNow, verifyToken, type SentToken, type VerifiedToken } from './verify-token.ts';

/** A token in the cache is about 1–10 kB of claims. */
const MAX_CACHED_TOKENS = 2_000;

interface Authenticator {
  /**
   * The caller behind an Authorization header. Rejects with Problem `token-missing`, `token-invalid` or `token-expired`, each
   * with a WWW-Authenticate header (a TokenRefusal where the token could be read), or `identity-unavailable`; with the signal's reason
   * when it aborts.
   */
  authenticate(header: string | undefined, signal?: AbortSignal): Promise<Caller>;
  /**
   * The person behind the caller, by a Requester-Token header: a token that the caller's own application got for them. Rejects as
   * `authenticate`, with `token: "Requester-Token"` among the problem's members.
   */
  authenticateRequester(header: string, caller: Principal, signal?: AbortSignal): Promise<Caller>;
  /** Resolves when the keys of every configured tenant are there; else rejects with Problem `identity-unavailable`. */
  ready(signal?: AbortSignal): Promise<void>;
}

interface AuthenticatorOptions {
  /** The configuration in force, read on every call. */
  readonly config: () => IdentityConfig;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
}

/** What was concluded under one identity configuration. */
interface Known {
  readonly config: IdentityConfig;
  /** By tenant. */
  readonly keySets: Map<string, KeySetClient>;
  /** One for each use: what was taken for a Requester-Token must never be found as an Authorization. */
  readonly verified: Readonly<Record<TokenUse, TokenCache<VerifiedToken>>>;
}

interface AuthenticatorContext {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly latestConfig: () => IdentityConfig;
  known: Known;
}

/**
 * Entra v2.0 access tokens. The configuration pins issuer, key set and audience to each other; the token's own tenant, not yet
 * verified, only chooses among the configured ones. Storm-0558 and CVE-2025-55241 show what happens without that.
 */
export function createAuthenticator({ config, clock, fetch = globalThis.fetch }: AuthenticatorOptions): Authenticator {
  const context: AuthenticatorContext = { clock, fetch, latestConfig: config, known: nothingKnown(config()) };
  return {
    authenticate: async (header, signal) => callerOf(context, { token: bearerToken(header), use: 'caller' }, signal),
    authenticateRequester: (header, caller, signal) =>
      aboutRequester(async () => {
        const token = bearerToken(header, REQUESTER_TOKEN);
        const requester = await callerOf(context, { token, use: 'requester' }, signal);
        checkApplication(requester.principal, caller);
        return requester;
      }),
    ready: async (signal) => {
      const known = currentlyKnown(context);
      await Promise.all(known.config.tenants.map((tenant) => keySetOf(context, known, tenant).current(signal)));
    },
  };
}

const nothingKnown = (config: IdentityConfig): Known => ({
  config,
  keySets: new Map(),
  verified: { caller: createTokenCache(MAX_CACHED_TOKENS), requester: createTokenCache(MAX_CACHED_TOKENS) },
});

/** Another identity configuration forgets everything that was concluded under the old one. */
function currentlyKnown(context: AuthenticatorContext): Known {
  const { known } = context;
  const latest = context.latestConfig();
  if (latest === known.config) return known;
  const same = JSON.stringify(latest) === JSON.stringify(known.config);
  context.known = same ? { ...known, config: latest } : nothingKnown(latest);
  return context.known;
}

function keySetOf({ clock, fetch }: AuthenticatorContext, { config, keySets }: Known, tenant: string): KeySetClient {
  const known = keySets.get(tenant);
  if (known) return known;
  const issuer = `${config.authority}/${tenant}`;
  const source = { tenant, issuer: `${issuer}/v2.0`, url: `${issuer}/discovery/v2.0/keys` };
  const made = createKeySet(source, { clock, fetch });
  keySets.set(tenant, made);
  return made;
}

/** The caller by a token that was verified before, as long as it and its keys hold, or else is verified now. */
async function callerOf(
  context: AuthenticatorContext,
  sent: SentToken,
  signal: AbortSignal | undefined,
): Promise<Caller> {
  const { clock } = context;
  const known = currentlyKnown(context);
  const verified = known.verified[sent.use];
  const token = new Secret(sent.token);
  const cached = verified.get(sent.token);
  if (cached && holdsNow(cached, clock)) {
    const keySet = await keySetOf(context, known, cached.principal.tid).current(signal);
    if (keySet === cached.keySet) return { principal: cached.principal, token };
  }
  const issuers = { config: known.config, clock, keySetOf: (tenant: string) => keySetOf(context, known, tenant) };
  const checked = await verifyToken(sent, issuers, signal);
  // After a reload, while the keys were fetched, this is a cache that nobody reads any more.
  verified.set(sent.token, checked);
  return { principal: checked.principal, token };
}

export const REQUESTER_TOKEN = 'Requester-Token';

/** A token that another application got is not this caller's to show. */
function checkApplication({ azp }: Principal, caller: Principal): void {
  if (caller.kind !== 'app')
    throw tokenInvalid('The caller is not an application: only an application has a person behind it.');
  if (azp === '' || azp !== caller.azp)
    throw tokenInvalid(`The token was given to the application ${quote(azp)}, and the caller is ${quote(caller.azp)}.`);
}

/** Says which of the two tokens failed. */
async function aboutRequester<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, options } = error;
    const problem = new Problem(code, `${REQUESTER_TOKEN}: ${message}`, {
      ...options,
      members: { ...options.members, token: REQUESTER_TOKEN },
    });
    throw error instanceof TokenRefusal ? new TokenRefusal(problem, error.presented) : problem;
  }
}
