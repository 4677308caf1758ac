import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import type { AzureConfig, Cluster } from '../../shared/config/config.ts';
import type { Problem } from '../../shared/errors.ts';
import type { Principal } from '../../shared/identity/principal.ts';
import { createCredential } from '../../shared/relay/credential.ts';
import { exchangeAudience } from '../../shared/relay/on-behalf-of.ts';
import { Secret } from '../../shared/secret.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { cluster, json, relayTo, submission } from './support/fixtures.ts';
import { startReplayArm, type ReplayArm } from './support/replay-arm.ts';

const TENANT = '11111111-1111-1111-1111-111111111111';
const AKS = '6dae42f8-4368-4678-94ff-3960e28e3630/.default';

const user = (oid = 'aaaaaaaa-0000-0000-0000-000000000001'): Principal => ({
  kind: 'user',
  tid: TENANT,
  oid,
  azp: 'client',
  uti: 'uti',
  roles: [],
  groups: { known: true, ids: [] },
  scopes: ['Commands.Run'],
});
const app: Principal = {
  kind: 'app',
  tid: TENANT,
  oid: 'o',
  azp: 'c',
  uti: 'u',
  roles: [],
  groups: { known: true, ids: [] },
};
const caller = (principal: Principal = user(), token = 'user-token') => ({ principal, token: new Secret(token) });

interface Asked {
  readonly url: string;
  readonly form: URLSearchParams;
}

/** An Entra token endpoint as a function: what it was asked, and what it answers. */
function entra(answer: (asked: Asked) => { status?: number; body: unknown; headers?: Record<string, string> }) {
  const asked: Asked[] = [];
  const request = (async (url: string, { body: form }: { readonly body: URLSearchParams }) => {
    const one = { url, form };
    asked.push(one);
    const { status = 200, body, headers = {} } = answer(one);
    return new Response(JSON.stringify(body), { status, headers: { ...json, ...headers } });
  }) as unknown as typeof fetch;
  return { asked, fetch: request };
}

const view = (properties: Record<string, unknown>) => ({
  status: 200,
  headers: json,
  body: JSON.stringify({ id: cluster.arm.id, location: 'x', properties }),
});
const withEntra = view({
  powerState: { code: 'Running' },
  provisioningState: 'Succeeded',
  aadProfile: { managed: true },
});
const withoutEntra = view({ powerState: { code: 'Running' }, provisioningState: 'Succeeded' });
const asCaller: Cluster = { ...cluster, runAs: 'caller' };

let arm: ReplayArm;
let clock: ManualClock;
beforeEach(async () => {
  arm = await startReplayArm();
  clock = createManualClock();
});
afterEach(() => arm.close());

const config =
  (onBehalfOf: AzureConfig['onBehalfOf'], authority = 'https://login.microsoftonline.com') =>
  () => ({
    azure: { resourceManager: arm.url, credential: { kind: 'default' } as const, onBehalfOf },
    identity: { authority, tenants: [TENANT], audience: '', scopes: [] },
  });
const withSecret = { clientId: 'gateway-app', secretEnv: 'OBO_SECRET' } as const;
const env = { OBO_SECRET: 'the-client-secret' };
const good = () => ({ body: { access_token: 'token-for-the-cluster', expires_in: 3600 } });

describe('runAs: gateway', () => {
  test("on a cluster with Entra integration sends the gateway's own token for it", async () => {
    arm.script('cluster', withEntra);
    const scopes: string[] = [];
    const relay = relayTo(arm.url, {
      clock,
      credential: (scope) => {
        scopes.push(scope);
        return Promise.resolve(new Secret(`token for ${scope}`));
      },
    });
    const { clusterToken } = await relay.authorise(cluster, caller());
    expect(clusterToken?.reveal()).toBe(`token for ${AKS}`);
    expect(scopes).toEqual([`${arm.url}/.default`, AKS]);
  });

  test('on another cluster sends none', async () => {
    arm.script('cluster', withoutEntra);
    expect(await relayTo(arm.url, { clock }).authorise(cluster, caller())).toEqual({});
  });

  test('without a token of its own nothing is run', async () => {
    arm.script('cluster', withEntra);
    const relay = relayTo(arm.url, {
      clock,
      credential: (scope) => (scope === AKS ? Promise.reject(new Error('no')) : Promise.resolve(new Secret('t'))),
    });
    await expect(relay.authorise(cluster, caller())).rejects.toMatchObject({ code: 'identity-unavailable' });
  });
});

describe('runAs: caller', () => {
  const relayWith = (request: typeof fetch, onBehalfOf: AzureConfig['onBehalfOf'] = withSecret, authority?: string) =>
    relayTo(arm.url, { clock, env, fetch: request, config: config(onBehalfOf, authority) });

  test("exchanges the user's token on behalf of the user, in the user's tenant, at the configured authority", async () => {
    arm.script('cluster', withEntra);
    const { asked, fetch } = entra(good);
    const { clusterToken } = await relayWith(fetch, withSecret, 'https://login.microsoftonline.us').authorise(
      asCaller,
      caller(),
    );
    expect(clusterToken?.reveal()).toBe('token-for-the-cluster');
    expect(asked).toHaveLength(1);
    expect(asked[0]?.url).toBe(`https://login.microsoftonline.us/${TENANT}/oauth2/v2.0/token`);
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      requested_token_use: 'on_behalf_of',
      client_id: 'gateway-app',
      client_secret: 'the-client-secret',
      assertion: 'user-token',
      scope: AKS,
    });
  });

  test("a managed identity's token proves the gateway in place of a secret", async () => {
    arm.script('cluster', withEntra);
    const { asked, fetch } = entra(good);
    const relay = relayTo(arm.url, {
      clock,
      env: {},
      fetch,
      config: config({ clientId: 'gateway-app', federatedIdentityClientId: 'mi' }),
      clientAssertion: (id, audience) => Promise.resolve(new Secret(`${id} for ${audience}`)),
    });
    await relay.authorise(asCaller, caller());
    expect(asked[0]?.form.get('client_assertion')).toBe('mi for api://AzureADTokenExchange');
    expect(asked[0]?.form.has('client_secret')).toBe(false);
  });

  test('a token is kept for this user and this token, within its life, and asked for once', async () => {
    arm.script('cluster', withEntra);
    const { asked, fetch } = entra(good);
    const relay = relayWith(fetch);
    await Promise.all([relay.authorise(asCaller, caller()), relay.authorise(asCaller, caller())]);
    await relay.authorise(asCaller, caller());
    expect(asked).toHaveLength(1);
    await relay.authorise(asCaller, caller(user('bbbbbbbb-0000-0000-0000-000000000002')));
    await relay.authorise(asCaller, caller(user(), 'another-token'));
    expect(asked).toHaveLength(3);
    // Five minutes before its end it is no longer given out.
    await clock.advance(54 * 60_000);
    await relay.authorise(asCaller, caller());
    expect(asked).toHaveLength(3);
    await clock.advance(2 * 60_000);
    await relay.authorise(asCaller, caller());
    expect(asked).toHaveLength(4);
  });

  test('the cache is bounded', async () => {
    arm.script('cluster', withEntra);
    const { asked, fetch } = entra(good);
    const relay = relayWith(fetch);
    for (let count = 0; count <= 1_000; count += 1) await relay.authorise(asCaller, caller(user(), `token-${count}`));
    await relay.authorise(asCaller, caller(user(), 'token-1000'));
    expect(asked).toHaveLength(1_001);
    await relay.authorise(asCaller, caller(user(), 'token-0'));
    expect(asked).toHaveLength(1_002);
  });

  test('an application is refused plainly, and nothing is sent in its place', async () => {
    arm.script('cluster', withEntra);
    const { asked, fetch } = entra(good);
    await expect(relayWith(fetch).authorise(asCaller, caller(app))).rejects.toMatchObject({ code: 'user-required' });
    expect(asked).toHaveLength(0);
  });

  test('a cluster without Entra integration would run it as cluster-admin: refused', async () => {
    arm.script('cluster', withoutEntra);
    const { asked, fetch } = entra(good);
    await expect(relayWith(fetch).authorise(asCaller, caller())).rejects.toMatchObject({
      code: 'azure-refused',
      message: expect.stringMatching(/cluster-admin/),
    });
    expect(asked).toHaveLength(0);
  });

  test('interaction required becomes a claims challenge', async () => {
    arm.script('cluster', withEntra);
    const claims = '{"access_token":{"capolids":{"essential":true,"values":["x"]}}}';
    const { fetch } = entra(() => ({
      status: 400,
      body: { error: 'interaction_required', error_codes: [50079], claims, error_description: 'AADSTS50079: …' },
    }));
    const problem = await relayWith(fetch)
      .authorise(asCaller, caller())
      .catch((error: unknown) => error as Problem);
    expect(problem).toMatchObject({ code: 'interaction-required', status: 401 });
    const challenge = (problem as Problem).options.headers?.['www-authenticate'] ?? '';
    expect(challenge).toMatch(
      new RegExp(
        `^Bearer realm="", authorization_uri="https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/authorize", error="insufficient_claims", claims="`,
      ),
    );
    expect(Buffer.from(/claims="([^"]+)"/.exec(challenge)?.[1] ?? '', 'base64').toString()).toBe(claims);
  });

  test.each([
    [50076, 'a second factor'],
    [50079, 'registering for one'],
    [50173, 'a session that was revoked'],
    [70043, 'a rule on how old a sign-in may be'],
    [700082, 'a session that has run out'],
  ])('invalid_grant of the kind %i (%s) asks for a new sign-in, where no claims come with it too', async (number) => {
    arm.script('cluster', withEntra);
    const { fetch } = entra(() => ({ status: 400, body: { error: 'invalid_grant', error_codes: [number] } }));
    const problem = await relayWith(fetch)
      .authorise(asCaller, caller())
      .catch((error: unknown) => error as Problem);
    expect(problem).toMatchObject({ code: 'interaction-required', status: 401 });
    expect((problem as Problem).options.headers?.['www-authenticate']).toBe(
      `Bearer realm="", authorization_uri="https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/authorize", error="interaction_required"`,
    );
  });

  test.each([
    [
      'an assertion out of its life',
      { status: 400, body: { error: 'invalid_grant', error_codes: [500133] } },
      'token-expired',
      /ran out/,
    ],
    [
      'missing consent',
      { status: 400, body: { error: 'invalid_grant', error_codes: [65001] } },
      'azure-refused',
      /AADSTS65001.*consent/,
    ],
    [
      'a wrong secret',
      { status: 401, body: { error: 'invalid_client', error_codes: [7000215] } },
      'azure-refused',
      /invalid_client.*secret/,
    ],
    ['throttling', { status: 429, body: {}, headers: { 'retry-after': '7' } }, 'identity-unavailable', /429/],
    ['an outage', { status: 503, body: {} }, 'identity-unavailable', /503/],
    ['an answer without a token', { status: 200, body: { token_type: 'Bearer' } }, 'azure-refused', /HTTP 200/],
  ])('%s → %s', async (_, answer, code, words) => {
    arm.script('cluster', withEntra);
    const { fetch } = entra(() => answer);
    await expect(relayWith(fetch).authorise(asCaller, caller())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
    });
  });

  test('a token endpoint that cannot be reached, or does not answer within 10 s, is 503', async () => {
    arm.script('cluster', withEntra);
    const down = (() => Promise.reject(new TypeError('fetch failed'))) as typeof fetch;
    await expect(relayWith(down).authorise(asCaller, caller())).rejects.toMatchObject({ code: 'identity-unavailable' });
    const silent = (() => new Promise(() => undefined)) as typeof fetch;
    const relay = relayWith(silent);
    await relay.preflight(asCaller);
    const waiting = expect(relay.authorise(asCaller, caller())).rejects.toMatchObject({ code: 'identity-unavailable' });
    await clock.advance(10_000);
    await waiting;
  });

  test('no error shows a token, a secret or what Entra wrote', async () => {
    arm.script('cluster', withEntra);
    const { fetch } = entra(() => ({
      status: 400,
      body: { error: 'invalid_grant"\r\nX: y', error_description: 'user-token the-client-secret' },
    }));
    const problem = await relayWith(fetch)
      .authorise(asCaller, caller())
      .catch((error: unknown) => error);
    expect(`${String(problem)} ${JSON.stringify(problem)}`).not.toMatch(/user-token|the-client-secret|X: y/);
  });

  test('sovereign clouds have audiences of their own', () => {
    expect(
      [
        'https://login.microsoftonline.us',
        'https://login.partner.microsoftonline.cn',
        'https://login.microsoftonline.com',
      ].map(exchangeAudience),
    ).toEqual(['api://AzureADTokenExchangeUSGov', 'api://AzureADTokenExchangeChina', 'api://AzureADTokenExchange']);
  });
});

describe('the view of a cluster', () => {
  const gets = () =>
    arm.requests.filter(({ method, url }) => method === 'GET' && !url.includes('commandResults')).length;

  test('is kept for a minute, and asked for once by many', async () => {
    arm.script('cluster', withoutEntra);
    const relay = relayTo(arm.url, { clock });
    await Promise.all([relay.preflight(cluster), relay.preflight(cluster), relay.authorise(cluster, caller())]);
    expect(gets()).toBe(1);
    await clock.advance(59_000);
    await relay.preflight(cluster);
    expect(gets()).toBe(1);
    await clock.advance(2_000);
    await relay.preflight(cluster);
    expect(gets()).toBe(2);
  });

  test.each([
    ['stopped', { powerState: { code: 'Stopped' }, provisioningState: 'Succeeded' }, /is stopped/],
    ['with run command disabled', { apiServerAccessProfile: { disableRunCommand: true } }, /disableRunCommand/],
    ['being deleted', { provisioningState: 'Deleting' }, /deleting/],
    ['being created', { provisioningState: 'Creating' }, /creating/],
  ])('%s: told before anything is sent', async (_, properties, words) => {
    arm.script('cluster', view(properties));
    await expect(relayTo(arm.url, { clock }).preflight(cluster)).rejects.toMatchObject({
      code: 'cluster-unavailable',
      message: expect.stringMatching(words),
    });
  });

  test('being updated, or after a failed update: commands still run', async () => {
    for (const provisioningState of ['Updating', 'Upgrading', 'Failed', 'Canceled']) {
      arm.script('cluster', view({ provisioningState }));
      await relayTo(arm.url, { clock }).preflight(cluster);
    }
  });

  test.each([
    [404, 'ResourceNotFound', 'azure-refused', /no cluster with the ARM id/],
    [403, 'AuthorizationFailed', 'azure-refused', /managedClusters\/read/],
    [401, 'InvalidAuthenticationToken', 'azure-refused', /own token/],
    [400, 'BadRequest', 'azure-refused', /did not show/],
    [500, 'InternalServerError', 'azure-unreachable', /failed to show/],
    [429, 'Throttled', 'azure-throttled', /throttling/],
  ])('%d %s → %s', async (status, code, expected, words) => {
    arm.script('cluster', { status, headers: json, body: JSON.stringify({ error: { code, message: 'm' } }) });
    await expect(relayTo(arm.url, { clock }).preflight(cluster)).rejects.toMatchObject({
      code: expected,
      message: expect.stringMatching(words),
    });
  });

  test('an older one stands in while Azure cannot be asked, but not for ever, and not against a refusal', async () => {
    arm.script('cluster', withoutEntra, 'reset');
    const relay = relayTo(arm.url, { clock });
    await relay.preflight(cluster);
    await clock.advance(5 * 60_000);
    await relay.preflight(cluster);
    expect(gets()).toBe(2);
    await clock.advance(6 * 60_000);
    await expect(relay.preflight(cluster)).rejects.toMatchObject({ code: 'azure-unreachable' });
    arm.script('cluster', withoutEntra, { status: 404, body: '' });
    await relay.preflight(cluster);
    await clock.advance(61_000);
    await expect(relay.preflight(cluster)).rejects.toMatchObject({ code: 'azure-refused' });
  });

  test('is forgotten when a POST is refused, since it may no longer hold', async () => {
    arm.script('cluster', withoutEntra);
    arm.script('post', {
      status: 400,
      headers: json,
      body: '{"error":{"code":"MissingAADClusterToken","message":""}}',
    });
    const relay = relayTo(arm.url, { clock });
    await relay.preflight(cluster);
    await relay.submit(submission('kubectl'));
    await relay.preflight(cluster);
    expect(gets()).toBe(2);
  });
});

describe("the gateway's own credential", () => {
  const azure: AzureConfig = { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } };
  const authority = 'https://login.microsoftonline.com';

  test('asks once for a scope, and again five minutes before the end', async () => {
    let asked = 0;
    const credential = createCredential({
      azure,
      authority,
      clock,
      env: {},
      source: () =>
        Promise.resolve({
          getToken: () => {
            asked += 1;
            return Promise.resolve({ token: `t${asked}`, expiresOnTimestamp: clock.now() + 3_600_000 });
          },
        }),
    });
    const [one, two] = await Promise.all([credential('s'), credential('s')]);
    expect([one.reveal(), two.reveal(), asked]).toEqual(['t1', 't1', 1]);
    await clock.advance(56 * 60_000);
    expect((await credential('s')).reveal()).toBe('t2');
  });

  test('a failure is not kept', async () => {
    let fails = true;
    const credential = createCredential({
      azure,
      authority,
      clock,
      env: {},
      source: () =>
        fails
          ? Promise.reject(new Error('no network yet'))
          : Promise.resolve({ getToken: () => Promise.resolve({ token: 't', expiresOnTimestamp: clock.now() + 1e7 }) }),
    });
    await expect(credential('s')).rejects.toThrow('no network yet');
    fails = false;
    expect((await credential('s')).reveal()).toBe('t');
  });

  test('a static token is for loopback only', async () => {
    const credential = { kind: 'static', tokenEnv: 'T' } as const;
    expect(() => createCredential({ azure: { ...azure, credential }, authority, clock, env: {} })).toThrow(/loopback/);
    const local = createCredential({
      azure: { resourceManager: 'http://127.0.0.1:1', credential },
      authority,
      clock,
      env: { T: 'x' },
    });
    expect((await local('s')).reveal()).toBe('x');
  });
});

test('ping is content with any answer, and tells an unreachable Azure', async () => {
  await relayTo(arm.url).ping();
  await arm.close();
  await expect(relayTo(arm.url).ping()).rejects.toMatchObject({ code: 'azure-unreachable' });
  arm = await startReplayArm();
});
