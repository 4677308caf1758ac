import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { once } from 'node:events';
import { connect } from 'node:net';
import { people, testStack, type TestStack } from '../support/stack.ts';
import type { OpenApi } from '../support/openapi.ts';
import { seed } from '../support/seed.ts';

/**
 * Whatever is sent to whatever address, the gateway makes no mistake of its own: no 500, no connection that ends without an answer, and
 * every refusal is a problem of the table. Each run sends the same; AKSGW_SEED draws others, AKSGW_RUNS sets how many.
 */
const plenty = 1_000_000_000;
const limits = `limits:
  perPrincipal: { running: 50, queued: 1000, submitsPerMinute: ${plenty}, requestsPerMinute: ${plenty}, auditLinesPerMinute: ${plenty}, openRequests: 1000 }
`;
let stack: TestStack;
let routes: readonly (readonly [method: string, path: string])[];
beforeAll(async () => {
  stack = await testStack({
    jobs: false,
    edit: (yaml) =>
      yaml
        .replace(/^limits:\n(?: .*\n|\n)*/m, limits)
        .replace('\npolicy:', '\ntelemetry: { prometheus: true }\npolicy:')
        .replace(/\n\.\.\.\n$/, '\njobs: [{ name: nightly, cluster: demo, argv: [kubectl, get, pods] }]\n'),
  });
  const { body } = await stack.request<OpenApi>('GET', '/openapi.json', { token: null });
  routes = Object.entries(body.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => [method.toUpperCase(), path] as const),
  );
}, 60_000);
afterAll(() => stack.close());

const odd = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '__proto__',
    'constructor',
    'toString',
    '\u0000',
    '\u202e',
    '💥',
    '../x',
    '%00',
    'a'.repeat(5_000),
  ),
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0.5,
    1e308,
    [],
    [[]],
    {},
    [null],
    { a: 1 },
    [{}],
    ['kubectl'],
    ['kubectl', 'get'],
  ),
  fc.constantFrom<unknown>(
    ['kubectl', 'get', 'pods', '-n', 'shop'],
    ['kubectl', 'apply', '-f', 'a.yaml'],
    ['helm', 'install', 'w', './c'],
    [{ path: 'a.yaml', content: 'a: &x [*x]' }],
    [{ path: 'a.yaml', content: 'kind: List\nitems: 5' }],
    [
      {
        path: 'a.yaml',
        content: 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\nspec: { template: null }',
      },
    ],
    [{ path: 'c/Chart.yaml', contentBase64: '////' }],
    [{ argv: ['kubectl', 'get', 'pods'], files: null }],
  ),
  fc.jsonValue(),
);
const keys = fc.constantFrom(
  'argv',
  'command',
  'files',
  'stdin',
  'timeoutSeconds',
  'reason',
  'notify',
  'steps',
  'onError',
  'options',
  'approvalId',
  '__proto__',
  'constructor',
  'then',
  'toJSON',
  '',
);
const body = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.tuple(keys, odd), { maxLength: 4 }).map(objectOf) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '{', 'nul', '[[[[', '{"a":1,"a":2}', '1e999', '\ud800', '"\\ud800"', '\ufeff{}'),
  },
);
const segment = fc.constantFrom(
  'demo',
  'nightly',
  'nope',
  '__proto__',
  '%2e%2e',
  'a%2fb',
  '%00',
  '%ff',
  '%e0%a4%a',
  'x'.repeat(300),
  ';',
  '*',
  '~',
);
const query = fc.oneof(
  fc.constant(''),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'head',
          'tail',
          'limit',
          'cursor',
          'since',
          'until',
          'principal',
          'code',
          'order',
          'status',
          'namespace',
          '__proto__',
          'a[b]',
          '',
        ),
        fc.constantFrom(
          '1',
          '-1',
          '',
          'x',
          '%00',
          '%ff',
          '1e3',
          '2026-13-01',
          '+275760-09-13',
          '9'.repeat(30),
          'W10',
          'bnVsbA',
          'W251bGwsbnVsbF0',
          'e30',
          'desc',
        ),
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`),
);
const headers = fc.record(
  {
    host: fc.constantFrom('[', '', 'a:b', 'x/y', '::1', '[::1]:80', 'gateway.example.com'),
    prefer: fc.constantFrom('wait=0', 'wait=', '=,=', ',,,', 'respond-async', 'wait=1'.repeat(50)),
    accept: fc.constantFrom(
      'text/plain',
      '*',
      ';;',
      'text/markdown;profile=slack',
      'text/markdown;profile=',
      'text/plain;q=x',
      '',
    ),
    'idempotency-key': fc.constantFrom('a', '"', '\\', '__proto__', 'é', '{}', 'x'.repeat(256)),
    'content-type': fc.constantFrom(
      'application/json',
      'application/json;charset=x',
      'text/plain',
      '',
      'APPLICATION/JSON',
      'a/b/c',
      ';',
    ),
    'content-encoding': fc.constantFrom('identity', 'gzip', ''),
    'requester-token': fc.constantFrom('Bearer x', '', 'x'),
    'x-forwarded-for': fc.constantFrom('1.2.3.4', '', 'x'.repeat(500)),
    traceparent: fc.constantFrom('x', '00-0-0-0', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`),
  },
  { requiredKeys: [] },
);
const method = fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE');

/** By hand: an object would lose `__proto__`. */
function objectOf(members: readonly (readonly [string, unknown])[]): string {
  return `{${members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
}

/** What came back, whole. */
async function send(text: string): Promise<string> {
  const socket = connect(Number(new URL(stack.url).port), '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  socket.write(text, 'utf8');
  await once(socket, 'close');
  return answer;
}

test('nothing that is sent is a mistake of the gateway’s', async () => {
  const tokens = [...Object.values(stack.tokens), 'x', ''];
  const request = fc.record({
    route: fc.nat(),
    own: fc.boolean(),
    method,
    segments: fc.array(segment, { minLength: 2, maxLength: 2 }),
    query,
    headers,
    token: fc.nat(),
    body: fc.option(body),
  });
  await fc.assert(
    fc.asyncProperty(request, async (given) => {
      const [usual = 'GET', form = '/'] = routes[given.route % routes.length] ?? [];
      const segments = [...given.segments];
      const path = form.replaceAll(/\{\w+\}/g, (name) =>
        given.own && name === '{cluster}' ? 'demo' : (segments.pop() ?? 'x'),
      );
      const text = given.body ?? (usual === 'POST' ? '{}' : undefined);
      const lines = {
        host: 'x',
        authorization: `Bearer ${tokens[given.token % tokens.length]}`,
        'content-type': 'application/json',
        prefer: 'wait=1',
        ...given.headers,
        connection: 'close',
        ...(text !== undefined && { 'content-length': String(Buffer.byteLength(text)) }),
      };
      const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
      const first = `${given.own ? usual : given.method} ${path}${given.query} HTTP/1.1`;
      const answer = await send(`${first}\r\n${head.join('')}\r\n${text ?? ''}`);
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
      expect(status).toBeGreaterThanOrEqual(200);
      expect(status).not.toBe(500);
      if (status >= 400)
        expect(answer).toMatch(/\r\ncontent-type: (?:application\/problem\+json|text\/(?:plain|markdown))/i);
    }),
    {
      numRuns: Number(process.env['AKSGW_RUNS'] ?? 300),
      seed,
    },
  );
}, 600_000);

test('who may do what is as it was', async () => {
  expect((await stack.request('GET', '/v1/whoami')).body).toMatchObject({ principal: { oid: people.user } });
  expect(({} as { a?: unknown }).a).toBeUndefined();
});
