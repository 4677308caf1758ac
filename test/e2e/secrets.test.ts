import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { testStack, type Answer, type RequestOptions, type TestStack } from '../support/stack.ts';

/**
 * Secrets where people put them by mistake or by right, sent through the running house; then everything that it wrote or said is
 * searched. What a command prints to its owner is the owner's, and is gone after the purge.
 */
let stack: TestStack;
let folder: string;
let logged = '';
/** Azure takes a call a second: a command is two or more. */
const SPEED = 8;
const began = { wall: systemClock.now(), monotonic: systemClock.monotonic() };
const monotonic = (): number => (systemClock.monotonic() - began.monotonic) * SPEED;
const fast: Clock = {
  monotonic,
  now: () => Math.round(began.wall + monotonic()),
  sleep: (ms, options) => systemClock.sleep(ms / SPEED, options),
};
/** Who may do everything. */
const mighty = '99999999-9999-4999-8999-999999999999';
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
    clock: fast,
    edit: (yaml) =>
      yaml
        .replace('running: 4, queued: 20, submitsPerMinute: 30', 'running: 8, queued: 100, submitsPerMinute: 10000')
        .replace(
          '  bindings:\n',
          `  bindings:\n    - { role: almighty, clusters: [demo], subjects: [{ app: ${mighty} }] }\n`,
        )
        .replace(
          '  roles:\n',
          `  roles:\n    almighty: { allow: [{ verbs: ['*'], resources: ['*', pods/exec], namespaces: ['*'] }] }\n`,
        ),
    gateway: {
      clock: { ...fast, now: () => fast.now() + later },
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
    'what is not Base64',
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

/** Data by its position, under names that tell nothing: allowed, denied, refused, not even split. */
const positions: readonly (readonly [string, (secret: string) => string | readonly string[]])[] = [
  ['a variable', (s) => [...K, 'set', 'env', 'deployment/web', `COLOR=${s}`]],
  ['a variable of another namespace', (s) => [...K, 'set', 'env', 'deployment/web', `COLOR=${s}`, '-n', 'kube-system']],
  ['a variable in run', (s) => [...K, 'run', 'x', '--image=x', `--env=COLOR=${s}`]],
  ['a variable in run, the next word', (s) => [...K, 'run', 'x', '--image=x', '--env', `COLOR=${s}`]],
  ['words after -- in run', (s) => [...K, 'run', 'x', '--image=x', '--', 'print', s]],
  ['words after -- in create job', (s) => [...K, 'create', 'job', 'x', '--image=x', '--', 'print', '-v', s]],
  ['a user in exec', (s) => [...K, 'exec', 'web', '--', 'curl', '-u', `me:${s}`, 'https://x']],
  ['a header in exec', (s) => [...K, 'exec', 'web', '--', 'curl', '-H', `X-Custom: ${s}`, 'https://x']],
  ['a script in exec', (s) => [...K, 'exec', 'web', '--', 'sh', '-c', `print ${s}`]],
  ['an address in exec', (s) => [...K, 'exec', 'web', '--', 'curl', `https://x/${s}`]],
  ['a patch', (s) => [...K, 'patch', 'configmap', 'x', '-p', `{"data":{"a":"${s}"}}`]],
  ['a patch, --patch=', (s) => [...K, 'patch', 'deployment', 'web', `--patch={"spec":{"a":"${s}"}}`]],
  [
    'a patch of JSON',
    (s) => [...K, 'patch', 'service', 'x', '--type=json', '-p', `[{"op":"add","path":"/a","value":"${s}"}]`],
  ],
  [
    'a patch of another namespace',
    (s) => [...K, 'patch', 'configmap', 'x', '-n', 'other', '-p', `{"data":{"a":"${s}"}}`],
  ],
  ['an annotation', (s) => [...K, 'annotate', 'deployment', 'web', `note=${s}`]],
  ['an annotation in run', (s) => [...K, 'run', 'x', '--image=x', `--annotations=note=${s}`]],
  ['a literal of a config map', (s) => [...K, 'create', 'configmap', 'x', `--from-literal=color=${s}`]],
  [
    'a user name',
    (s) => [...K, 'create', 'secret', 'docker-registry', 'x', `--docker-username=${s}`, '--docker-password=x'],
  ],
  ['--set', (s) => ['helm', 'upgrade', 'web', 'oci://x/y', '--set', `color=${s}`]],
  ['--set-literal', (s) => ['helm', 'install', 'web', 'oci://x/y', '--set-literal', `color=${s}`]],
  ['--set=, in a list', (s) => ['helm', 'upgrade', 'web', 'oci://x/y', `--set=color={red,${s}}`]],
  ['overrides', (s) => [...K, 'run', 'x', '--image=x', `--overrides={"spec":{"a":"${s}"}}`]],
  ['a verb that there is not', (s) => [...K, 'frobnicate', s]],
  ['the value of a flag that there is not', (s) => [...K, 'get', 'pods', '--frob', s]],
  ['after a semicolon', (s) => `kubectl get pods; print ${s}`],
  ['in a substitution', (s) => `kubectl get pods $(print ${s})`],
  ['after a pipe', (s) => `kubectl get pods | grep ${s}`],
  ['in quotes that do not close', (s) => `kubectl get pods "${s}`],
  ['in the text of a header', (s) => `curl -H "X-Custom: ${s}" https://x`],
  ['a variable before the tool', (s) => `COLOR=${s} kubectl get pods`],
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
  const outcomes = new Set<string>();
  const almighty = await stack.azure.entra.appToken({ oid: mighty, roles: ['Commands.Run'] });
  const callers = { almighty, shop: stack.tokens.user, auditor: stack.tokens.auditor };
  const askAs = async (who: keyof typeof callers, [place, wordsOf]: (typeof positions)[number]): Promise<void> => {
    const words = wordsOf(plant(`${place}, by ${who}`));
    const body = typeof words === 'string' ? { command: words } : { argv: words };
    const { status, code } = (
      await order(place, { ...body, reason: 'INC-1' }, { token: callers[who], headers: { prefer: 'wait=225' } })
    ).body;
    outcomes.add(code ?? status);
    // Explaining shows callers their own words, and nobody else.
    await stack.explain(body, { token: callers[who] });
  };
  // Each that runs takes a pod: the rest only where the shop's own people may run it.
  const afterDashes = positions.filter(([, words]) => words('').includes('--'));
  await Promise.all(afterDashes.map((position) => askAs('almighty', position)));
  for (const who of ['shop', 'auditor'] as const) await Promise.all(positions.map((position) => askAs(who, position)));
  expect([...outcomes].sort()).toEqual(['command-refused', 'completed', 'policy-denied']);
  expect(planted.size).toBe(commands.length + requests.length + positions.length * 2 + afterDashes.length);
  expect(commands.length + requests.length + positions.length).toBeGreaterThanOrEqual(80);
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
  const trail = readdirSync(join(folder, 'data/audit')).map((name) =>
    readFileSync(join(folder, 'data/audit', name), 'utf8'),
  );
  expect(trail.join('')).toContain(`"code":"AKG403I","count":${purged},`);

  const leaks = [
    ...whilst,
    ...scanFolder(),
    ...scan('the process log', logged),
    ...stack.azure.arm.executions.flatMap(({ command }) => scan('a text sent to Azure', command)),
    ...said.flatMap(({ by, text }) => scan(`the answer to ${by}`, text)),
  ];
  expect([...new Set(leaks)]).toEqual([]);
}, 90_000);

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
