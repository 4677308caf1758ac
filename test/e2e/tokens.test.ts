import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { DEMO_TENANT } from '../../infra/local/entra.ts';
import { CLUSTER_ID } from '../../infra/local/stack.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { people, testStack } from '../support/stack.ts';
import type { TestStack } from '../support/stack.ts';

/** Attacks on tokens and identity by their number in the project's list, against a gateway that runs. */
const otherTenant = '99999999-9999-4999-8999-999999999999';
const clientId = '14d82eec-204b-4c2f-b7e8-296a70dab67e';
const plenty = (yaml: string): string => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 10000');

let stack: TestStack;
/** Every line of the gateway's own log. */
const log: string[] = [];
beforeAll(async () => {
  stack = await testStack({
    edit: plenty,
    entra: { tenants: [DEMO_TENANT, otherTenant] },
    gateway: { logger: { level: 'trace', stream: { write: (line) => void log.push(line) } } },
  });
});
afterAll(() => stack.close());

const ask = (token: string | null, headers?: Record<string, string>) =>
  stack.request<{ code?: string; detail?: string }>('GET', '/v1/clusters', { token, ...(headers && { headers }) });

/** Refused as RFC 6750 has it, at a read and at a command, and nothing reached Azure. */
async function expectRefused(token: string, detail: string | RegExp): Promise<void> {
  const posts = stack.azure.arm.posts.length;
  const command = await stack.command({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] }, { token });
  for (const { status, body, headers } of [await ask(token), command]) {
    expect([status, body.code, body.detail]).toEqual([401, 'token-invalid', expect.stringMatching(detail)]);
    expect(headers.get('www-authenticate')).toMatch(
      /^Bearer realm="[^"]+", error="invalid_token", error_description="[^"]+", resource_metadata="http:\/\/127[^"]+"$/,
    );
  }
  expect(stack.azure.arm.posts).toHaveLength(posts);
}

const { parse, stringify } = JSON;
/** The claims of a good token, to be changed and signed again. */
const claimsOf = (token: string): Record<string, unknown> =>
  parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('1. another tenant, whose tokens the same keys sign', () => {
  test.each([
    ['is refused', { tid: otherTenant }, /tenant/],
    ['is refused behind our tid', { iss: `/${otherTenant}/v2.0` }, /issuer \(iss\)/],
    ['is refused behind our issuer', { tid: otherTenant, iss: `/${DEMO_TENANT}/v2.0` }, /tenant/],
    ['is refused as common', { tid: 'common', iss: '/common/v2.0' }, /tenant/],
  ])('%s', async (_, { iss, ...claims }: { iss?: string; tid?: string }, detail) => {
    const { authority } = stack.azure.entra;
    const own = {
      oid: people.user,
      groups: [people.team],
      ...claims,
      ...(iss !== undefined && { iss: authority + iss }),
    };
    await expectRefused(await stack.azure.entra.userToken(own), detail);
    expect(stack.azure.entra.requests.filter(({ path }) => path.includes(otherTenant))).toEqual([]);
  });
});

test('2. a v1.0 token is refused, and the answer says how to get the other', async () => {
  const { entra } = stack.azure;
  await expectRefused(await entra.v1Token({ oid: people.user }), /requestedAccessTokenVersion/);
  await expectRefused(await entra.userToken({ oid: people.user, ver: '1.0' }), /requestedAccessTokenVersion/);
});

test.each([
  ['Azure Resource Manager', 'https://management.azure.com'],
  ['Microsoft Graph', '00000003-0000-0000-c000-000000000000'],
  ['the AKS server application', '6dae42f8-4368-4678-94ff-3960e28e3630'],
  ['audience', clientId],
])('3. a token for something else is refused: %s', async (named, aud) => {
  const { entra } = stack.azure;
  await expectRefused(await entra.userToken({ oid: people.user, groups: [people.team], aud }), new RegExp(named));
  await expectRefused(await entra.appToken({ oid: people.bot, roles: ['Commands.Run'], aud }), new RegExp(named));
});

test('3. an ID token for the gateway is not an access token', async () => {
  const { entra } = stack.azure;
  await expectRefused(await entra.idToken({ oid: people.user, groups: [people.team] }), /ID token/);
  await expectRefused(await entra.idToken({ oid: people.user, idtyp: 'user', azp: clientId }), /scope/);
});

test.each(['none', 'None', 'HS256', 'HS512', 'RS512', 'PS256'])('4. alg %s is refused', async (alg) => {
  await expectRefused(await stack.azure.entra.sign(claimsOf(stack.tokens.user), { alg }), /alg/);
});

describe('5. keys', () => {
  test('that a token brings or points at are not looked at', async () => {
    const { entra } = stack.azure;
    const hits: string[] = [];
    const evil = createServer((request, response) => {
      hits.push(request.url ?? '');
      response.end('{"keys":[]}');
    });
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/keys`;
    const jwk = { kty: 'RSA', n: 'AQAB', e: 'AQAB' };
    for (const header of [{ jku: url }, { x5u: url }, { jwk }, { x5c: ['MIIB'] }]) {
      const forged = await entra.sign(claimsOf(stack.tokens.user), header, entra.strangeKey());
      await expectRefused(forged, /signature/);
    }
    expect(hits).toEqual([]);
    await new Promise((resolve) => evil.close(resolve));
  });

  test('with made-up names cost at most one fetch', async () => {
    const { entra } = stack.azure;
    const fetches = () => entra.requests.filter(({ kind }) => kind === 'keys').length;
    const before = fetches();
    const flood = Array.from({ length: 30 }, async (_, index) =>
      ask(await entra.sign(claimsOf(stack.tokens.user), { kid: `made-up-${index}` }, entra.strangeKey())),
    );
    for (const { status } of await Promise.all(flood)) expect(status).toBe(401);
    expect(fetches() - before).toBeLessThanOrEqual(1);
    expect((await ask(stack.tokens.user)).status).toBe(200);
  });
});

test.each(['exp', 'nbf', 'iat', 'oid', 'tid', 'ver', 'aud', 'iss'])(
  '6. a token without %s is refused',
  async (name) => {
    const { [name]: _, ...rest } = claimsOf(stack.tokens.user);
    await expectRefused(await stack.azure.entra.sign(rest), /./);
  },
);

test('6. an expired token says so, with a code of its own', async () => {
  const token = await stack.azure.entra.userToken({ iat: 1_600_000_000, nbf: 1_600_000_000, exp: 1_600_003_600 });
  const { status, body, headers } = await ask(token);
  expect([status, body.code]).toEqual([401, 'token-expired']);
  expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
});

describe('7. users and applications', () => {
  test('are told apart by idtyp alone', async () => {
    const { entra } = stack.azure;
    const roles = ['Commands.Run'];
    await expectRefused(await entra.userToken({ oid: people.user, idtyp: undefined }), /optional claim idtyp/);
    await expectRefused(await entra.appToken({ oid: people.bot, roles, idtyp: undefined }), /optional claim idtyp/);
    await expectRefused(await entra.appToken({ oid: people.bot, roles, scp: 'Commands.Run' }), /idtyp/);
    await expectRefused(await entra.appToken({ oid: people.bot }), /no app role/);
    // The bot's own object id in a user's token is not the bot.
    const { body } = await stack.command(
      { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] },
      { token: await entra.userToken({ oid: people.bot }) },
    );
    expect(body.code).toBe('cluster-not-found');
  });

  test('are who their object id says, whatever their names are', async () => {
    const named = {
      preferred_username: people.auditor,
      upn: people.auditor,
      email: people.auditor,
      name: people.auditor,
    };
    const token = await stack.azure.entra.userToken({
      oid: people.user,
      groups: [people.team],
      sub: people.auditor,
      ...named,
    });
    expect((await stack.request('GET', '/v1/audit/checkpoints', { token })).status).toBe(403);
    expect((await stack.request('GET', '/v1/audit/checkpoints', { token: stack.tokens.auditor })).status).toBe(200);
  });
});

test('8. identity headers from outside are not looked at', async () => {
  const principal = Buffer.from(
    stringify({ auth_typ: 'aad', claims: [{ typ: 'oid', val: people.auditor }], userId: people.auditor }),
  ).toString('base64');
  const headers = {
    'x-ms-client-principal': principal,
    'x-ms-client-principal-id': people.auditor,
    'x-ms-client-principal-name': 'auditor@example.com',
    'x-ms-client-principal-idp': 'aad',
    'x-ms-token-aad-access-token': stack.tokens.auditor,
    'x-forwarded-user': people.auditor,
  };
  const { status, body } = await ask(null, headers);
  expect([status, body.code]).toEqual([401, 'token-missing']);
  const audit = (token: string) => stack.request('GET', '/v1/audit/checkpoints', { token, headers });
  expect((await audit(stack.tokens.bot)).status).toBe(403);
  expect((await audit(stack.tokens.auditor)).status).toBe(200);
});

test('10. no token is in any log, file or answer', async () => {
  const { entra } = stack.azure;
  const good = await entra.userToken({ oid: people.user, groups: [people.team] });
  const bad = [
    await entra.userToken({ oid: people.user, aud: clientId }),
    await entra.sign(claimsOf(good), {}, entra.strangeKey()),
    'opaque-token-of-somebody-else',
  ];
  const pods = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
  const answers = [await stack.command(pods, { token: good })];
  expect(answers[0]?.status).toBe(200);
  for (const token of bad) answers.push(await stack.command(pods, { token }));
  // The failed ones are in the trail.
  const events = await stack.request('GET', '/v1/audit/events?code=AKG100W', { token: stack.tokens.auditor });
  expect(events.text).toContain('AKG100W');
  const data = join(stack.folder, 'data');
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(2);
  const written = files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'));
  const seen = [...written, ...log, ...answers.map(({ text, headers }) => text + stringify([...headers]))].join('\n');
  expect(seen).toContain(people.user);
  for (const token of [good, ...bad]) {
    for (const part of token.split('.').slice(token.includes('.') ? 1 : 0)) expect(seen.includes(part)).toBe(false);
  }
});

test('11. the name that a bot gives is recorded as a claim, and opens nothing', async () => {
  const token = stack.tokens.bot;
  const asked = {
    argv: ['kubectl', 'delete', 'pod', 'x', '-n', 'shop'],
    requestedBy: people.user,
    reason: people.team,
  };
  const { status, body } = await stack.command(asked, { token });
  expect([status, body.code]).toEqual([403, 'policy-denied']);
  const read = await stack.command(
    { argv: ['kubectl', 'get', 'pods', '-n', 'shop'], requestedBy: people.auditor },
    { token },
  );
  expect(read.body).toMatchObject({ requestedBy: people.auditor, principal: { kind: 'app', oid: people.bot } });
  expect((await stack.request('GET', `/v1/commands/${read.body.id}`, { token: stack.tokens.user })).status).toBe(404);
});

describe('9. the gateway is not its caller', () => {
  const pods = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
  let entra: TestStack;
  beforeAll(async () => {
    process.env['AKSGW_TEST_OBO'] = 'emulated-gateway-secret';
    entra = await testStack({
      aad: true,
      edit: (yaml) =>
        plenty(yaml)
          .replace(
            '  credential:',
            '  onBehalfOf: { clientId: 22222222-2222-4222-8222-222222222222, secretEnv: AKSGW_TEST_OBO }\n  credential:',
          )
          .replace('    defaultNamespace: shop', '    runAs: caller\n    defaultNamespace: shop'),
    });
  });
  afterAll(async () => {
    delete process.env['AKSGW_TEST_OBO'];
    await entra.close();
  });

  test('a user is exchanged for a token of their own', async () => {
    const { body } = await entra.command(pods);
    expect(body).toMatchObject({ status: 'completed' });
    expect(entra.azure.arm.posts.at(-1)).toMatchObject({ clusterToken: true, started: true });
    expect(entra.azure.entra.requests.filter(({ grant }) => grant?.includes('jwt-bearer'))).toHaveLength(1);
  });

  test('an application cannot be exchanged, and nothing runs with the rights of the gateway instead', async () => {
    const posts = entra.azure.arm.posts.length;
    const { body } = await entra.command(pods, { token: entra.tokens.bot });
    expect(body.code).toBe('user-required');
    expect(entra.azure.arm.posts).toHaveLength(posts);
  });

  test('nor when the exchange of a user fails', async () => {
    const posts = entra.azure.arm.posts.length;
    const other = { oid: people.auditor, groups: [people.team] };
    entra.azure.entra.requireInteraction(people.auditor, '{"access_token":{}}');
    const { status, body } = await entra.command(pods, { token: await entra.azure.entra.userToken(other) });
    expect([status, body.code]).toEqual([401, 'interaction-required']);
    expect(entra.azure.arm.posts).toHaveLength(posts);
  });
});

test('12. the cluster that policy decided on is the one that is called', async () => {
  const second = CLUSTER_ID.replace('aks-demo', 'aks-stage');
  const two = await testStack({
    clusters: [{ resourceId: CLUSTER_ID }, { resourceId: second }],
    edit: (yaml) =>
      plenty(yaml).replace('\nstorage:', `  stage:\n    resourceId: ${second}\n    defaultNamespace: shop\n\nstorage:`),
  });
  try {
    const run = (cluster: string, token: string) =>
      two.request('POST', `/v1/clusters/${cluster}/commands`, {
        token,
        body: { argv: ['kubectl', 'get', 'pods', '-n', 'shop'], cluster: 'stage', armId: second },
      });
    const body = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
    const at = (cluster: string, token: string) =>
      two.request('POST', `/v1/clusters/${cluster}/commands`, { token, body });
    // A cluster in the body is not a field of this API, and never a target.
    expect((await run('demo', two.tokens.bot)).status).toBe(400);
    for (const cluster of ['demo', 'stage', 'stage', 'demo']) {
      expect((await at(cluster, two.tokens.bot)).body).toMatchObject({ cluster, status: 'completed' });
      expect(two.azure.arm.posts.at(-1)?.cluster).toBe(cluster === 'demo' ? CLUSTER_ID : second);
    }
    // The team is bound to demo alone.
    const posts = two.azure.arm.posts.length;
    for (const cluster of ['stage', 'Demo', 'DEMO', 'demo%20', 'demo%2Fcommands', '__proto__', 'constructor']) {
      const { status, body: problem } = await at(cluster, two.tokens.user);
      expect([cluster, status, problem.code]).toEqual([cluster, 404, expect.stringMatching(/-not-found$/)]);
    }
    expect(two.azure.arm.posts).toHaveLength(posts);
  } finally {
    await two.close();
  }
});

test('13. a blocked caller is stopped within a minute, whatever its token says, and can be let in again', async () => {
  const clock = createManualClock(Date.now());
  const house = await testStack({ edit: plenty, clock, gateway: { clock } });
  /** Asked each second, over real sockets: the file is read beside the clock, so that a leap of it could pass a look that is under way. */
  const eventually = async (expected: readonly number[], token: string): Promise<void> => {
    let seen = await statuses(token);
    for (let second = 0; second < 60 && String(seen) !== String(expected); second += 1) {
      await clock.advance(1_000);
      seen = await statuses(token);
    }
    expect(seen).toEqual(expected);
  };
  const statuses = async (token: string) => [
    (await house.request('GET', '/v1/clusters', { token })).status,
    (await house.explain({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] }, { token })).status,
    (await house.request('GET', '/v1/commands', { token })).status,
  ];
  try {
    const yaml = readFileSync(house.config, 'utf8');
    expect(await statuses(house.tokens.bot)).toEqual([200, 200, 200]);
    writeFileSync(house.config, yaml.replace('blocked: []', `blocked: [{ app: ${people.bot} }]`));
    await eventually([403, 403, 403], house.tokens.bot);
    expect(await statuses(house.tokens.user)).toEqual([200, 200, 200]);
    writeFileSync(house.config, yaml);
    await eventually([200, 200, 200], house.tokens.bot);
  } finally {
    await house.close();
  }
});
