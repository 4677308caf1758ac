import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';

import { held, type OpenApi } from '../support/openapi.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

// Every answer in this file is held against the OpenAPI document as well.
let stack: TestStack & { readonly document: OpenApi };
beforeAll(async () => {
  stack = await held(
    await testStack({
      edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 10000, heldBytes: 1200000'),
    }),
  );
});
afterAll(() => stack.close());

const PODS = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };

describe('what HTTP itself asks for', () => {
  test.each([
    ['PUT', '/v1/clusters/demo/commands', 'POST'],
    ['GET', '/v1/clusters/demo/explain', 'POST'],
    ['DELETE', '/v1/commands/x', 'GET, HEAD'],
    ['POST', '/v1/clusters', 'GET, HEAD'],
    ['OPTIONS', '/healthz', 'GET, HEAD'],
    ['POST', '/docs', 'GET, HEAD'],
  ])('%s %s is 405 and tells what is allowed', async (method, path, allow) => {
    const answer = await stack.request(method, path, { token: null });
    expect(answer).toMatchObject({ status: 405, body: { code: 'method-not-allowed' } });
    expect(answer.headers.get('allow')).toBe(allow);
  });

  test.each(['/v1/clusters', '/healthz', '/docs'])('HEAD %s is GET without the body', async (path) => {
    const headers = { authorization: `Bearer ${stack.tokens.user}` };
    const [get, head] = await Promise.all(
      ['GET', 'HEAD'].map((method) => fetch(`${stack.url}${path}`, { method, headers })),
    );
    expect([head?.status, await head?.text()]).toEqual([200, '']);
    for (const name of ['content-type', 'content-length']) expect(head?.headers.get(name)).toBe(get?.headers.get(name));
    await get?.text();
  });

  test.each([
    ['application/json; charset=utf-16', 415],
    ['application/json;charset="ISO-8859-1"', 415],
    ['application/json; charset=UTF-8', 200],
    ['application/json;charset="utf-8"', 200],
    ['text/json', 415],
  ])('a body of the type %s is %i', async (type, status) => {
    const answer = await stack.explain(PODS, { headers: { 'content-type': type } });
    expect(answer.status).toBe(status);
    if (status === 415) expect(answer.body.code).toBe('media-type-unsupported');
  });

  test.each(['[', 'a:b', 'evil.example.com/path', 'user@evil.example.com', 'a b', '[::1'])(
    'the Host %j names no host, whoever asks',
    async (host) => {
      for (const authorization of [undefined, `Bearer ${stack.tokens.user}`, 'Bearer x']) {
        const sent = httpRequest(`${stack.url}/v1/whoami`, {
          headers: { host, ...(authorization && { authorization }) },
        });
        sent.end();
        const [answer] = (await once(sent, 'response')) as [IncomingMessage];
        const body = JSON.parse((await answer.toArray()).join('')) as { code: string };
        expect([answer.statusCode, body.code]).toEqual([400, 'request-invalid']);
      }
    },
  );

  test('a body of which there is nothing but a type is no body', async () => {
    const { body } = await stack.command(PODS);
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain;charset=UTF-8']) {
      const headers = { 'content-type': type };
      expect(await stack.request('POST', `/v1/commands/${body.id}/cancel`, { headers })).toMatchObject({
        status: 409,
        body: { code: 'command-finished' },
      });
      expect(await stack.command('', { headers })).toMatchObject({ status: 400, body: { code: 'request-invalid' } });
    }
  });

  /** A body that does not say its length, of which the first byte is there. */
  const begin = async () => {
    const authorization = `Bearer ${stack.tokens.user}`;
    const headers = { authorization, 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const sent = httpRequest(`${stack.url}/v1/clusters/demo/explain`, { method: 'POST', headers, agent: false });
    sent.on('error', () => undefined); // what is not read is cut off
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    await new Promise((resolve) => sent.write('{', resolve));
    return { sent, answered };
  };

  test('many small bodies in chunks, all open at once, are served: none holds what it might become', async () => {
    const begun = await Promise.all(Array.from({ length: 30 }, begin));
    for (const { sent } of begun) sent.end(JSON.stringify(PODS).slice(1));
    const answers = await Promise.all(begun.map(({ answered }) => answered));
    expect(new Set(answers.map(([answer]) => answer.statusCode))).toEqual(new Set([200]));
    for (const [answer] of answers) answer.resume();
  });

  test('a body in chunks that becomes larger than its caller may hold is cut off as it comes', async () => {
    const { sent, answered } = await begin();
    sent.write(' '.repeat(2_000_000)); // and does not end
    const [answer] = await answered;
    const body = JSON.parse((await answer.toArray()).join('')) as { code: string };
    expect([answer.statusCode, body.code, answer.headers.connection]).toEqual([429, 'rate-limited', 'close']);
    expect(answer.headers['retry-after']).toBe('2');
    sent.destroy();
  });

  test('a compressed body is refused, not misread', async () => {
    const answer = await stack.explain(PODS, { headers: { 'content-encoding': 'gzip' } });
    expect(answer).toMatchObject({ status: 415, body: { code: 'media-type-unsupported' } });
  });

  test.each([
    ['text/plain', 'text/plain'],
    ['text/*', 'text/plain'],
    ['TEXT/PLAIN;charset=utf-8', 'text/plain'],
    ['text/plain;q=0.5, application/json;q=0.1', 'text/plain'],
    ['application/json;q=0, */*', 'text/plain'],
    ['text/plain;q=0', 'application/json'],
    ['text/plain;q=0, text/*', 'application/json'],
    ['application/json, text/plain;q=0.5', 'application/json'],
    ['text/plain, application/json', 'application/json'],
    ['*/*', 'application/json'],
    ['image/png', 'application/json'],
  ])('Accept: %s gives %s', async (accept, type) => {
    const answer = await stack.command(PODS, { headers: { accept } });
    expect(answer.headers.get('content-type')).toMatch(new RegExp(`^${type};`));
    expect(answer.headers.get('exit-code')).toBe(type === 'text/plain' ? '0' : null);
  });

  test.each([
    ['wait=5', 'wait=5'],
    ['wait=1000', 'wait=225'],
    ['respond-async, wait=5', 'respond-async, wait=5'],
    ['wait=x', null],
    ['return=minimal', null],
  ])('Prefer: %s is told back as %s', async (prefer, applied) => {
    const answer = await stack.command(PODS, { headers: { prefer } });
    expect(answer.headers.get('preference-applied')).toBe(applied);
  });

  test('a key that is not known is named, wherever it stands', async () => {
    const detail = async (answer: Promise<{ body: { detail: string } }>) => (await answer).body.detail;
    expect(await detail(stack.request('GET', '/v1/commands?bogus=1'))).toBe('There is no query key bogus.');
    expect(await detail(stack.command({ ...PODS, force: true }))).toBe('There is no body key force.');
    for (const key of ['approvalId', 'breakGlass'])
      expect(await detail(stack.command({ ...PODS, [key]: 'x' }))).toBe(
        `${key} is not built yet: there are no approvals. Nothing was started.`,
      );
    expect(await detail(stack.command({ ...PODS, files: [{ path: 'a', content: '', mode: 7 }] }))).toBe(
      'There is no body key mode in files/0.',
    );
    expect(await detail(stack.request('GET', '/v1/commands?status=done'))).toBe(
      'query/status must be one of accepted, submitting, running, completed, failed, unknown.',
    );
  });

  test.each([
    [undefined, 'token-missing', /^Bearer realm="aks-access-gateway", resource_metadata="URL"$/],
    ['Basic YTpi', 'token-missing', /^Bearer realm="aks-access-gateway", resource_metadata="URL"$/],
    [
      'Bearer a.b.c',
      'token-invalid',
      /^Bearer realm="aks-access-gateway", error="invalid_token", error_description="[^"\\]+", resource_metadata="URL"$/,
    ],
  ])('the challenge to %s', async (authorization, code, form) => {
    const answer = await stack.request('GET', '/v1/clusters', {
      token: null,
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(answer).toMatchObject({ status: 401, body: { code } });
    const url = `${stack.url}/.well-known/oauth-protected-resource`;
    expect(answer.headers.get('www-authenticate')?.replace(url, 'URL')).toMatch(form);
  });
});

describe('reading', () => {
  test('a command is its owner’s and an auditor’s; for others it does not exist', async () => {
    const { body } = await stack.command(PODS);
    const path = `/v1/commands/${body.id}`;
    expect((await stack.request('GET', path)).status).toBe(200);
    expect((await stack.request('GET', path, { token: stack.tokens.auditor })).body.stdout).toBe(body.stdout);
    expect(await stack.request('GET', path, { token: stack.tokens.bot })).toMatchObject({
      status: 404,
      body: { code: 'command-not-found' },
    });
    expect(await stack.request('GET', '/v1/commands/00000000-0000-4000-8000-000000000000')).toMatchObject({
      status: 404,
      body: { code: 'command-not-found' },
    });
  });

  test('the list is the caller’s own, newest first, page by page, without output', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count++)
      ids.unshift((await stack.command(PODS, { token: stack.tokens.bot })).body.id);
    interface List {
      readonly items: readonly { readonly id: string; readonly stdout: string; readonly principal: { oid: string } }[];
      readonly next: string | null;
    }
    const first = await stack.request<List>('GET', '/v1/commands?limit=2&cluster=demo', { token: stack.tokens.bot });
    expect(first.body.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const second = await stack.request<List>('GET', `/v1/commands?limit=2&cluster=demo&cursor=${first.body.next}`, {
      token: stack.tokens.bot,
    });
    expect(second.body.items[0]?.id).toBe(ids[2]);
    expect(
      [...first.body.items, ...second.body.items].every(
        ({ stdout, principal }) => stdout === '' && principal.oid === people.bot,
      ),
    ).toBe(true);
    // A cursor is a place, not a right: with another's the list is still one's own.
    const borrowed = await stack.request<List>('GET', `/v1/commands?cursor=${first.body.next}`);
    expect(borrowed.status).toBe(200);
    expect(borrowed.body.items.every(({ principal }) => principal.oid === people.user)).toBe(true);
    const none = await stack.request<List>('GET', '/v1/commands?status=running', { token: stack.tokens.bot });
    expect(none.body).toEqual({ items: [], next: null });
  });

  test('clusters are those on which the caller is bound', async () => {
    const bot = await stack.request<{ items: { name: string }[] }>('GET', '/v1/clusters', { token: stack.tokens.bot });
    expect(bot.body.items.map(({ name }) => name)).toEqual(['demo']);
    const nobody = await stack.request<{ items: unknown[] }>('GET', '/v1/clusters', {
      token: await stack.azure.entra.userToken({ oid: '99999999-9999-4999-8999-999999999999' }),
    });
    expect(nobody.body.items).toEqual([]);
  });
});
