import { createHash } from 'node:crypto';
import { LruMap } from 'toad-cache';

import type { Clock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { UserPrincipal } from '../identity/principal.ts';
import { Secret } from '../secret.ts';
import { withDeadline } from '../lib/abort.ts';
import { isJson } from './arm-body.ts';
import { fetchBounded } from '../lib/bounded-fetch.ts';
import { decodeUtf8 } from '../lib/utf8.ts';

/** The AKS Entra server application, the same in all clouds (learn.microsoft.com/azure/aks/kubelogin-authentication). */
export const AKS_SCOPE = '6dae42f8-4368-4678-94ff-3960e28e3630/.default';

/** Exchanges a user's token for one that the cluster's API server takes, as the user (OAuth 2.0 on-behalf-of flow). */
export type OnBehalfOf = (user: UserPrincipal, assertion: Secret) => Promise<Secret>;

export interface OnBehalfOfOptions {
  readonly config: () => Pick<Config, 'azure' | 'identity'>;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
  /** A managed identity's token that proves which application this is, in place of a client secret. */
  readonly clientAssertion: (managedIdentityClientId: string, audience: string) => Promise<Secret>;
}

const CACHE_SIZE = 1_000;
const MARGIN_MS = 5 * 60_000;
const TIMEOUT_MS = 10_000;
/** A token is a few kilobytes. */
const MAX_ANSWER_BYTES = 256 * 1024;

interface Kept {
  readonly token: Secret;
  readonly until: number;
}

/**
 * Throws Problem `interaction-required` with a claims challenge, `token-expired`, `azure-refused` or `identity-unavailable`.
 * Tokens are kept for this very user and token within their life.
 */
export function createOnBehalfOf({ config, clock, env, fetch, clientAssertion }: OnBehalfOfOptions): OnBehalfOf {
  const kept = new LruMap<Kept>(CACHE_SIZE);
  const asking = new Map<string, Promise<Secret>>();

  const exchange = async (user: UserPrincipal, assertion: Secret, key: string): Promise<Secret> => {
    const { azure, identity } = config();
    const client = azure.onBehalfOf;
    if (!client) throw refused('The gateway is not configured to act for its callers (azure.onBehalfOf).');
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      requested_token_use: 'on_behalf_of',
      client_id: client.clientId,
      scope: AKS_SCOPE,
      assertion: assertion.reveal(),
    });
    if ('secretEnv' in client) {
      const secret = env[client.secretEnv];
      if (secret === undefined || secret === '')
        throw refused(`The gateway's client secret is missing: ${client.secretEnv} is not set.`);
      form.set('client_secret', secret);
    } else {
      const proof = await clientAssertion(client.federatedIdentityClientId, exchangeAudience(identity.authority)).catch(
        (error: unknown) => {
          throw unavailable(`the gateway's managed identity gave no token (${nameOf(error)})`);
        },
      );
      form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      form.set('client_assertion', proof.reveal());
    }

    const tenant = `${identity.authority}/${user.tid}/oauth2/v2.0`;
    const { status, retryAfter, body } = await post(`${tenant}/token`, form);
    const token = body.get('access_token');
    const life = Number(body.get('expires_in'));
    if (status === 200 && typeof token === 'string' && token !== '' && Number.isFinite(life)) {
      const secret = new Secret(token);
      kept.set(key, { token: secret, until: clock.now() + life * 1000 - MARGIN_MS });
      return secret;
    }
    throw explain(status, retryAfter, body, `${tenant}/authorize`);
  };

  const post = async (url: string, form: URLSearchParams) => {
    try {
      const { status, headers, bytes } = await withDeadline(clock, TIMEOUT_MS, undefined, (signal) =>
        fetchBounded(url, { method: 'POST', body: form }, { fetch, signal, maxBytes: MAX_ANSWER_BYTES }),
      );
      return {
        status,
        retryAfter: headers.get('retry-after'),
        body: isJson(headers.get('content-type')) ? membersOf(bytes) : new Map<string, unknown>(),
      };
    } catch (error) {
      throw unavailable(`it could not be reached (${nameOf(error)})`);
    }
  };

  return (user, assertion) => {
    const digest = createHash('sha256').update(assertion.reveal()).digest('base64');
    const key = `${user.tid}/${user.oid}/${digest}`;
    const known = kept.get(key);
    if (known && clock.now() < known.until) return Promise.resolve(known.token);
    const running = asking.get(key) ?? exchange(user, assertion, key).finally(() => asking.delete(key));
    asking.set(key, running);
    return running;
  };
}

/** The members of a JSON object; none of anything else. */
function membersOf(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  try {
    return new Map(Object.entries(JSON.parse(decodeUtf8(bytes)) as object));
  } catch {
    return new Map();
  }
}

/** learn.microsoft.com/entra/identity-platform/reference-error-codes. */
const signInAgain = [50076, 50079, 50173, 70043, 700082];

/** What Entra's token endpoint said (learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow, "Error response example"). */
function explain(
  status: number,
  retryAfter: string | null,
  body: ReadonlyMap<string, unknown>,
  authorize: string,
): Problem {
  const error = text(body.get('error'));
  const claims = text(body.get('claims'));
  const numbers = body.get('error_codes');
  const codes: readonly unknown[] = Array.isArray(numbers) ? numbers : [];
  if (status === 429 || status >= 500 || error === 'temporarily_unavailable')
    return unavailable(`it answered ${status}`, retryAfter);
  if (claims !== '' || error === 'interaction_required') return interactionRequired(claims, authorize);
  // 500133: the assertion is not within its life. 50173, 700082: the session behind it was revoked or has run out.
  if (codes.includes(500133))
    return new Problem(
      'token-expired',
      "The caller's token ran out before the gateway could act with it. Nothing ran.",
    );
  // 50076, 50079, 70043 come as invalid_grant too: a second factor, its registration, or a new sign-in by a rule on its age.
  if (signInAgain.some((code) => codes.includes(code))) return interactionRequired('', authorize);
  const number = codes.find((code) => typeof code === 'number');
  return refused(
    `Entra does not let the gateway act for this user: ${/^\w{1,60}$/.test(error) ? error : `HTTP ${status}`}${number === undefined ? '' : ` (AADSTS${number})`}. ` +
      'The operator has to check the consent, the secret and the permission "Azure Kubernetes Service AAD Server / user.read" of the gateway\'s app registration.',
  );
}

/** The challenge of learn.microsoft.com/entra/identity-platform/claims-challenge: the client signs in again with these claims. */
function interactionRequired(claims: string, authorize: string): Problem {
  const challenge =
    claims === ''
      ? `error="interaction_required"`
      : `error="insufficient_claims", claims="${Buffer.from(claims, 'utf8').toString('base64')}"`;
  return new Problem(
    'interaction-required',
    'Entra wants the user to sign in again before the gateway may act for them. Nothing ran.',
    {
      headers: { 'www-authenticate': `Bearer realm="", authorization_uri="${authorize}", ${challenge}` },
    },
  );
}

const refused = (detail: string): Problem => new Problem('azure-refused', `${detail} Nothing ran.`);

const unavailable = (why: string, retryAfter: string | null = null): Problem =>
  new Problem('identity-unavailable', `Entra gave the gateway no token to act with: ${why}. Nothing ran.`, {
    retryAfter:
      retryAfter !== null && /^\d{1,4}$/.test(retryAfter) ? Math.min(300, Math.max(1, Number(retryAfter))) : 5,
  });

/** Workload identity federation's audience differs by cloud (learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust). */
export function exchangeAudience(authority: string): string {
  const host = new URL(authority).hostname;
  if (host.endsWith('.us')) return 'api://AzureADTokenExchangeUSGov';
  if (host.endsWith('.cn')) return 'api://AzureADTokenExchangeChina';
  return 'api://AzureADTokenExchange';
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown error');
