import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { held } from '../support/openapi.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** Two people who speak through one bot, and one who has no right to anything. */
const ana = people.user;
const ben = '88888888-8888-4888-8888-888888888888';
const eve = '99999999-9999-4999-8999-999999999999';
const otherBot = people.job;

const edit = (yaml: string): string =>
  yaml
    .replace(
      '    auditor:\n',
      `    for-people:
      allow: [{ verbs: ['*'], resources: ['*'], namespaces: ['*'], requester: required }]
    reader-of-pods:
      allow: [{ verbs: [get, list], resources: [pods], namespaces: [shop] }]
    through-bot:
      allow: [{ verbs: [get, list], resources: [services], namespaces: [shop], via: { app: ${people.bot} } }]
    canceller:
      allow: [{ verbs: [cancel], resources: [commands.aksgw], namespaces: ['*'] }]
    auditor:\n`,
    )
    .replace(
      `    - role: viewer
      clusters: ['*']
      subjects: [{ app: 33333333-3333-4333-8333-333333333333 }]`,
      `    - { role: for-people, clusters: [demo], subjects: [{ app: ${people.bot} }] }
    - { role: reader-of-pods, clusters: [demo], subjects: [{ user: ${ben} }] }
    - { role: through-bot, clusters: [demo], subjects: [{ user: ${ben} }] }
    - { role: viewer, clusters: [demo], subjects: [{ user: ${ana} }, { app: ${otherBot} }] }`,
    );

let stack: TestStack;
let bot: string;
beforeAll(async () => {
  stack = await held(await testStack({ edit, jobs: false }));
  bot = stack.tokens.bot;
}, 60_000);
afterAll(() => stack.close());

const personal = (oid: string, claims: Record<string, unknown> = {}): Promise<string> =>
  stack.azure.entra.userToken({ oid, azp: people.bot, scp: 'Commands.Request', ...claims });
const behind = (token: string) => ({ 'requester-token': `Bearer ${token}` });
const through = async (body: unknown, oid: string, headers: Record<string, string> = {}) =>
  stack.command(body, { token: bot, headers: { ...behind(await personal(oid)), ...headers } });
const PODS = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
const SERVICES = { argv: ['kubectl', 'get', 'services', '-n', 'shop'] };

describe('a bot with the person behind it', () => {
  test('may do what both may, as the pair of them', async () => {
    const { status, body } = await through(PODS, ben);
    expect([status, body.status, body.exitCode]).toEqual([200, 'completed', 0]);
    expect(body).toMatchObject({
      principal: { kind: 'app', oid: people.bot },
      requester: { kind: 'user', oid: ben },
      decision: { role: 'for-people' },
    });
  });

  test('may do nothing that the person may not, nor anything without a person', async () => {
    const denied = await through({ argv: ['kubectl', 'get', 'deployments', '-n', 'shop'] }, ben);
    expect(denied.body).toMatchObject({ code: 'policy-denied', denied: 'requester', reason: 'no-rule' });
    expect(denied.body.detail).toMatch(/^The person behind the caller: /);
    const alone = await stack.command(PODS, { token: bot });
    expect(alone.body).toMatchObject({ code: 'policy-denied', denied: 'caller', reason: 'requester-required' });
    expect((await through(PODS, eve)).body.code).toBe('cluster-not-found');
  });

  test('gives the person what they have through it alone (via), and not by a token of their own', async () => {
    expect((await through(SERVICES, ben)).body.status).toBe('completed');
    const token = await stack.azure.entra.userToken({ oid: ben, azp: people.bot });
    expect((await stack.command(SERVICES, { token })).body).toMatchObject({
      code: 'policy-denied',
      reason: 'via-required',
    });
  });

  test('lets explain say whose rules were asked', async () => {
    const { body } = await stack.explain(
      { argv: ['kubectl', 'get', 'deployments', '-n', 'shop'] },
      { token: bot, headers: behind(await personal(ben)) },
    );
    expect(body).toMatchObject({ allowed: false, rules: [{ allowed: false, role: null }] });
  });

  test('shows no person the output of another, and each their own by a token of their own too', async () => {
    const { body: record } = await through(PODS, ben);
    const read = (token: string, headers: Record<string, string> = {}) =>
      stack.request('GET', `/v1/commands/${record.id}`, { token, headers });
    expect((await read(bot, behind(await personal(ben)))).body.stdout).toBe(record.stdout);
    expect((await read(await stack.azure.entra.userToken({ oid: ben }))).body.stdout).toBe(record.stdout);
    for (const [token, headers] of [
      [bot, behind(await personal(ana))],
      [bot, {}],
      [await stack.azure.entra.userToken({ oid: ana }), {}],
    ] as const)
      expect((await read(token, headers)).body.code).toBe('command-not-found');
    const listed = async (oid: string) =>
      (
        await stack.request<{ items: { id: string }[] }>('GET', '/v1/commands', {
          token: bot,
          headers: behind(await personal(oid)),
        })
      ).body.items.map(({ id }) => id);
    expect(await listed(ben)).toContain(record.id);
    expect(await listed(ana)).not.toContain(record.id);
  });

  test('tells the person what they are, what they may see and by which rules, as both of them', async () => {
    const headers = behind(await personal(ben));
    const get = async <T>(path: string) => (await stack.request<T>('GET', path, { token: bot, headers })).body;
    expect(await get('/v1/whoami')).toMatchObject({
      principal: { kind: 'app', oid: people.bot },
      roles: [{ cluster: 'demo', roles: ['for-people'] }],
      requester: {
        principal: { kind: 'user', oid: ben, scopes: ['Commands.Request'] },
        roles: [{ cluster: 'demo', roles: ['reader-of-pods', 'through-bot'] }],
      },
    });
    const access = await get<{ items: Record<string, unknown>[]; warnings: string[] }>('/v1/clusters/demo/access');
    expect(access.items.map(({ binds, role }) => [binds, role])).toEqual([
      ['caller', 'for-people'],
      ['requester', 'reader-of-pods'],
      ['requester', 'through-bot'],
    ]);
    expect(access.warnings).toContainEqual(expect.stringMatching(/^Both must be allowed/));
    expect(await get('/v1/clusters/demo')).toMatchObject({ name: 'demo' });
    const listed = await through({ argv: ['kubectl', 'auth', 'can-i', '--list', '-n', 'shop'] }, ben);
    expect(listed.body.stdout).toMatch(/pods .* reader-of-pods \(requester\)/);
    const named = await through({ argv: ['kubectl', 'auth', 'whoami'] }, ben);
    expect(named.body.stdout).toContain(`:${ben}`);
    const stranger = { token: bot, headers: behind(await personal(eve)) };
    for (const path of ['/v1/clusters/demo', '/v1/clusters/demo/access', '/v1/clusters/demo/health'])
      expect((await stack.request('GET', path, stranger)).body.code).toBe('cluster-not-found');
  });

  test('keeps idempotency keys of two people apart', async () => {
    const key = { 'idempotency-key': 'same-key' };
    const first = (await through(PODS, ben, key)).body;
    expect((await through(PODS, ben, key)).body.id).toBe(first.id);
    const other = (await through(PODS, ana, key)).body;
    expect(other.status).toBe('completed');
    expect(other.id).not.toBe(first.id);
  });

  test('is in the trail with the person, and so is a blocked person', async () => {
    const { body } = await through(PODS, ben);
    const { items } = (
      await stack.request<{ items: Record<string, unknown>[] }>(
        'GET',
        `/v1/audit/events?command=${body.id}&code=AKG300I`,
        {
          token: stack.tokens.auditor,
        },
      )
    ).body;
    expect(items).toEqual([
      expect.objectContaining({
        principal: expect.objectContaining({ oid: people.bot, idtyp: 'app' }),
        requester: { tid: expect.any(String), oid: ben, idtyp: 'user' },
      }),
    ]);
  });
});

describe('a Requester-Token', () => {
  const refusals: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
    [
      'of an application',
      () => stack.azure.entra.appToken({ oid: otherBot, azp: people.bot, roles: ['Commands.Run'] }),
      /application's/,
    ],
    ['with another scope', () => personal(ben, { scp: 'Commands.Run' }), /scope is 'Commands.Run'/],
    [
      'that could be used as the person as well',
      () => personal(ben, { scp: 'Commands.Request Commands.Run' }),
      /also has the scope/,
    ],
    ['that may decide', () => personal(ben, { scp: 'Approvals.Decide Commands.Request' }), /also has the scope/],
    ['that another application got', () => personal(ben, { azp: otherBot }), /was given to the application/],
    ['without an application', () => personal(ben, { azp: undefined }), /was given to the application/],
    ['of another audience', () => personal(ben, { aud: 'https://graph.microsoft.com' }), /Microsoft Graph/],
    ['that is not a token', async () => 'nonsense', /not a signed JWT/],
    [
      'of another signer',
      () =>
        stack.azure.entra.sign(
          { tid: '11111111-1111-4111-8111-111111111111', aud: '22222222-2222-4222-8222-222222222222', ver: '2.0' },
          {},
          stack.azure.entra.strangeKey(),
        ),
      /signature/,
    ],
  ];
  test.each(refusals)('%s is refused, and the answer says which token failed', async (_, token, why) => {
    const { status, body } = await stack.command(PODS, { token: bot, headers: behind(await token()) });
    expect([status, body.code]).toEqual([401, 'token-invalid']);
    expect(body).toMatchObject({ token: 'Requester-Token' });
    expect(body.detail).toMatch(why);
  });

  test('that has expired is told as such', async () => {
    const past = Math.floor(Date.now() / 1_000) - 7_200;
    const { body } = await stack.command(PODS, {
      token: bot,
      headers: behind(await personal(ben, { iat: past, nbf: past, exp: past + 3_600 })),
    });
    expect(body).toMatchObject({ code: 'token-expired', token: 'Requester-Token' });
  });

  test('goes with an application only', async () => {
    const headers = behind(await personal(ben, { azp: '14d82eec-204b-4c2f-b7e8-296a70dab67e' }));
    expect((await stack.command(PODS, { headers })).body.detail).toMatch(/only an application has a person behind it/);
  });

  test('that was stolen opens nothing as Authorization, at any address, before or after it was used', async () => {
    const token = await personal(ben);
    expect((await stack.command(PODS, { token: bot, headers: behind(token) })).status).toBe(200);
    for (const [method, path] of [
      ['POST', '/v1/clusters/demo/commands'],
      ['POST', '/v1/clusters/demo/batches'],
      ['POST', '/v1/clusters/demo/explain'],
      ['POST', '/v1/commands/x/cancel'],
      ['POST', '/v1/jobs/x/run'],
      ['GET', '/v1/commands'],
      ['GET', '/v1/commands/x'],
      ['GET', '/v1/batches/x'],
      ['GET', '/v1/clusters'],
      ['GET', '/v1/clusters/demo/access'],
      ['GET', '/v1/whoami'],
      ['GET', '/v1/jobs'],
      ['GET', '/v1/audit/events'],
      ['GET', '/v1/audit/checkpoints'],
    ] as const) {
      const { status, body } = await stack.request(method, path, { token, ...(method === 'POST' && { body: PODS }) });
      expect([path, status, body.code]).toEqual([path, 401, 'token-invalid']);
    }
    expect((await stack.command(PODS, { token: bot, headers: behind(bot) })).status).toBe(401);
  });

  test('is refused where nothing takes it, and twice in one request', async () => {
    const headers = behind(await personal(ben));
    for (const path of ['/v1/audit/checkpoints', '/v1/audit/events'])
      expect((await stack.request('GET', path, { token: bot, headers })).body.code).toBe('request-invalid');
  });

  test('counts with other applications too, by what they may do themselves', async () => {
    const token = stack.tokens.job;
    const headers = behind(await personal(ben, { azp: people.bot }));
    const wrong = await stack.command(PODS, { token, headers });
    // The emulated job's token says that it is the bot's application: its own object has roles of its own.
    expect(wrong.body).toMatchObject({ principal: { oid: otherBot }, requester: { oid: ben } });
  });
});
