import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';

import { beforeAll, describe, expect, test } from '@jest/globals';
import { exportSPKI, generateKeyPair, SignJWT } from 'jose';
import type { JWTHeaderParameters } from 'jose';

import type { IdentityConfig } from '../../shared/config/config.ts';
import { problemOf } from './problem-of.ts';
import {
  appClaims,
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
} from './tenant.ts';
import type { Claims, Signer } from './tenant.ts';

/** Attacks on tokens and identity, by their number in the project's list; those that need routes are tested end to end. */
let ours: Signer;
let theirs: Signer;
beforeAll(async () => {
  [ours, theirs] = await Promise.all([createSigner('shared-kid'), createSigner('shared-kid')]);
});

function setUp(config: IdentityConfig = identity) {
  const keys: [string, Signer['jwk'][]][] = [
    [tenantId, [ours.jwk]],
    [otherTenantId, [theirs.jwk]],
  ];
  const made = setUpAuthenticator(keys, config);
  const send = (token: string) => problemOf(made.authenticator.authenticate(`Bearer ${token}`));
  const refuses = async (claims: Claims, by = ours) => send(await sign(by, claims));
  return { ...made, send, refuses };
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('1. another tenant', () => {
  const issuer = (tid: string) => `${authority}/${tid}/v2.0`;

  test.each([
    ['that is not configured', { tid: otherTenantId, iss: issuer(otherTenantId) }, "tenant '"],
    ['behind our tid', { iss: issuer(otherTenantId) }, 'signature'],
    ['behind our issuer', { tid: otherTenantId }, "tenant '"],
    ['behind both of ours', {}, 'signature'],
    ['named common', { tid: 'common', iss: issuer('common') }, "tenant '"],
    ['by path', { tid: `${otherTenantId}/../${tenantId}` }, "tenant '"],
    ['as a list', { tid: [tenantId] }, "tenant '"],
    ['as a prototype', { tid: '__proto__' }, "tenant '"],
    ['in capitals', { tid: tenantId.toUpperCase() }, "tenant '"],
  ])('%s, signing with its own key', async (_, changes, detail) => {
    const { clock, entra, refuses } = setUp();
    expect(await refuses(userClaims(clock, changes), theirs)).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining(detail),
    });
    expect(entra.fetched.filter((url) => !url.includes(tenantId))).toEqual([]);
  });

  test('that is configured too cannot speak for the first', async () => {
    const { authenticator, clock, refuses } = setUp({ ...identity, tenants: [tenantId, otherTenantId] });
    const own = userClaims(clock, { tid: otherTenantId, iss: issuer(otherTenantId) });
    const { principal } = await authenticator.authenticate(`Bearer ${await sign(theirs, own)}`);
    expect(principal.tid).toBe(otherTenantId);
    for (const changes of [{}, { tid: otherTenantId }, { iss: issuer(otherTenantId) }]) {
      expect(await refuses(userClaims(clock, changes), theirs)).toMatchObject({ code: 'token-invalid' });
    }
  });

  test.each([
    ['of the v1.0 endpoint', `https://sts.windows.net/${tenantId}/`],
    ['with a slash after it', `${authority}/${tenantId}/v2.0/`],
    ['of another host', `https://login.example.test.evil.test/${tenantId}/v2.0`],
    ['that is a list', [`${authority}/${tenantId}/v2.0`]],
    ['that is missing', undefined],
  ])('an issuer %s, although our key signed it', async (_, iss) => {
    const { clock, refuses } = setUp();
    expect(await refuses(userClaims(clock, { iss }))).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringMatching(/issuer \(iss\)|no iss claim/),
    });
  });
});

describe('2. the other token version', () => {
  test.each(['1.0', '2', 2, '2.0 ', undefined])('%p says how to ask for 2.0', async (ver) => {
    const { clock, refuses } = setUp();
    expect(await refuses(userClaims(clock, { ver }))).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining('requestedAccessTokenVersion'),
    });
  });
});

describe('3. tokens for something else', () => {
  test.each([
    ['https://management.azure.com', 'Azure Resource Manager'],
    ['https://management.azure.com/', 'Azure Resource Manager'],
    ['https://graph.microsoft.com', 'Microsoft Graph'],
    ['00000003-0000-0000-c000-000000000000', 'Microsoft Graph'],
    ['6dae42f8-4368-4678-94ff-3960e28e3630', 'the AKS server application'],
    [clientId, `'${clientId}'`],
    [`api://${audience}`, 'api://'],
    [audience.toUpperCase(), 'audience'],
    [[audience], 'audience'],
    [[audience, clientId], 'audience'],
    [undefined, 'audience'],
  ])('%p are refused, saying so', async (aud, named) => {
    const { clock, refuses } = setUp();
    for (const claims of [userClaims(clock, { aud }), appClaims(clock, { aud })]) {
      expect(await refuses(claims)).toMatchObject({ code: 'token-invalid', detail: expect.stringContaining(named) });
    }
  });

  test('an ID token for the very same client is not an access token', async () => {
    const { clock, refuses } = setUp();
    const idToken = userClaims(clock, {
      idtyp: undefined,
      scp: undefined,
      azp: undefined,
      azpacr: undefined,
      nonce: 'n',
    });
    expect(await refuses(idToken)).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining('ID token'),
    });
    expect(await refuses({ ...idToken, idtyp: 'user' })).toMatchObject({ code: 'token-invalid' });
  });

  test('a token bound to a key is not a bearer token', async () => {
    const { clock, refuses } = setUp();
    expect(await refuses(userClaims(clock, { cnf: { 'x5t#S256': 'abc' } }))).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining('cnf'),
    });
  });
});

describe('4. algorithms', () => {
  test.each(['none', 'None', 'NONE', '', undefined])('%p, with or without a signature', async (alg) => {
    const { clock, send } = setUp();
    const head = `${encode({ typ: 'JWT', alg, kid: ours.kid })}.${encode(userClaims(clock))}`;
    const signature = (await sign(ours, userClaims(clock))).split('.')[2];
    for (const token of [`${head}.`, `${head}.${signature}`]) {
      expect(await send(token)).toMatchObject({ code: 'token-invalid' });
    }
  });

  test('HS256 with the public key as its secret', async () => {
    const { clock, send } = setUp();
    const head = `${encode({ typ: 'JWT', alg: 'HS256', kid: ours.kid })}.${encode(userClaims(clock))}`;
    for (const secret of [await exportSPKI(ours.publicKey), ours.jwk.n ?? '', JSON.stringify(ours.jwk)]) {
      const signature = createHmac('sha256', secret).update(head).digest('base64url');
      expect(await send(`${head}.${signature}`)).toMatchObject({ code: 'token-invalid' });
    }
  });

  test.each(['RS384', 'RS512', 'PS256', 'ES256'])('%s, properly signed', async (alg) => {
    const { clock, entra, send } = setUp();
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'another', alg };
    entra.published.set(tenantId, [ours.jwk, jwk]);
    const token = await new SignJWT(userClaims(clock)).setProtectedHeader({ alg, kid: 'another' }).sign(privateKey);
    expect(await send(token)).toMatchObject({ code: 'token-invalid', detail: expect.stringContaining("token's alg") });
  });
});

describe('5. keys out of the token', () => {
  test('a flood of made-up kids costs one fetch in thirty seconds and never answers 503', async () => {
    const { authenticator, clock, entra, send } = setUp();
    await authenticator.ready();
    await clock.advance(30_000);
    const flood = async () => {
      const tokens = await Promise.all(
        Array.from({ length: 50 }, (_, index) => sign(theirs, userClaims(clock), { kid: `made-up-${index}` })),
      );
      for (const { code } of await Promise.all(tokens.map(send))) expect(code).toBe('token-invalid');
    };
    await flood();
    await flood();
    expect(entra.fetched).toHaveLength(2);
    await clock.advance(30_000);
    await flood();
    expect(entra.fetched).toHaveLength(3);
    await expect(authenticator.authenticate(`Bearer ${await sign(ours, userClaims(clock))}`)).resolves.toBeDefined();
  });

  const embedded = (): [string, Partial<JWTHeaderParameters>][] => [
    ['jwk', { jwk: theirs.jwk }],
    ['jku', { jku: 'https://evil.test/keys' }],
    ['x5u', { x5u: 'https://evil.test/cert' }],
    ['x5c', { x5c: ['MIIB'] }],
  ];
  test.each(['jwk', 'jku', 'x5u', 'x5c'])('%s in the header is not looked at', async (name) => {
    const { authenticator, clock, entra, send } = setUp();
    const header = embedded().find(([member]) => member === name)?.[1];
    expect(await send(await sign(theirs, userClaims(clock), header))).toMatchObject({ code: 'token-invalid' });
    const token = await sign(ours, userClaims(clock), header);
    await expect(authenticator.authenticate(`Bearer ${token}`)).resolves.toBeDefined();
    expect(entra.fetched.filter((url) => !url.startsWith(`${authority}/${tenantId}/`))).toEqual([]);
  });

  test.each([
    ['crit', { crit: ['exp'], exp: 1 }],
    ['crit b64', { crit: ['b64'], b64: false }],
    ['another typ', { typ: 'dpop+jwt' }],
    ['a typ that is not a string', { typ: 1 }],
    ['no kid', { kid: undefined }],
    ['a kid that is not a string', { kid: ['shared-kid'] }],
    ['an empty kid', { kid: '' }],
    ['a kid from the prototype', { kid: 'constructor' }],
  ])('%s is refused', async (_, header) => {
    const { clock, send } = setUp();
    const head = `${encode({ typ: 'JWT', alg: 'RS256', kid: ours.kid, ...header })}.${encode(userClaims(clock))}`;
    const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', ours.privateKey, Buffer.from(head));
    expect(await send(`${head}.${Buffer.from(signature).toString('base64url')}`)).toMatchObject({
      code: 'token-invalid',
    });
  });

  test('one bit of the payload or of the signature', async () => {
    const { clock, send } = setUp();
    const [head = '', payload = '', signature = ''] = (await sign(ours, userClaims(clock))).split('.');
    const richer = encode({ ...userClaims(clock), roles: ['Admin'] });
    const flipped = Buffer.from(signature, 'base64url');
    flipped.writeUInt8(flipped.readUInt8(10) ^ 1, 10);
    for (const token of [`${head}.${richer}.${signature}`, `${head}.${payload}.${flipped.toString('base64url')}`]) {
      expect(await send(token)).toMatchObject({ code: 'token-invalid', detail: expect.stringContaining('signature') });
    }
  });
});

describe('6. claims that are missing or absurd', () => {
  test.each(['exp', 'nbf', 'iat', 'oid', 'tid', 'ver', 'aud', 'iss'])('no %s', async (name) => {
    const { clock, refuses } = setUp();
    for (const claims of [userClaims(clock, { [name]: undefined }), appClaims(clock, { [name]: undefined })]) {
      expect(await refuses(claims)).toMatchObject({ code: 'token-invalid' });
    }
  });

  test.each([
    ['exp as text', { exp: '9999999999' }],
    ['nbf as text', { nbf: '1' }],
    ['iat as text', { iat: '1' }],
    ['exp of ten years', { exp: Date.UTC(2036, 0, 1) / 1000 }],
    ['exp without end', { exp: Number.MAX_VALUE }],
    ['iat in the future', { iat: Date.UTC(2026, 0, 1, 0, 2) / 1000 }],
    ['an oid that is a name', { oid: 'admin' }],
    ['an oid that is a list', { oid: ['x'] }],
    ['an azp that is not a client', { azp: '*' }],
    ['a uti that is a number', { uti: 7 }],
    ['roles that are text', { roles: 'Admin' }],
    ['roles with objects', { roles: [{}] }],
    ['groups that are text', { groups: 'x' }],
    ['scp that is a list', { scp: ['Commands.Run'] }],
    ['another scope', { scp: 'User.Read profile' }],
    ['a scope in lower case', { scp: 'commands.run' }],
    ['no scope', { scp: '' }],
  ])('%s', async (_, changes) => {
    const { clock, refuses } = setUp();
    expect(await refuses(userClaims(clock, changes))).toMatchObject({ code: 'token-invalid' });
  });

  test.each([
    ['nbf', Date.UTC(2026, 0, 1, 2) / 1000, 'not valid before 2026-01-01T02:00:00.000Z (nbf), and here it is'],
    ['nbf', 1e300, 'a time that no calendar has'],
    [
      'iss',
      'https://sts.windows.net/x/',
      "issuer (iss) is 'https://sts.windows.net/x/', not the v2.0 issuer of its tenant",
    ],
    ['oid', undefined, 'The token has no oid claim.'],
    ['exp', 'soon', "The token's exp claim is not what"],
  ])('%s %s is told in words', async (claim, value, words) => {
    const { clock, refuses } = setUp();
    const answer = await refuses(userClaims(clock, { [claim]: value }));
    expect(answer).toMatchObject({ code: 'token-invalid', detail: expect.stringContaining(words) });
    expect(JSON.stringify(answer)).not.toContain('check_failed');
  });

  test('an expired token is told apart from a forged one', async () => {
    const { clock, refuses } = setUp();
    const old = userClaims(clock, { iat: 1_600_000_000, nbf: 1_600_000_000, exp: 1_600_003_600 });
    expect(await refuses(old)).toMatchObject({ code: 'token-expired' });
    expect(await refuses(old, theirs)).toMatchObject({ code: 'token-invalid' });
  });
});

describe('7. users and applications', () => {
  test.each([
    ['no idtyp, with a scope', { idtyp: undefined }, 'optional claim idtyp'],
    ['no idtyp, with roles alone', { idtyp: undefined, scp: undefined, roles: ['Runner'] }, 'optional claim idtyp'],
    ['idtyp device', { idtyp: 'device' }, "'device'"],
    ['idtyp of another case', { idtyp: 'User' }, "'User'"],
    ['idtyp as a list', { idtyp: ['user'] }, 'idtyp'],
    ['an application with a scope', { idtyp: 'app', roles: ['Runner'] }, 'idtyp'],
    ['a user with roles and no scope', { scp: undefined, roles: ['Runner'] }, 'scp'],
  ])('%s', async (_, changes, detail) => {
    const { clock, refuses } = setUp();
    expect(await refuses(userClaims(clock, changes))).toMatchObject({
      code: 'token-invalid',
      detail: expect.stringContaining(detail),
    });
  });

  test.each([[undefined], [[]]])(
    'an application without an app role (%p), as any managed identity can be',
    async (roles) => {
      const { clock, refuses } = setUp();
      expect(await refuses(appClaims(clock, { roles }))).toMatchObject({
        code: 'token-invalid',
        detail: expect.stringContaining('no app role'),
      });
    },
  );

  test('names and mail addresses are nowhere in the principal', async () => {
    const { authenticator, clock } = setUp();
    const token = await sign(
      ours,
      userClaims(clock, { email: 'ceo@example.test', upn: 'ceo@example.test', unique_name: 'ceo' }),
    );
    const { principal } = await authenticator.authenticate(`Bearer ${token}`);
    expect(JSON.stringify(principal)).not.toMatch(/ceo|some\.one|Some One/);
  });
});

describe('10. the token itself', () => {
  test('is in no problem, whatever was wrong, and not in what is printed of a success', async () => {
    const { authenticator, clock, send } = setUp();
    const bad = [
      await sign(theirs, userClaims(clock)),
      await sign(ours, userClaims(clock, { aud: clientId })),
      await sign(ours, userClaims(clock, { exp: 1 })),
      await sign(ours, userClaims(clock, { idtyp: undefined })),
      await sign(ours, userClaims(clock), { kid: 'x' }),
      'opaque-token-of-somebody',
    ];
    for (const token of bad) {
      const { problem } = await send(token);
      const shown = inspect(problem, { depth: 10, showHidden: true }) + JSON.stringify(problem.options);
      for (const part of token.split('.')) expect(shown).not.toContain(part);
    }
    const good = await sign(ours, userClaims(clock));
    const shown = inspect(await authenticator.authenticate(`Bearer ${good}`), { depth: 10, showHidden: true });
    expect(shown).toContain('[secret]');
    expect(shown).not.toContain(good.split('.')[1]);
  });

  test('may quote nothing into WWW-Authenticate', async () => {
    const { clock, refuses } = setUp();
    const { challenge } = await refuses(userClaims(clock, { aud: 'x", scope="y\r\nSet-Cookie: a=b\\' }));
    expect(challenge).toMatch(
      /^Bearer realm="[a-z-]+", error="invalid_token", error_description="[\x20\x21\x23-\x5b\x5d-\x7e]+"$/,
    );
  });
});
