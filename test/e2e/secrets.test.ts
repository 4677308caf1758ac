import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { testStack, type Answer, type RequestOptions, type TestStack } from '../support/stack.ts';

/**
 * Secrets where people put them by mistake or by right, sent through the running house; then everything that it wrote or said is
 * searched. What a command prints to its owner is the owner's, and is gone after the purge.
 */
let stack: TestStack;
let folder: string;
let logged = '';
/** How far the gateway's clock is ahead (ms). */
let later = 0;
const said: { readonly by: string; readonly text: string }[] = [];
const planted = new Map<string, string>();

/** A secret of its own for each place, that no pattern knows by its looks. */
const plant = (place: string, shape: (random: string) => string = (random) => random): string => {
  const secret = shape(`Zq${randomBytes(12).toString('hex')}`);
  expect(planted.has(place)).toBe(false);
  planted.set(place, secret);
  return secret;
};
const note = (by: string, { text, headers }: Answer<unknown>): void => {
  said.push({ by, text: `${text}\n${[...headers].map((header) => header.join(': ')).join('\n')}` });
};
const order = async (place: string, body: unknown, options?: RequestOptions) => {
  const answer = await stack.command(body, options);
  note(place, answer);
  return answer;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-secrets-'));
  stack = await testStack({
    folder,
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 10000'),
    gateway: {
      clock: { ...systemClock, now: () => systemClock.now() + later },
      logger: { level: 'trace', stream: { write: (line) => void (logged += line) } },
    },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const jwt = (random: string): string =>
  [{ alg: 'RS256', kid: random }, { sub: random }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.') + `.${random}`;
const K = ['kubectl'];
const S = [...K, 'create', 'secret', 'generic', 'x', '-n', 'shop'];
const D = [...K, 'create', 'secret', 'docker-registry', 'x', '--docker-username=u', '-n', 'shop'];
const H = ['helm', 'upgrade', '--install', 'web', './chart', '-n', 'shop'];
const RESTART = { argv: [...K, 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };
const configMap = (name: string, value: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: shop }\ndata: { a: ${JSON.stringify(value)} }\n`;

const commands: readonly (readonly [string, (place: string) => unknown])[] = [
  ['--from-literal=', (p) => ({ argv: [...S, `--from-literal=a=${plant(p)}`] })],
  ['--from-literal and the next word', (p) => ({ argv: [...S, '--from-literal', `b=${plant(p)}`] })],
  ['--docker-password=', (p) => ({ argv: [...D, `--docker-password=${plant(p)}`] })],
  ['--docker-password and the next word', (p) => ({ argv: [...D, '--docker-password', plant(p)] })],
  ['--set', (p) => ({ argv: [...H, '--set', `db.password=${plant(p)}`] })],
  ['--set-string, second of two', (p) => ({ argv: [...H, `--set-string=a=1,token=${plant(p)}`] })],
  ['--set-json', (p) => ({ argv: [...H, '--set-json', `db={"password":"${plant(p)}"}`] })],
  ['kubectl --token', (p) => ({ argv: [...K, `--token=${plant(p)}`, 'get', 'pods'] })],
  ['kubectl --password', (p) => ({ argv: [...K, '--password', plant(p), 'get', 'pods'] })],
  ['set env', (p) => ({ argv: [...K, 'set', 'env', 'deployment/web', `API_TOKEN=${plant(p)}`, '-n', 'shop'] })],
  ['run --env', (p) => ({ argv: [...K, 'run', 'x', '--image=x', `--env=DB_PASSWORD=${plant(p)}`, '-n', 'shop'] })],
  [
    'patch secret -p',
    (p) => ({ argv: [...K, 'patch', 'secret', 'x', '-p', `{"stringData":{"a":"${plant(p)}"}}`, '-n', 'shop'] }),
  ],
  [
    'a URL',
    (p) => ({
      argv: [...K, 'annotate', 'deployment', 'web', `repo=https://ci:${plant(p)}@git.example/x`, '-n', 'shop'],
    }),
  ],
  [
    'a text that cannot be split',
    (p) => ({ command: `kubectl create secret generic x --from-literal=a=${plant(p)} "` }),
  ],
  ['a text that cannot be split, --set', (p) => ({ command: `helm upgrade web x --set 'a.b=${plant(p)} "` })],
  ['a command of no tool', (p) => ({ argv: ['curl', '-H', `Authorization: Bearer ${plant(p)}`, 'https://x'] })],
  ['a flag that there is not', (p) => ({ argv: [...K, 'get', 'pods', `--client-secret=${plant(p)}`, '-n', 'shop'] })],
  [
    'a file that is applied',
    (p) => ({
      argv: [...K, 'apply', '-f', 'a.yaml', '-n', 'shop'],
      files: [{ path: 'a.yaml', content: configMap('a', plant(p)) }],
    }),
  ],
  [
    'a file that is denied',
    (p) => ({
      argv: [...K, 'apply', '-f', 'a.yaml', '-n', 'shop'],
      files: [{ path: 'a.yaml', content: configMap('a', plant(p)).replace('ConfigMap', 'Secret') }],
    }),
  ],
  [
    'a file that is no YAML',
    (p) => ({
      argv: [...K, 'apply', '-f', 'a.yaml', '-n', 'shop'],
      files: [{ path: 'a.yaml', content: `kind: Secret\n  data: : ${plant(p)}\n\t- x` }],
    }),
  ],
  [
    'a file that is no JSON',
    (p) => ({
      argv: [...K, 'apply', '-f', 'a.json', '-n', 'shop'],
      files: [{ path: 'a.json', content: `{"kind": ${plant(p)}}` }],
    }),
  ],
  [
    'values of helm',
    (p) => ({ argv: [...H, '--values', 'v.yaml'], files: [{ path: 'v.yaml', content: `password: ${plant(p)}\n` }] }),
  ],
  ['stdin', (p) => ({ argv: [...K, 'apply', '-f', '-', '-n', 'shop'], stdin: configMap('b', plant(p)) })],
  ['stdin that is no YAML', (p) => ({ argv: [...K, 'apply', '-f', '-', '-n', 'shop'], stdin: `kind: [${plant(p)}` })],
  [
    'Base64 that is none',
    (p) => ({ argv: [...K, 'apply', '-f', 'a.yaml'], files: [{ path: 'a.yaml', contentBase64: `*${plant(p)}` }] }),
  ],
  ['reason, by name', (p) => ({ ...RESTART, reason: `the new password=${plant(p)}` })],
  ['reason, a bearer token', (p) => ({ ...RESTART, reason: `curl -H "Authorization: Bearer ${plant(p)}"` })],
  ['reason, a JWT', (p) => ({ ...RESTART, reason: `with ${plant(p, jwt)}` })],
  ['reason of a denied command', (p) => ({ argv: [...S, '--from-literal=a=b'], reason: `client_secret: ${plant(p)}` })],
  ['requestedBy', (p) => ({ ...RESTART, requestedBy: `ada token=${plant(p)}` })],
  ['a member that there is not', (p) => ({ ...RESTART, [`password=${plant(p)}`]: 1 })],
  ['a member of the wrong kind', (p) => ({ ...RESTART, timeoutSeconds: `password=${plant(p)}` })],
];

const requests: readonly (readonly [string, (place: string) => Promise<Answer<unknown>>])[] = [
  ['Authorization, an opaque token', (p) => stack.command(RESTART, { token: plant(p) })],
  ['Authorization, a JWT', (p) => stack.command(RESTART, { token: plant(p, jwt) })],
  [
    'Authorization, Basic',
    (p) => stack.command(RESTART, { token: null, headers: { authorization: `Basic ${plant(p)}` } }),
  ],
  ['user agent', (p) => stack.command(RESTART, { headers: { 'user-agent': `bot/1 (api_key=${plant(p)})` } })],
  ['user agent of a stranger', (p) => stack.command(RESTART, { token: 'x', headers: { 'user-agent': plant(p, jwt) } })],
  ['X-Forwarded-For', (p) => stack.command(RESTART, { headers: { 'x-forwarded-for': `token=${plant(p)}` } })],
  [
    'X-Forwarded-For of a stranger',
    (p) => stack.command(RESTART, { token: 'x', headers: { 'x-forwarded-for': `token=${plant(p)}` } }),
  ],
  ['Idempotency-Key', (p) => stack.command(RESTART, { headers: { 'idempotency-key': plant(p) } })],
  ['Prefer', (p) => stack.command(RESTART, { headers: { prefer: `wait=${plant(p)}` } })],
  ['a body that is no JSON', (p) => stack.command(`{"argv": ["kubectl"], "reason": ${plant(p)}}`)],
  ['the cluster', (p) => stack.request('POST', `/v1/clusters/password=${plant(p)}/commands`, { body: RESTART })],
  ['a path', (p) => stack.request('GET', `/v1/token=${plant(p)}`)],
  ['a query', (p) => stack.request('GET', `/v1/commands?access_token=${plant(p)}`)],
  [
    'a query of the trail',
    (p) => stack.request('GET', `/v1/audit/events?principal=token%3D${plant(p)}`, { token: stack.tokens.auditor }),
  ],
  [
    'Azure refuses',
    (p) => {
      stack.azure.arm.faults.post({
        kind: 'status',
        status: 403,
        code: 'AuthorizationFailed',
        message: `The token=${plant(p)} has no right`,
      });
      return stack.command(RESTART);
    },
  ],
  [
    'Azure echoes the command',
    (p) => {
      stack.azure.arm.faults.post({
        kind: 'status',
        status: 400,
        code: 'BadRequest',
        message: `cannot run kubectl create secret --from-literal=a=${plant(p)}`,
      });
      return stack.command(RESTART);
    },
  ],
  [
    'Azure fails',
    (p) => {
      stack.azure.arm.faults.post({
        kind: 'status',
        status: 500,
        code: 'InternalError',
        message: `Authorization: Bearer ${plant(p)}`,
      });
      return stack.command(RESTART);
    },
  ],
  [
    'Azure answers with no JSON',
    (p) => {
      stack.azure.arm.faults.post({ kind: 'status', status: 502, body: `<pre>password=${plant(p)}</pre>` });
      return stack.command(RESTART);
    },
  ],
  [
    'the run fails',
    (p) => {
      stack.azure.arm.faults.post({ kind: 'failed', reason: `Failed: password=${plant(p)}` });
      return stack.command(RESTART);
    },
  ],
  [
    'a poll is refused',
    (p) => {
      stack.azure.arm.faults.poll({
        kind: 'status',
        status: 403,
        code: 'AuthorizationFailed',
        message: `secret: ${plant(p)}`,
      });
      return stack.command(RESTART);
    },
  ],
];

test('nothing that is written or said holds a secret that was put in anywhere', async () => {
  for (const [place, body] of commands) await order(place, body(place));
  for (const [place, send] of requests) note(place, await send(place));
  expect(planted.size).toBe(commands.length + requests.length);
  expect(planted.size).toBeGreaterThanOrEqual(40);
  // What opens doors: the callers' real tokens and the gateway's own.
  for (const [name, token] of Object.entries(stack.tokens)) {
    planted.set(`token of ${name}`, token);
    planted.set(`signature of ${name}'s token`, token.split('.')[2] ?? '');
  }
  planted.set("the gateway's token for Azure", stack.env['AKSGW_ARM_TOKEN'] ?? '');

  // Printed to its owner, which is right; kept only until the purge.
  const shown = plant('output');
  const applied = {
    argv: [...K, 'apply', '-f', 'c.yaml', '-n', 'shop'],
    files: [{ path: 'c.yaml', content: configMap('c', shown) }],
  };
  expect((await order('apply', applied)).body).toMatchObject({ status: 'completed', exitCode: 0 });
  const get = await stack.command({ argv: [...K, 'get', 'configmap', 'c', '-o', 'yaml', '-n', 'shop'] });
  expect(get.text).toContain(shown);
  for (const path of ['/v1/commands?limit=200', '/readyz']) note(path, await stack.request('GET', path));
  note('audit', await stack.request('GET', '/v1/audit/events?limit=1000', { token: stack.tokens.auditor }));
  expect(found('data/gateway.sqlite')).toContain('output');

  later = 25 * 3_600_000;
  const { purged } = await stack.gateway.sweep();
  expect(purged).toBeGreaterThan(0);
  const whilst = scanFolder();
  await stack.close();

  const leaks = [
    ...whilst,
    ...scanFolder(),
    ...scan('the process log', logged),
    ...said.flatMap(({ by, text }) => scan(`the answer to ${by}`, text)),
  ];
  expect([...new Set(leaks)]).toEqual([]);
});

const scan = (where: string, text: string): readonly string[] =>
  [...planted].filter(([, secret]) => secret !== '' && text.includes(secret)).map(([place]) => `${where}: ${place}`);
const found = (file: string): string =>
  scan(
    '',
    readdirSync(join(folder, 'data'))
      .filter((name) => join('data', name).startsWith(file))
      .map((name) => readFileSync(join(folder, 'data', name), 'latin1'))
      .join(''),
  ).join(' ');
/** The audit folder, the database with its write-ahead log, and whatever else came to be there. */
const scanFolder = (): readonly string[] =>
  readdirSync(join(folder, 'data'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name, parentPath }) =>
      scan(name.replace(/^\d.*/, 'the trail'), readFileSync(join(parentPath, name), 'latin1')),
    );
