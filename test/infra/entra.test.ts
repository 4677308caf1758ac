import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
  type JSONWebKeySet,
} from 'jose';
import { startEntra, type EmulatedEntra } from '../../infra/local/entra.ts';
import { createManualClock } from '../support/manual-clock.ts';

const tenant = '11111111-1111-4111-8111-111111111111';
const otherTenant = '99999999-9999-4999-8999-999999999999';
const gateway = '22222222-2222-4222-8222-222222222222';
const bot = {
  clientId: 'aaaaaaaa-0000-4000-8000-000000000001',
  secret: 's1',
  oid: '33333333-3333-4333-8333-333333333333',
  roles: ['Viewer'],
};
const aks = '6dae42f8-4368-4678-94ff-3960e28e3630';
const clock = createManualClock();
let entra: EmulatedEntra;

beforeAll(async () => {
  entra = await startEntra({
    clock,
    tenants: [tenant, otherTenant],
    apps: [{ clientId: gateway, secret: 'g', oid: gateway }, bot],
  });
});
beforeEach(() => {
  entra.requests.length = 0;
});
afterEach(() => entra.fault(undefined));
afterAll(() => entra.close());

const get = async (path: string) => {
  const answer = await fetch(`${entra.authority}/${path}`);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
const keySet = async () => (await get(`${tenant}/discovery/v2.0/keys`)).body as unknown as JSONWebKeySet;
const verify = async (token: string, tid = tenant) =>
  jwtVerify(token, createLocalJWKSet(await keySet()), {
    issuer: `${entra.authority}/${tid}/v2.0`,
    audience: gateway,
    algorithms: ['RS256'],
    currentDate: new Date(clock.now()),
  });
const ask = async (form: Record<string, string>, tid = tenant) => {
  const answer = await fetch(`${entra.authority}/${tid}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
const exchange = (assertion: string, more: Record<string, string> = {}) =>
  ask({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    requested_token_use: 'on_behalf_of',
    client_id: gateway,
    client_secret: 'g',
    scope: `${aks}/.default`,
    assertion,
    ...more,
  });

describe('discovery', () => {
  test('names issuer, keys and token endpoint of each tenant, and each key its issuer', async () => {
    const { body } = await get(`${tenant}/v2.0/.well-known/openid-configuration`);
    expect(body).toMatchObject({
      issuer: `${entra.authority}/${tenant}/v2.0`,
      jwks_uri: `${entra.authority}/${tenant}/discovery/v2.0/keys`,
      token_endpoint: `${entra.authority}/${tenant}/oauth2/v2.0/token`,
    });
    expect((await keySet()).keys[0]).toMatchObject({ kty: 'RSA', use: 'sig', issuer: body['issuer'] });
    expect(JSON.stringify(await keySet())).not.toMatch(/"d":|"p":/);
    expect((await get(`${gateway}/discovery/v2.0/keys`)).status).toBe(400);
    expect(entra.requests.map(({ kind }) => kind)).toEqual(['configuration', 'keys', 'keys', 'keys']);
  });
});

describe('tokens', () => {
  test('of users and apps verify with jose, and carry what Entra’s v2.0 access tokens carry', async () => {
    const user = (await verify(await entra.userToken({ groups: ['g'] }))).payload;
    expect(user).toMatchObject({
      ver: '2.0',
      idtyp: 'user',
      scp: 'Commands.Run',
      tid: tenant,
      azpacr: '0',
      groups: ['g'],
    });
    expect(user.iat).toBe(Math.floor(clock.now() / 1000) - 300);
    const app = (await verify(await entra.appToken({ roles: ['Viewer'] }))).payload;
    expect(app).toMatchObject({ idtyp: 'app', azpacr: '1', roles: ['Viewer'] });
    expect(app).not.toHaveProperty('scp');
    expect((await verify(await entra.userToken({ tid: otherTenant }), otherTenant)).payload['tid']).toBe(otherTenant);
    expect(user['uti']).not.toBe((await verify(await entra.userToken())).payload['uti']);
  });

  test('lose a claim that is set to undefined', async () => {
    expect(decodeJwt(await entra.userToken({ exp: undefined }))).not.toHaveProperty('exp');
    expect(decodeProtectedHeader(await entra.sign({}, { kid: undefined }))).toEqual({ typ: 'JWT', alg: 'RS256' });
  });

  test.each([
    [
      'another key under a known kid',
      () => entra.sign({ a: 1 }, {}, entra.strangeKey()),
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    ],
    ['an unknown kid', () => entra.sign({ a: 1 }, { kid: 'x' }), 'ERR_JWKS_NO_MATCHING_KEY'],
    ['HS256 with the public key', () => entra.sign({ a: 1 }, { alg: 'HS256' }), 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['PS256', () => entra.sign({ a: 1 }, { alg: 'PS256' }), 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['no signature', () => entra.sign({ a: 1 }, { alg: 'none' }), 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['version 1.0', () => entra.v1Token(), 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['an expired token', () => entra.userToken({ exp: Math.floor(clock.now() / 1000) - 1 }), 'ERR_JWT_EXPIRED'],
  ])('can be bad: %s', async (_, make, code) => {
    await expect(verify(await make())).rejects.toMatchObject({ code });
  });

  test('signed with HS256 are truly valid for a reader that takes the public key as a secret', async () => {
    const [jwk] = (await keySet()).keys;
    const pem = (await import('node:crypto'))
      .createPublicKey({ key: jwk ?? {}, format: 'jwk' })
      .export({ type: 'spki', format: 'pem' });
    await jwtVerify(await entra.sign({ a: 1 }, { alg: 'HS256' }), Buffer.from(pem), { algorithms: ['HS256'] });
  });

  test('are signed with a new key after rotation; old ones hold until their key is withdrawn', async () => {
    const own = await startEntra({ clock });
    const keys = () => createRemoteJWKSet(new URL(`${own.authority}/${tenant}/discovery/v2.0/keys`));
    const options = { currentDate: new Date(clock.now()) };
    const old = await own.userToken();
    own.rotateKeys();
    const fresh = await own.userToken();
    expect(decodeProtectedHeader(fresh).kid).not.toBe(decodeProtectedHeader(old).kid);
    await jwtVerify(old, keys(), options);
    await jwtVerify(fresh, keys(), options);
    own.rotateKeys({ withdraw: true });
    await expect(jwtVerify(fresh, keys(), options)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await jwtVerify(await own.userToken(), keys(), options);
    await own.close();
  });
});

describe('the token endpoint', () => {
  test('gives client credentials tokens with the app’s roles on the gateway, and without elsewhere', async () => {
    const form = { grant_type: 'client_credentials', client_id: bot.clientId, client_secret: 's1' };
    const { body } = await ask({ ...form, scope: `api://${gateway}/.default` });
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: expect.any(Number) });
    expect((await verify(String(body['access_token']))).payload).toMatchObject({
      idtyp: 'app',
      oid: bot.oid,
      azp: bot.clientId,
      roles: ['Viewer'],
    });
    const arm = await ask({ ...form, scope: 'https://management.azure.com/.default' });
    expect(decodeJwt(String(arm.body['access_token']))).toMatchObject({
      aud: 'https://management.azure.com',
      oid: bot.oid,
    });
    expect(decodeJwt(String(arm.body['access_token']))).not.toHaveProperty('roles');
    expect(entra.requests[0]).toMatchObject({ kind: 'token', grant: 'client_credentials', clientId: bot.clientId });
  });

  test('exchanges a user’s token for the AKS server application, on behalf of the same user and without roles', async () => {
    const { status, body } = await exchange(await entra.userToken({ roles: ['Viewer'] }));
    expect(status).toBe(200);
    const claims = decodeJwt(String(body['access_token']));
    expect(claims).toMatchObject({
      aud: aks,
      oid: '55555555-5555-4555-8555-555555555555',
      azp: gateway,
      idtyp: 'user',
    });
    expect(claims).not.toHaveProperty('roles');
  });

  test.each<[string, () => Promise<{ status: number; body: Record<string, unknown> }>, number, string, number]>([
    ['an app’s token', async () => exchange(await entra.appToken()), 400, 'invalid_grant', 7000114],
    [
      'a token for somebody else',
      async () => exchange(await entra.userToken({ aud: 'other' })),
      400,
      'invalid_grant',
      500131,
    ],
    ['an expired token', async () => exchange(await entra.userToken({ exp: 1 })), 400, 'invalid_grant', 500133],
    [
      'another tenant’s token',
      async () => exchange(await entra.userToken({ tid: otherTenant })),
      400,
      'invalid_grant',
      50013,
    ],
    [
      'a forged token',
      async () => exchange(await entra.sign({ aud: gateway }, {}, entra.strangeKey())),
      400,
      'invalid_grant',
      50013,
    ],
    ['no token at all', async () => exchange('x'), 400, 'invalid_grant', 50013],
    [
      'a wrong secret',
      async () => exchange(await entra.userToken(), { client_secret: 'no' }),
      401,
      'invalid_client',
      7000215,
    ],
    [
      'an unknown client',
      async () => exchange(await entra.userToken(), { client_id: 'no' }),
      400,
      'unauthorized_client',
      700016,
    ],
    [
      'a scope of nothing',
      async () => exchange(await entra.userToken(), { scope: 'openid' }),
      400,
      'invalid_scope',
      70011,
    ],
    [
      'another grant',
      async () => exchange(await entra.userToken(), { grant_type: 'password' }),
      400,
      'unsupported_grant_type',
      70003,
    ],
  ])('refuses %s', async (_, asking, status, error, number) => {
    const answer = await asking();
    expect(answer).toMatchObject({ status, body: { error, error_codes: [number] } });
    expect(answer.body['error_description']).toMatch(new RegExp(`^AADSTS${number}: `));
    expect(answer.body).not.toHaveProperty('access_token');
  });

  test('demands interaction with a claims challenge where told so', async () => {
    const claims = '{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}';
    entra.requireInteraction('55555555-5555-4555-8555-555555555555', claims);
    expect(await exchange(await entra.userToken())).toMatchObject({
      status: 400,
      body: { error: 'interaction_required', claims },
    });
    expect((await exchange(await entra.userToken({ oid: '77777777-7777-4777-8777-777777777777' }))).status).toBe(200);
    entra.requireInteraction('55555555-5555-4555-8555-555555555555', undefined);
    expect((await exchange(await entra.userToken())).status).toBe(200);
  });
});

describe('faults', () => {
  const keys = () => fetch(`${entra.authority}/${tenant}/discovery/v2.0/keys`);
  test('down resets, malformed is no JSON, slow waits for the clock, and none answers again', async () => {
    entra.fault('down');
    await expect(keys()).rejects.toThrow();
    entra.fault('malformed');
    await expect((await keys()).json()).rejects.toThrow(SyntaxError);
    entra.fault('slow');
    const late = keys();
    while (clock.sleeping() === 0) await new Promise((resolve) => setImmediate(resolve));
    entra.fault(undefined);
    await clock.advance(30_000);
    expect((await late).status).toBe(200);
    expect((await keys()).status).toBe(200);
  });
});
