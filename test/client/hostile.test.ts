import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';

/** What a gateway, or who stands in its place, can do to the person who asks it. */
const folder = mkdtempSync(join(tmpdir(), 'aksgw-hostile-'));
writeFileSync(join(folder, 'batch.yaml'), 'steps:\n- argv: [kubectl, get, pods]\n');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(answer: Answer): Promise<{ url: string; heard: string[] }> {
  const heard: string[] = [];
  const server = createServer((request, response) => {
    heard.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`.trim());
    request.resume().once('end', () => answer(request, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void =>
  void response
    .writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', ...headers })
    .end(JSON.stringify(body));

let homes = 0;
async function aksgw(argv: readonly string[], env: Record<string, string>, isTTY = false) {
  let [out, err] = ['', ''];
  const code = await main(argv, {
    env: { AKSGW_HOME: join(folder, `home-${homes++}`), AKSGW_CLUSTER: 'demo', NO_COLOR: '1', TERM: 'dumb', ...env },
    stdin: (async function* () {})(),
    stdout: { isTTY, write: (chunk) => (out += Buffer.from(chunk as string).toString()) },
    stderr: { isTTY, write: (chunk) => (err += Buffer.from(chunk as string).toString()) },
    cwd: () => folder,
    sleep: async () => undefined,
  });
  return { code, out, err };
}

describe('what a gateway says is shown, and obeyed by nothing', () => {
  const EVIL = 'x\u001b]52;c;eA==\u0007\u009b31m\u202e\u2066\u200e\u2028\r\naksgw: Signed in.\nlast';
  const record = {
    id: 'c1',
    status: 'completed',
    exitCode: 3,
    stdout: '',
    stderr: '',
    truncated: false,
    warnings: [EVIL],
    failure: { code: EVIL, message: EVIL },
    cluster: EVIL,
    argv: [EVIL],
    submittedAt: EVIL,
  };
  const kinds = [{ name: EVIL, kind: EVIL, version: EVIL, namespaced: true, shortNames: [EVIL] }];
  const run = { slot: EVIL, at: EVIL, commandId: EVIL, outcome: EVIL, exitCode: 1, why: EVIL };
  const job = {
    name: EVIL, cluster: EVIL, schedule: EVIL, timeZone: EVIL, enabled: true, argv: [EVIL], steps: null, health: false, onError: EVIL,
    options: { [EVIL]: { kind: 'enum', values: [EVIL], default: EVIL } }, onMissed: EVIL, onOverlap: EVIL, next: [EVIL],
    suspended: { since: EVIL, why: EVIL }, lastRun: run, runs: [run],
  }; // prettier-ignore
  const attributes = { verb: EVIL, group: EVIL, resource: EVIL, subresource: EVIL, namespace: EVIL, name: EVIL };
  const answers: Readonly<Record<string, unknown>> = {
    '/v1/commands/c1': record,
    '/v1/commands/c1/cancel': record,
    '/v1/commands': { items: [record] },
    '/v1/clusters': { items: [{ name: EVIL, runAs: EVIL, defaultNamespace: EVIL, frozen: EVIL }] },
    '/v1/clusters/demo': {
      name: EVIL, runAs: EVIL, defaultNamespace: EVIL, frozen: EVIL, tools: { kubectl: EVIL, helm: EVIL },
      resources: { listed: kinds, discovered: { at: EVIL, items: kinds, disputed: [EVIL], truncated: true } },
    }, // prettier-ignore
    '/v1/clusters/demo/commands': record,
    '/v1/clusters/demo/batches': { id: 'b1', status: 'completed', onError: EVIL, items: [record, record] },
    '/v1/clusters/demo/explain': {
      allowed: false, command: EVIL, files: [{ path: EVIL, bytes: 1 }], warnings: [EVIL], decision: { verdict: EVIL, explanation: EVIL },
      rules: [{ attributes, allowed: false, rule: EVIL, role: EVIL }],
    }, // prettier-ignore
    '/v1/clusters/demo/access': {
      items: [{ effect: EVIL, verbs: [EVIL], resources: [EVIL], nonResourceURLs: [EVIL], except: [EVIL], namespaces: [EVIL], names: [EVIL], role: EVIL }],
      warnings: [EVIL],
    }, // prettier-ignore
    '/v1/clusters/demo/health': {
      cluster: EVIL, namespace: EVIL, status: EVIL, at: EVIL, more: 1, cut: true, parts: { [EVIL]: { status: EVIL, reason: EVIL } },
      findings: [{ severity: EVIL, what: EVIL, namespace: EVIL, object: EVIL, detail: EVIL }],
    }, // prettier-ignore
    '/v1/whoami': {
      principal: { kind: EVIL, oid: EVIL, tid: EVIL, appRoles: [EVIL], groups: [EVIL] }, roles: [{ cluster: EVIL, roles: [EVIL] }], unknown: [EVIL],
    }, // prettier-ignore
    '/v1/jobs': { items: [job] },
    '/v1/jobs/x': job,
    '/v1/jobs/x/run': record,
  };
  const commands = [
    ['kubectl', 'get', 'pods'], ['kubectl', 'logs', '-f', 'x'], ['kubectl', 'get', 'pods', '-w'], ['ps'], ['clusters'], ['clusters', 'demo'], ['whoami'], ['access'],
    ['explain', 'kubectl', 'get', 'pods'], ['result', 'c1'], ['wait', 'c1'], ['cancel', 'c1'], ['batch', 'batch.yaml'], ['health'],
    ['jobs', 'list'], ['jobs', 'show', 'x'], ['jobs', 'run', 'x'],
  ]; // prettier-ignore

  /** Nothing that moves, colours or reprograms a terminal, turns text around or makes a line of the wrapper's own. */
  const obeyed = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]|^(?:aksgw: Signed in|last)/mu;

  test.each(commands.map((argv) => [argv.join(' '), argv] as const))('aksgw %s', async (_, argv) => {
    const env = (url: string) => ({ AKSGW_URL: url, AKSGW_TOKEN: 'secret-token' });
    const { url, heard } = await serve((request, response) => {
      const answer = answers[(request.url ?? '').replace(/\?.*/, '')];
      if (answer === undefined) json(response, 404, { code: EVIL, detail: EVIL, next: EVIL });
      else json(response, 200, answer);
    });
    for (const isTTY of [true, false]) {
      const { out, err } = await aksgw(argv, env(url), isTTY);
      expect(out + err).not.toMatch(obeyed);
      const { out: asJson } = await aksgw(['-o', 'json', ...argv], env(url), isTTY);
      expect(asJson.replaceAll('\\n', '')).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u);
      if (asJson !== '') expect(JSON.stringify(JSON.parse(asJson))).toContain(JSON.stringify(EVIL));
    }
    expect(heard.length).toBeGreaterThan(1);

    const problem = await serve((_request, response) => json(response, 403, { code: EVIL, detail: EVIL, next: EVIL }));
    const refused = await aksgw(argv, env(problem.url), true);
    expect(refused.code).toBe(125);
    expect(refused.err).not.toMatch(obeyed);
    // A problem without its last member is none the less one.
    const short = await serve((_request, response) => json(response, 403, { code: 'policy-denied', detail: 'no' }));
    expect((await aksgw(argv, env(short.url))).err).not.toContain('undefined');
  });

  test.each([
    [
      'nested too deep to be shown',
      () =>
        `{"principal":{},"roles":[],"unknown":[],"name":"x","resources":{},"tools":{},"items":[],"warnings":[],"deep":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
    ],
    ['of another shape', () => '[[],[],[]]'],
    ['empty', () => '{}'],
  ])('an answer that is %s is not understood, as JSON too', async (_, made) => {
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(made()),
    );
    for (const argv of [['whoami'], ['access'], ['clusters', 'demo'], ['clusters'], ['jobs', 'list'], ['ps']]) {
      const { code, out } = await aksgw(['-o', 'json', ...argv], { AKSGW_URL: url, AKSGW_TOKEN: 't' });
      // A list that is whole is one, whatever stands beside it.
      if (out !== '[]\n') expect([argv, code, out]).toEqual([argv, 126, '']);
    }
  });

  test.each([
    { warnings: 'one text' },
    { warnings: [{}] },
    { stdoutBase64: 5 },
    { stderrBase64: {} },
    { stdout: null },
    { status: 5 },
    { exitCode: '0' },
    { exitCode: -1 },
  ])('a record with %j is not understood, and no success', async (changes) => {
    const { url } = await serve((_, response) => json(response, 200, { ...record, exitCode: 0, ...changes }));
    for (const argv of [
      ['kubectl', 'get', 'pods'],
      ['result', 'c1'],
    ])
      // prettier-ignore
      expect(await aksgw(argv, { AKSGW_URL: url, AKSGW_TOKEN: 't' })).toMatchObject({ code: 126, out: '' });
  });
});

describe('a token goes to the gateway’s own address alone', () => {
  const record = {
    id: 'c1',
    status: 'completed',
    exitCode: 0,
    stdout: 'out\n',
    stderr: '',
    warnings: [],
    truncated: false,
  };

  test.each([301, 302, 303, 307, 308])('not where a %i leads, of whatever request', async (status) => {
    const other = await serve((_, response) => json(response, 200, record));
    const { url } = await serve((_, response) => response.writeHead(status, { location: `${other.url}/x` }).end());
    const env = { AKSGW_URL: url, AKSGW_TOKEN: 'secret-token' };
    for (const argv of [['kubectl', 'get', 'pods'], ['whoami'], ['cancel', 'c1'], ['health']])
      expect((await aksgw(argv, env)).code).toBe(126);
    expect((await aksgw(['login', url], {})).code).toBe(125);
    const config = ['config', 'check', join(import.meta.dirname, '../../infra/policies/gateway.yaml')];
    expect((await aksgw([...config, '--against', url], env)).code).toBe(125);
    expect(other.heard).toEqual([]);
  });

  test('not where Location, Content-Location, Link, a challenge or the record itself point', async () => {
    const other = await serve((_, response) => json(response, 200, record));
    const headers = {
      location: `${other.url}/v1/commands/c1`,
      'content-location': `${other.url}/v1/commands/c1`,
      link: `<${other.url}/>; rel="next"`,
      'www-authenticate': `Bearer resource_metadata="${other.url}/.well-known/oauth-protected-resource"`,
      refresh: `0; url=${other.url}`,
      'alt-svc': `h2="${new URL(other.url).host}"; ma=86400`,
    };
    const self = { instance: `${other.url}/v1/commands/c1`, next: other.url, links: { self: other.url } };
    const { url, heard } = await serve((request, response) => {
      if (request.method === 'POST')
        json(response, 202, { ...record, ...self, status: 'running', exitCode: null }, headers);
      else json(response, 200, { ...record, ...self }, headers);
    });
    const env = { AKSGW_URL: url, AKSGW_TOKEN: 'secret-token' };
    expect(await aksgw(['kubectl', 'get', 'pods'], env)).toMatchObject({ code: 0, out: 'out\n' });
    expect(heard).toEqual([
      'POST /v1/clusters/demo/commands Bearer secret-token',
      'GET /v1/commands/c1 Bearer secret-token',
    ]);
    const denied = await serve((_, response) =>
      json(response, 401, { code: 'token-invalid', detail: 'no', next: 'sign in', instance: other.url }, headers),
    );
    expect((await aksgw(['whoami'], { ...env, AKSGW_URL: denied.url })).code).toBe(125);
    expect(other.heard).toEqual([]);
  });

  test.each(['http://gateway.example.com', 'http://10.0.0.1', 'http://127.0.0.1.example.com', 'http://localhost.example.com', 'ftp://127.0.0.1'])(
    'not to %s, where others could read it',
    async (url) => {
      for (const argv of [['whoami'], ['login', url], ['kubectl', 'get', 'pods']]) {
        const { code, err } = await aksgw(argv, { AKSGW_URL: url, AKSGW_TOKEN: 'secret-token' });
        expect([url.startsWith('ftp') ? 2 : 125, expect.stringMatching(/https/)]).toEqual([code, err]);
      }
    },
  ); // prettier-ignore
});

describe('a file of contexts that somebody else wrote', () => {
  const ID = '22222222-2222-4222-8222-222222222222';
  const signIn = { method: 'azure-cli', application: ID, authority: 'https://login.microsoftonline.com', tenant: ID };
  const context = { name: 'one', url: 'https://gateway.example.com', 'sign-in': signIn };
  const file = (value: unknown): Record<string, string> => {
    const home = join(folder, `home-${homes++}`);
    mkdirSync(home);
    const text = typeof value === 'string' ? value : JSON.stringify({ 'current-context': 'one', contexts: [value] });
    writeFileSync(join(home, 'config.yaml'), text, { mode: 0o600 });
    return { AKSGW_HOME: home, PATH: '' };
  };

  test.each<[string, (url: string) => unknown, RegExp]>([
    ['plain http', () => ({ ...context, url: 'http://gateway.example.com' }), /not https/],
    ['a password in the address', () => ({ ...context, url: 'https://a:b@gateway.example.com' }), /has no user/],
    ['an Entra of its own', (url) => ({ ...context, 'sign-in': { ...signIn, authority: url } }), /not Entra's/],
    ['one that only begins alike', () => ({ ...context, 'sign-in': { ...signIn, authority: 'https://login.microsoftonline.com.example.com' } }), /not Entra's/],
    ['one behind an @', (url) => ({ ...context, url, 'sign-in': { ...signIn, authority: `http://127.0.0.1@${url.slice(7)}` } }), /not Entra's/],
    ['Azure Resource Manager', () => ({ ...context, 'sign-in': { ...signIn, application: '797f4846-ba00-4fd7-ba43-dac1f8f63013' } }), /Azure Resource Manager/],
    ['another tenant by a path', () => ({ ...context, 'sign-in': { ...signIn, tenant: '../common' } }), /GUID/],
    ['a program to run', () => ({ ...context, 'sign-in': { ...signIn, exec: { command: 'sh' } } }), /does not know the key exec/],
    ['a way to sign in that is none', () => ({ ...context, 'sign-in': { ...signIn, method: '__proto__' } }), /method has to be one of/],
    ['no mapping', () => '[]', /is not a mapping/],
    ['aliases without end', () => `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.split('').map((name, at) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefg'[at]}`).join(',')}]`).join('\n')}\n`, /alias/i],
  ])('with %s sends nothing, and is named', async (_what, made, why) => {
    const { url, heard } = await serve((_, response) => json(response, 200, {}));
    for (const argv of [['whoami'], ['kubectl', 'get', 'pods'], ['login']]) {
      const { code, err } = await aksgw(argv, file(made(url)));
      expect([code, err]).toEqual([125, expect.stringMatching(why)]);
      expect(err).toContain('config.yaml');
    }
    expect(heard).toEqual([]);
  }); // prettier-ignore

  test('with names that a terminal obeys is shown as text', async () => {
    const env = file({ ...context, name: 'one', cluster: '\u001b]0;x\u0007\nforged' });
    const { out, code } = await aksgw(['config', 'get-contexts'], env, true);
    expect([code, out]).toEqual([0, expect.stringContaining('\\x1b]0;x\\x07 forged')]);
  });
});

describe('a process', () => {
  const record = {
    id: 'c1',
    status: 'running',
    exitCode: null,
    stdout: '',
    stderr: '',
    warnings: [],
    truncated: false,
  };
  const start = (argv: readonly string[], env: Record<string, string>) => {
    const path = join(import.meta.dirname, '../../shared/client/aksgw.ts');
    const home = join(folder, `home-${homes++}`);
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', path, ...argv], {
      env: { PATH: process.env['PATH'], AKSGW_HOME: home, AKSGW_CLUSTER: 'demo', AKSGW_TOKEN: 't', ...env },
      cwd: folder,
    });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<{ code: number | null; err: string }>((resolve) =>
      child.once('close', (code) => resolve({ code, err })),
    );
    return { child, ended };
  };

  test('that follows a log ends when its reader has gone, quietly and as SIGPIPE would end it', async () => {
    let looks = 0;
    const { url } = await serve((request, response) => {
      if (request.method !== 'POST') return json(response, 200, {});
      looks += 1;
      const line = `2026-11-28T12:00:${String(10 + looks)}Z line ${looks}\n`;
      const step = { ...record, status: 'completed', exitCode: 0, stdout: line };
      json(response, 200, {
        id: 'b1',
        status: 'completed',
        onError: 'continue',
        items: looks === 1 ? [step] : [step, step],
      });
    });
    const { child, ended } = start(['kubectl', 'logs', '-f', 'web-0'], { AKSGW_URL: url });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.destroy();
    const { code, err } = await ended;
    expect([code, err]).toEqual([141, expect.stringMatching(/^aksgw: following by a look[^\n]*\n$/)]);
  }, 60_000);

  test('that is interrupted without a terminal says how to come back, and cancels nothing', async () => {
    let asked: () => void = () => undefined;
    const looked = new Promise<void>((resolve) => (asked = resolve));
    const { url, heard } = await serve((request, response) => {
      if (request.method === 'POST') return json(response, 202, record);
      asked(); // and gets no answer
    });
    const { child, ended } = start(['kubectl', 'get', 'pods'], { AKSGW_URL: url });
    await looked;
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, err: expect.stringContaining('it goes on: aksgw wait c1') });
    expect(heard.filter((line) => line.includes('cancel'))).toEqual([]);
  }, 60_000);

  test('without a home that can be written runs its command, and says of a sign-in what it could not write', async () => {
    writeFileSync(join(folder, 'no-folder'), '');
    const { url } = await serve((_, response) => json(response, 200, { ...record, status: 'completed', exitCode: 4 }));
    const home = { AKSGW_HOME: join(folder, 'no-folder/aksgw') };
    expect(await aksgw(['kubectl', 'get', 'pods'], { AKSGW_URL: url, AKSGW_TOKEN: 't', ...home })).toMatchObject({
      code: 4,
      err: '',
    });
    expect(await aksgw(['ps'], { AKSGW_URL: url, ...home })).toMatchObject({ code: 125 });
  });
});
