import { verify } from 'node:crypto';
import type { SigningKey } from './keys.ts';

/** An application registered in the emulated tenant, with its service principal's object id. */
export interface EntraApp {
  readonly clientId: string;
  readonly secret: string;
  readonly oid: string;
  /** App roles assigned to it on the gateway's API. */
  readonly roles?: readonly string[];
  /** Of its federated credential: the assertion in place of the secret must have both. Any assertion is taken where it has none. */
  readonly federated?: { readonly subject: string; readonly audience: string };
}

interface TokenAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface TokenEndpointOptions {
  readonly audience: string;
  readonly issuer: string;
  readonly tenant: string;
  readonly apps: readonly EntraApp[];
  /** Seconds since the epoch. */
  readonly now: number;
  readonly keys: readonly SigningKey[];
  /** Claims that a user must first satisfy, by oid. */
  readonly interaction: ReadonlyMap<string, string>;
  readonly issueApp: (claims: Readonly<Record<string, unknown>>) => string;
  readonly issueUser: (claims: Readonly<Record<string, unknown>>) => string;
}

/** Seconds that issued tokens live. Entra gives 60 to 90 minutes by default. */
export const TOKEN_LIFE = 3_899;

const ON_BEHALF_OF = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const CLIENT_ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/**
 * POST /{tid}/oauth2/v2.0/token: client credentials and on-behalf-of (learn.microsoft.com/entra/identity-platform/
 * v2-oauth2-client-creds-grant-flow and v2-oauth2-on-behalf-of-flow). The numbers of errors are those that the pages and
 * Entra's error reference give.
 */
export function answerTokenRequest(form: URLSearchParams, options: TokenEndpointOptions): TokenAnswer {
  const grant = form.get('grant_type');
  const app = options.apps.find(({ clientId }) => clientId === form.get('client_id'));
  if (!app) {
    const text = `Application with identifier '${form.get('client_id') ?? ''}' was not found in the directory '${options.tenant}'.`;
    return failure(options, 400, 'unauthorized_client', 700016, text);
  }
  // Who signed an assertion is not checked: federated credentials are not emulated further.
  const asserted = form.get('client_assertion_type') === CLIENT_ASSERTION_TYPE && form.get('client_assertion');
  if (!asserted && form.get('client_secret') !== app.secret)
    return failure(options, 401, 'invalid_client', 7000215, 'Invalid client secret provided.');
  if (asserted && !isFederated(app, asserted))
    return failure(
      options,
      400,
      'invalid_request',
      70021,
      'No matching federated identity record found for presented assertion.',
    );
  const scope = form.get('scope') ?? '';
  if (!scope.split(' ').some((word) => word.includes('/')))
    return failure(
      options,
      400,
      'invalid_scope',
      70011,
      `The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
    );
  const audience =
    scope
      .split(' ')
      .find((word) => word.includes('/'))
      ?.replace(/\/[^/]*$/, '')
      .replace(/^api:\/\//, '') ?? '';

  if (grant === 'client_credentials') {
    const token = options.issueApp({
      ...appClaims(app),
      aud: audience,
      ...(audience === options.audience && app.roles && { roles: app.roles }),
    });
    return success(token, undefined);
  }
  if (grant === ON_BEHALF_OF) return exchange(form, app, audience, scope, options);
  return failure(
    options,
    400,
    'unsupported_grant_type',
    70003,
    `The app requested an unsupported grant type '${grant ?? ''}'.`,
  );
}

function isFederated({ federated }: EntraApp, assertion: string): boolean {
  if (!federated) return true;
  const { sub, aud } = claimsOf(assertion);
  return sub === federated.subject && aud === federated.audience;
}

const appClaims = ({ clientId, oid }: EntraApp) => ({ azp: clientId, oid, sub: oid });

function exchange(
  form: URLSearchParams,
  app: EntraApp,
  audience: string,
  scope: string,
  options: TokenEndpointOptions,
): TokenAnswer {
  const refuse = (number: number, text: string, error = 'invalid_grant') => failure(options, 400, error, number, text);
  if (form.get('requested_token_use') !== 'on_behalf_of')
    return refuse(
      900144,
      "The request body must contain the following parameter: 'requested_token_use'.",
      'invalid_request',
    );
  const claims = verified(form.get('assertion') ?? '', options.keys);
  if (!claims) return refuse(50013, 'Assertion failed signature validation.');
  if (claims['iss'] !== options.issuer) return refuse(50013, 'Assertion is from another issuer.');
  if (claims['aud'] !== app.clientId)
    return refuse(
      500131,
      `Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '${String(claims['aud'])}'.`,
    );
  if (Number(claims['exp']) <= options.now) return refuse(500133, 'Assertion is not within its valid time range.');
  if (claims['idtyp'] === 'app')
    return refuse(
      7000114,
      `Application '${String(claims['azp'])}' is not allowed to make application on-behalf-of calls.`,
    );
  const oid = String(claims['oid']);
  const wanted = options.interaction.get(oid);
  if (wanted !== undefined)
    return failure(
      options,
      400,
      'interaction_required',
      50079,
      'Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.',
      { suberror: 'basic_action', claims: wanted },
    );
  const { name, preferred_username, groups } = claims;
  const token = options.issueUser({
    aud: audience,
    azp: app.clientId,
    oid,
    sub: oid,
    scp: 'user.read',
    // App roles of the gateway's own API do not flow on.
    roles: undefined,
    name,
    preferred_username,
    groups,
  });
  return success(token, scope);
}

const success = (token: string, scope: string | undefined): TokenAnswer => ({
  status: 200,
  body: {
    token_type: 'Bearer',
    ...(scope !== undefined && { scope }),
    expires_in: TOKEN_LIFE,
    ext_expires_in: TOKEN_LIFE,
    access_token: token,
  },
});

function failure(
  { now, tenant }: TokenEndpointOptions,
  status: number,
  error: string,
  number: number,
  text: string,
  more: Readonly<Record<string, unknown>> = {},
): TokenAnswer {
  const timestamp = `${new Date(now * 1000).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const trace = `${tenant.slice(0, 24)}${number.toString().padStart(12, '0')}`;
  return {
    status,
    body: {
      error,
      error_description: `AADSTS${number}: ${text} Trace ID: ${trace} Correlation ID: ${trace} Timestamp: ${timestamp}`,
      error_codes: [number],
      timestamp,
      trace_id: trace,
      correlation_id: trace,
      ...more,
    },
  };
}

/** The claims of a JWS that one of the keys signed with RS256. */
function verified(token: string, keys: readonly SigningKey[]): Record<string, unknown> | undefined {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const input = Buffer.from(`${header}.${payload}`);
  const good = keys.some(({ publicKey }) => verify('sha256', input, publicKey, Buffer.from(signature, 'base64url')));
  return good ? claimsOf(token) : undefined;
}

/** What a JWS says; nobody asks here who signed it. */
function claimsOf(token: string): Record<string, unknown> {
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  return typeof claims === 'object' && claims !== null ? Object.fromEntries(Object.entries(claims)) : {};
}
