import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** What a known caller does is in the trail too when it is not a command. */
let stack: TestStack;
beforeAll(async () => {
  stack = await testStack();
});
afterAll(() => stack.close());

const events = async (code: string): Promise<readonly Record<string, unknown>[]> => {
  const asked = `/v1/audit/events?code=${code}&limit=1000`;
  const { body } = await stack.request('GET', asked, { token: stack.tokens.auditor });
  return (body as unknown as { readonly items: readonly Record<string, unknown>[] }).items;
};

test('addresses that there are not and malformed queries, with who asked, and a flood of them as a few lines', async () => {
  for (const path of ['/v1/nowhere', '/v1/audit/events?limit=x', '/v1/commands?limit=0'])
    expect((await stack.request('GET', path)).status).toBeGreaterThanOrEqual(400);
  const told = await events('AKG204W');
  expect(told.map(({ problem, principal }) => [problem, (principal as { oid?: string }).oid])).toEqual([
    ['route-not-found', people.user],
    ['request-invalid', people.user],
    ['request-invalid', people.user],
  ]);
  // A method that an address does not have; and a stranger, who is not told apart.
  expect((await stack.request('DELETE', '/v1/clusters')).status).toBe(405);
  expect((await stack.request('GET', '/v1/nowhere', { token: 'nonsense' })).status).toBe(404);
  expect((await events('AKG204W')).map(({ problem }) => problem).slice(3)).toEqual(['method-not-allowed']);
  for (let n = 0; n < 60; n += 1) await stack.request('GET', `/v1/nowhere/${n}`);
  expect((await events('AKG204W')).length).toBeLessThan(25);
});

test('a token that is refused, with what it presented and whether its signature was valid', async () => {
  const { entra } = stack.azure;
  const past = Math.floor(Date.now() / 1000) - 7_200;
  const ours = { oid: people.user, tid: entra.tenants[0], azp: expect.any(String), uti: expect.any(String) };
  const tokens: readonly (readonly [string, string, unknown])[] = [
    [
      'expired',
      await entra.userToken({ oid: people.user, iat: past, nbf: past, exp: past + 3_600 }),
      { ...ours, signature: 'valid' },
    ],
    ['without a scope', await entra.userToken({ oid: people.user, scp: '' }), { ...ours, signature: 'valid' }],
    [
      'changed',
      (await entra.userToken({ oid: people.user })).replace(/.{9}$/, 'AAAAAAAAA'),
      { ...ours, signature: 'invalid' },
    ],
    ['for another', await entra.userToken({ oid: people.user, aud: 'x' }), { ...ours, signature: 'unchecked' }],
    ['with a text for an id', await entra.userToken({ oid: 'a text', tid: 'a text' }), { signature: 'unchecked' }],
    ['unreadable', 'nonsense', undefined],
  ];
  for (const [, token] of tokens) expect((await stack.request('GET', '/v1/clusters', { token })).status).toBe(401);
  const told = await events('AKG100W');
  for (const [at, [what, , presented]] of tokens.entries())
    expect([what, told[at]?.['presented']]).toEqual([what, presented && expect.objectContaining(presented)]);
  expect(told[4]?.['presented']).not.toHaveProperty('oid');
});

test('a list of commands', async () => {
  await stack.request('GET', '/v1/commands?status=completed');
  expect(await events('AKG402I')).toMatchObject([
    { principal: { oid: people.user }, detail: 'commands, completed, 50 at most' },
  ]);
});
