import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import type { IdentityConfig } from '../../shared/config/config.ts';
import { createAuthenticator } from '../../shared/identity/authenticate.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { problemOf } from './problem-of.ts';
import {
  appClaims,
  appOid,
  audience,
  authority,
  clientId,
  createSigner,
  identity,
  otherTenantId,
  setUpAuthenticator,
  sign,
  tenantId,
  userClaims,
  userOid,
} from './tenant.ts';
import type { Claims, Signer } from './tenant.ts';

let signer: Signer;
let second: Signer;
beforeAll(async () => {
  [signer, second] = await Promise.all([createSigner('key-1'), createSigner('key-2')]);
});

function setUp(config: IdentityConfig = identity) {
  const bearer = async (claims: Claims, by = signer) => `Bearer ${await sign(by, claims)}`;
  return { ...setUpAuthenticator([[tenantId, [signer.jwk]]], config), bearer };
}

const minute = 60_000;
const hour = 60 * minute;

describe('a token that Entra made for this gateway', () => {
  test('gives the user by tenant and object id, with scopes, roles and groups', async () => {
    const { authenticator, bearer, clock } = setUp();
    const header = await bearer(
      userClaims(clock, { roles: ['Viewer'], groups: ['0A000000-0000-4000-8000-000000000001'] }),
    );
    const { principal, token } = await authenticator.authenticate(header);
    expect(principal).toEqual({
      kind: 'user',
      tid: tenantId,
      oid: userOid,
      azp: clientId,
      uti: 'uti-1',
      scopes: ['Commands.Run'],
      roles: ['Viewer'],
      groups: { known: true, ids: ['0a000000-0000-4000-8000-000000000001'] },
    });
    expect(`Bearer ${token?.reveal()}`).toBe(header);
  });

  test('gives the application with its app roles', async () => {
    const { authenticator, bearer, clock } = setUp();
    const { principal } = await authenticator.authenticate(await bearer(appClaims(clock)));
    expect(principal).toEqual({
      kind: 'app',
      tid: tenantId,
      oid: appOid,
      azp: clientId,
      uti: 'uti-1',
      roles: ['Runner'],
      groups: { known: true, ids: [] },
    });
  });

  test.each([
    ['_claim_names', { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph' } } }],
    ['hasgroups', { hasgroups: true }],
    ['groups:src1', { 'groups:src1': 1 }],
  ])('says that groups are not known when %s stands in for them', async (_, changes) => {
    const { authenticator, bearer, clock } = setUp();
    const { principal } = await authenticator.authenticate(await bearer(userClaims(clock, changes)));
    expect(principal.groups).toEqual({ known: false, ids: [] });
  });

  test.each([`bearer `, 'BEARER ', 'Bearer    '])(
    'is taken whatever the case and spaces of the scheme: "%s"',
    async (scheme) => {
      const { authenticator, bearer, clock } = setUp();
      const header = (await bearer(userClaims(clock))).replace('Bearer ', scheme);
      await expect(authenticator.authenticate(header)).resolves.toMatchObject({ principal: { oid: userOid } });
    },
  );

  test('is asked for no particular scope where none is configured, but still for one', async () => {
    const { authenticator, bearer, clock } = setUp({ ...identity, scopes: [] });
    await expect(authenticator.authenticate(await bearer(userClaims(clock, { scp: 'Else' })))).resolves.toBeDefined();
    expect(
      await problemOf(authenticator.authenticate(await bearer(userClaims(clock, { scp: undefined })))),
    ).toMatchObject({
      code: 'token-invalid',
    });
  });

  test('lives from nbf to exp with 60 seconds of skew on both sides, cached or not', async () => {
    const { authenticator, bearer, clock } = setUp();
    const now = Math.floor(clock.now() / 1000);
    const header = await bearer(userClaims(clock, { iat: now, nbf: now + 120, exp: now + 240 }));
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({ code: 'token-invalid' });
    await clock.advance(59_000);
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({ code: 'token-invalid' });
    await clock.advance(1_000);
    await expect(authenticator.authenticate(header)).resolves.toBeDefined();
    await clock.advance(239_000);
    await expect(authenticator.authenticate(header)).resolves.toBeDefined();
    await clock.advance(1_000);
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({
      code: 'token-expired',
      challenge: 'Bearer realm="aks-access-gateway", error="invalid_token", error_description="The token has expired."',
    });
    clock.step(-2 * hour);
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({ code: 'token-invalid' });
  });

  test('is verified once and then remembered, but not under another configuration', async () => {
    const { authenticator, bearer, clock, inForce } = setUp();
    const header = await bearer(userClaims(clock));
    const first = await authenticator.authenticate(header);
    expect((await authenticator.authenticate(header)).principal).toBe(first.principal);
    inForce.config = { ...identity };
    expect((await authenticator.authenticate(header)).principal).toBe(first.principal);
    inForce.config = { ...identity, scopes: ['Other.Scope'] };
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({ code: 'token-invalid' });
    inForce.config = { ...identity, audience: clientId };
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({ code: 'token-invalid' });
    inForce.config = { ...identity, tenants: [otherTenantId] };
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({ code: 'token-invalid' });
    inForce.config = identity;
    await expect(authenticator.authenticate(header)).resolves.toBeDefined();
  });
});

describe('a Requester-Token', () => {
  test('is remembered apart from an Authorization: what was taken as one is not taken as the other', async () => {
    const { authenticator, bearer, clock } = setUp();
    const bot = await bearer(appClaims(clock));
    const { principal: caller } = await authenticator.authenticate(bot);
    const person = await bearer(userClaims(clock, { scp: 'Commands.Request' }));
    const requester = await authenticator.authenticateRequester(person, caller);
    expect(requester.principal).toMatchObject({ kind: 'user', oid: userOid });
    expect(await problemOf(authenticator.authenticate(person))).toMatchObject({ code: 'token-invalid' });
    expect(await problemOf(authenticator.authenticateRequester(bot, caller))).toMatchObject({ code: 'token-invalid' });
  });
});

describe('the Authorization header', () => {
  test.each([undefined, '', '  ', 'Bearer', 'Bearer ', 'Basic dTpw', 'Bearerx', 'DPoP abc', 'abc.def.ghi'])(
    'counts as having no token: %p',
    async (header) => {
      const { authenticator } = setUp();
      expect(await problemOf(authenticator.authenticate(header))).toMatchObject({
        code: 'token-missing',
        challenge: 'Bearer realm="aks-access-gateway"',
      });
    },
  );

  const malformed: [string, string][] = [
    ['two words', 'Bearer a b'],
    ['two headers that were joined', 'Bearer a, Bearer b'],
    ['a comma', 'Bearer a,b'],
    ['a tab', 'Bearer a\tb'],
    ['a letter outside ASCII', 'Bearer ä'],
    ['a new line', 'Bearer a\r\nX: y'],
    ['padding alone', 'Bearer ='],
    ['an opaque token', 'Bearer a'],
    ['three parts of nothing', 'Bearer a.b.c'],
    ['empty objects', 'Bearer e30.e30.'],
    ['an encrypted token', 'Bearer e30.e30.e30.e30.e30'],
  ];
  test.each(malformed)('has what is not a token: %s', async (_, header) => {
    const { authenticator, entra } = setUp();
    const refused = await problemOf(authenticator.authenticate(header));
    expect(refused).toMatchObject({ code: 'token-invalid' });
    expect(refused.challenge).toMatch(/^Bearer realm="[a-z-]+", error="invalid_token", error_description="[^"\\]+"$/);
    expect(entra.fetched).toEqual([]);
  });

  test('has a token that is longer than any of Entra', async () => {
    const { authenticator, bearer, clock } = setUp();
    const ids = Array.from({ length: 400 }, (_, index) => `aaaaaaaa-0000-4000-8000-${String(index).padStart(12, '0')}`);
    await expect(
      authenticator.authenticate(await bearer(userClaims(clock, { groups: ids.slice(0, 200) }))),
    ).resolves.toBeDefined();
    const header = await bearer(userClaims(clock, { groups: ids }));
    expect(await problemOf(authenticator.authenticate(header))).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining('longer'),
    });
  });

  test('gives nothing but problems, whatever is in it', async () => {
    const { authenticator } = setUp();
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
      fc
        .record(
          { alg: fc.constantFrom('RS256', 'none', 'HS256', 1), kid: fc.constantFrom('key-1', '', 7) },
          { requiredKeys: [] },
        )
        .map((header) => Buffer.from(JSON.stringify(header)).toString('base64url')),
      fc
        .record(
          {
            tid: fc.constantFrom<unknown>(tenantId, otherTenantId, null, {}),
            aud: fc.constantFrom<unknown>(audience, [audience], 3),
            ver: fc.constantFrom<unknown>('2.0', 2, '1.0'),
            exp: fc.anything(),
          },
          { requiredKeys: [] },
        )
        .map((claims) =>
          Buffer.from(JSON.stringify(claims, (_, value) => (typeof value === 'bigint' ? 0 : value))).toString(
            'base64url',
          ),
        ),
    );
    const header = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(part, { maxLength: 6 }).map((parts) => `Bearer ${parts.join('.')}`),
    );
    await fc.assert(
      fc.asyncProperty(header, async (value) => {
        const { code } = await problemOf(authenticator.authenticate(value));
        expect(['token-missing', 'token-invalid']).toContain(code);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('signing keys', () => {
  test('are fetched once for many callers, and again after ten minutes beside the request', async () => {
    const { authenticator, bearer, clock, entra } = setUp();
    const header = await bearer(userClaims(clock, { exp: Math.floor(clock.now() / 1000) + 24 * 3600 }));
    await Promise.all(Array.from({ length: 20 }, () => authenticator.authenticate(header)));
    await clock.advance(10 * minute - 1);
    await authenticator.authenticate(header);
    expect(entra.fetched).toEqual([`${authority}/${tenantId}/discovery/v2.0/keys`]);
    await clock.advance(1);
    entra.published.set(tenantId, () => new Promise(() => {}));
    await authenticator.authenticate(header);
    expect(entra.fetched).toHaveLength(2);
  });

  test('that are new are found at once, those withdrawn take their cached tokens along', async () => {
    const { authenticator, bearer, clock, entra } = setUp();
    const old = await bearer(userClaims(clock));
    await authenticator.authenticate(old);
    await clock.advance(minute);
    entra.published.set(tenantId, [second.jwk]);
    await expect(authenticator.authenticate(await bearer(userClaims(clock), second))).resolves.toBeDefined();
    await clock.advance(minute);
    const refused = await problemOf(authenticator.authenticate(old));
    expect(refused).toMatchObject({ code: 'token-invalid', detail: expect.stringContaining('key-1') });
  });

  test('serve on while the authority is out of reach, for 24 hours and no longer', async () => {
    const { authenticator, bearer, clock, entra } = setUp();
    await authenticator.ready();
    entra.published.delete(tenantId);
    await clock.advance(24 * hour - 1);
    await expect(authenticator.authenticate(await bearer(userClaims(clock)))).resolves.toBeDefined();
    await authenticator.ready();
    await clock.advance(1);
    expect(await problemOf(authenticator.authenticate(await bearer(userClaims(clock))))).toMatchObject({
      code: 'identity-unavailable',
      problem: { options: { retryAfter: 30 } },
    });
    expect(await problemOf(authenticator.ready())).toMatchObject({ code: 'identity-unavailable' });
    entra.published.set(tenantId, [signer.jwk]);
    await clock.advance(30_000);
    await authenticator.ready();
  });

  test('are not kept young by a clock that is set back', async () => {
    const { authenticator, clock, entra } = setUp();
    await authenticator.ready();
    entra.published.delete(tenantId);
    clock.step(-hour);
    expect(await problemOf(authenticator.ready())).toMatchObject({ code: 'identity-unavailable' });
  });

  test('that are not known cannot be told from new ones while the authority is out of reach', async () => {
    const { authenticator, bearer, clock, entra } = setUp();
    await authenticator.ready();
    entra.published.delete(tenantId);
    await clock.advance(minute);
    expect(await problemOf(authenticator.authenticate(await bearer(userClaims(clock), second)))).toMatchObject({
      code: 'identity-unavailable',
    });
    await expect(authenticator.authenticate(await bearer(userClaims(clock)))).resolves.toBeDefined();
  });

  const answers: [string, () => Promise<Response>][] = [
    ['an error', async () => new Response('{"keys":[]}', { status: 500 })],
    ['a redirect', async () => new Response('', { status: 302, headers: { location: 'https://elsewhere.test' } })],
    ['no JSON', async () => new Response('<html>')],
    ['no UTF-8', async () => new Response(Uint8Array.of(0xff, 0xfe))],
    ['no key set', async () => Response.json(['keys'])],
    ['keys that are not a list', async () => Response.json({ keys: { a: 1 } })],
    ['no key', async () => Response.json({ keys: [] })],
    [
      'garbage for keys',
      async () => Response.json({ keys: [null, 1, {}, { ...signer.jwk, n: '!' }, { ...signer.jwk, kid: 3 }] }),
    ],
    ['an encryption key', async () => Response.json({ keys: [{ ...signer.jwk, use: 'enc' }] })],
    ['a key for another algorithm', async () => Response.json({ keys: [{ ...signer.jwk, alg: 'PS256' }] })],
    [
      'the key of another issuer',
      async () => Response.json({ keys: [{ ...signer.jwk, issuer: `${authority}/${otherTenantId}/v2.0` }] }),
    ],
    ['more than a megabyte', async () => Response.json({ keys: [signer.jwk], filler: 'x'.repeat(1024 * 1024) })],
    ['more than a hundred keys', async () => Response.json({ keys: Array.from({ length: 101 }, () => signer.jwk) })],
  ];
  test.each(answers)('are unavailable, not wrong, when the authority gives %s', async (_, answer) => {
    const { authenticator, bearer, clock, entra } = setUp();
    entra.published.set(tenantId, answer);
    const header = await bearer(userClaims(clock));
    const refused = await problemOf(authenticator.authenticate(header));
    expect(refused).toMatchObject({ code: 'identity-unavailable', problem: { status: 503 } });
    expect(refused.challenge).toBeUndefined();
    entra.published.set(tenantId, [signer.jwk]);
    await clock.advance(5_000);
    await expect(authenticator.authenticate(header)).resolves.toBeDefined();
  });

  test('shorter than 2048 bits are not used', async () => {
    const { authenticator, bearer, clock, entra } = setUp();
    const jwk = { kty: 'RSA', kid: 'short', e: 'AQAB', n: Buffer.alloc(128, 0xff).toString('base64url') };
    entra.published.set(tenantId, [jwk, signer.jwk]);
    await expect(authenticator.authenticate(await bearer(userClaims(clock)))).resolves.toBeDefined();
    const forged = (await bearer(userClaims(clock))).replace(
      /^Bearer [^.]+/,
      `Bearer ${Buffer.from('{"alg":"RS256","kid":"short"}').toString('base64url')}`,
    );
    expect(await problemOf(authenticator.authenticate(forged))).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining("'short'"),
    });
  });

  test('are waited for no longer than five seconds, and no longer than the caller stays', async () => {
    const { authenticator, bearer, clock, entra } = setUp();
    entra.published.set(tenantId, async () => new Promise(() => {}));
    const hanging: typeof fetch = (input, init) =>
      new Promise((_, reject) => {
        entra.fetched.push(input instanceof Request ? input.url : input.toString());
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    const slow = createAuthenticator({ config: () => identity, clock, fetch: hanging });
    const header = await bearer(userClaims(clock));
    const gone = new AbortController();
    const leaving = slow.authenticate(header, gone.signal);
    const staying = problemOf(slow.authenticate(header));
    gone.abort(new Error('the caller left'));
    await expect(leaving).rejects.toThrow('the caller left');
    await clock.advance(5_000);
    expect(await staying).toMatchObject({ code: 'identity-unavailable', problem: { options: { retryAfter: 5 } } });
    expect(entra.fetched).toHaveLength(1);
    expect(clock.sleeping()).toBe(0);
    await expect(authenticator.authenticate(undefined)).rejects.toThrow();
  });
});

describe('over a real socket', () => {
  const server = createServer((request, response) => {
    if (request.url?.startsWith(`/${otherTenantId}/`)) {
      response.writeHead(302, { location: `/${tenantId}/discovery/v2.0/keys` }).end();
      return;
    }
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [signer.jwk] }));
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test('the keys come from {authority}/{tid}/discovery/v2.0/keys, and a redirect is not followed', async () => {
    const clock = createManualClock();
    const loopback = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = { ...identity, authority: loopback, tenants: [tenantId, otherTenantId] };
    const authenticator = createAuthenticator({ config: () => config, clock });
    const claims = (tid: string) => userClaims(clock, { tid, iss: `${loopback}/${tid}/v2.0` });
    const header = `Bearer ${await sign(signer, claims(tenantId))}`;
    await expect(authenticator.authenticate(header)).resolves.toMatchObject({ principal: { tid: tenantId } });
    const other = `Bearer ${await sign(signer, claims(otherTenantId))}`;
    expect(await problemOf(authenticator.authenticate(other))).toMatchObject({ code: 'identity-unavailable' });
  });
});
