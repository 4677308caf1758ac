import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
let home: string;
beforeAll(async () => {
  stack = await testStack();
});
afterAll(() => stack.close());

const servers: Server[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A person at a machine of their own: an empty home, and the programs they have. */
function person(programs: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-person-'));
  folders.push(folder);
  home = join(folder, 'home');
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const aksgw = async (
    argv: readonly string[],
    env: Record<string, string> = {},
    onStderr?: (text: string) => void,
  ) => {
    let [out, err] = ['', ''];
    const code = await main(argv, {
      env: { AKSGW_HOME: home, PATH: `${bin}:/usr/bin:/bin`, FOLDER: folder, ...env },
      stdin: (async function* () {})(),
      stdout: { write: (chunk) => (out += Buffer.from(chunk as string).toString()) },
      stderr: {
        write(chunk) {
          err += Buffer.from(chunk as string).toString();
          onStderr?.(err);
        },
      },
      cwd: () => folder,
      sleep: async () => undefined,
    });
    return { code, out, err };
  };
  return { aksgw, folder, tokens: () => readFileSync(join(home, 'tokens.json'), 'utf8') };
}

/** An `az` that answers with a token of the emulated Entra, and notes what it was asked for. */
const azWith = (token: string): string =>
  `echo "$*" >> "$FOLDER/az.log"\nprintf '{"accessToken": "%s", "tokenType": "Bearer"}' '${token}'`;
const userToken = (claims: object = {}) =>
  stack.azure.entra.userToken({ oid: people.user, groups: [people.team], ...claims });
const GET = ['--cluster', 'demo', 'kubectl', 'get', 'pods', '-n', 'shop', '-o', 'name'];

describe('aksgw login', () => {
  test('by the Azure CLI: asks it for the gateway alone, and once; then commands go', async () => {
    const { aksgw, folder } = person({ az: azWith(await userToken()) });
    const signedIn = await aksgw(['login', stack.url]);
    expect(signedIn).toMatchObject({ code: 0 });
    expect(signedIn.err).toContain(`for application ${stack.azure.entra.audience} of tenant`);
    expect((await aksgw(GET)).out).toContain('pod/web-');
    expect(readFileSync(join(folder, 'az.log'), 'utf8')).toBe(
      `account get-access-token --scope ${stack.azure.entra.audience}/.default --tenant ${stack.azure.entra.tenants[0]} --output json\n`,
    );
    expect((await aksgw(['whoami'])).out).toContain(people.user);
    for (const file of ['tokens.json', 'config.yaml', 'history.jsonl'])
      expect(statSync(join(home, file)).mode & 0o777).toBe(0o600);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect((await aksgw(['config', 'get-contexts'])).out).toMatch(/^CURRENT +NAME[^]*\* +127\.0\.0\.1-\d+/);
    chmodSync(join(home, 'tokens.json'), 0o644);
    expect(await aksgw(GET)).toMatchObject({ code: 125, err: expect.stringContaining('chmod 600') });
  });

  test('by device code: shows it, waits for the person, refreshes ahead, and says when the sign-in has ended', async () => {
    const { aksgw, tokens } = person();
    const { entra } = stack.azure;
    let decided = false;
    const signedIn = await aksgw(['login', stack.url, '--method', 'device-code'], {}, () => {
      const device = entra.devices.at(-1);
      if (device && !decided) setImmediate(() => entra.decideDevice(device.userCode, { oid: people.user }));
      decided ||= device !== undefined;
    });
    expect(signedIn).toMatchObject({ code: 0, err: expect.stringContaining('enter the code') });
    expect(entra.devices.at(-1)?.scope).toBe(`${entra.audience}/.default offline_access`);
    const first = tokens();
    expect(first).toContain('refreshToken');
    // Almost over: another one is got before it is needed.
    writeFileSync(join(home, 'tokens.json'), first.replace(/"expires": \d+/, `"expires": ${Date.now() / 1_000 + 60}`));
    expect((await aksgw(['whoami'])).code).toBe(0);
    expect(tokens()).not.toBe(first);
    // Over, and Entra takes the refresh token no more.
    entra.revoke();
    writeFileSync(join(home, 'tokens.json'), tokens().replace(/"expires": \d+/, '"expires": 1'));
    expect(await aksgw(GET)).toMatchObject({ code: 125, err: expect.stringContaining(`aksgw login ${stack.url}`) });
    expect(await aksgw(GET)).toMatchObject({ code: 125, err: expect.stringContaining('nobody is signed in') });
  });

  test('that ends while a command is waited for: is got again ahead of its end, or named with what goes on', async () => {
    const { aksgw, tokens } = person();
    const { entra } = stack.azure;
    const { audience, tenants, authority } = entra;
    let [refused, url] = ['', ''];
    const record = { id: 'c1', stdout: 'out\n', stderr: '', warnings: [], truncated: false };
    url = await serve((request, response) => {
      const send = (status: number, kind: string, body: object): void =>
        void response.writeHead(status, { 'content-type': kind }).end(JSON.stringify(body));
      const bearer = request.headers.authorization ?? '';
      if (request.url?.startsWith('/.well-known/'))
        send(200, 'application/json', {
          resource: url,
          audience,
          scope: `${audience}/.default`,
          authorization_servers: [`${authority}/${tenants[0]}/v2.0`],
        });
      else if (request.method === 'POST') {
        refused = bearer; // from now on
        send(200, 'application/json', { ...record, status: 'running', exitCode: null });
      } else if (bearer === refused)
        send(401, 'application/problem+json', {
          code: 'token-expired',
          detail: 'over',
          next: 'sign in',
          retryable: false,
        });
      else send(200, 'application/json', { ...record, status: 'completed', exitCode: 0 });
    });
    let decided = false;
    await aksgw(['login', url, '--method', 'device-code'], {}, (err) => {
      const device = /enter the code/.test(err) ? entra.devices.at(-1) : undefined;
      if (device && !decided) setImmediate(() => entra.decideDevice(device.userCode, { oid: people.user }));
      decided ||= device !== undefined;
    });
    const before = tokens();
    expect(await aksgw(GET)).toMatchObject({ code: 0, out: 'out\n' });
    expect(tokens()).not.toBe(before);
    entra.revoke();
    const ended = await aksgw(GET);
    expect(ended).toMatchObject({ code: 126, err: expect.stringContaining(`aksgw login ${url}`) });
    expect(ended.err).toContain('it goes on: aksgw wait c1');
  });

  test('by device code: a person who says no is not signed in', async () => {
    const { aksgw } = person();
    const { entra } = stack.azure;
    const ended = await aksgw(['login', stack.url, '--method', 'device-code'], {}, () => {
      const device = entra.devices.at(-1);
      if (device) setImmediate(() => entra.decideDevice(device.userCode, 'declined'));
    });
    expect(ended).toMatchObject({ code: 125, err: expect.stringContaining('authorization_declined') });
  });

  test('by browser, with PKCE; an answer with another state is none', async () => {
    // The browser follows Entra's redirect, after somebody else has tried the port.
    const browser =
      'port=$(printf %s "$1" | sed "s/.*localhost%3A\\([0-9]*\\).*/\\1/")\n' +
      'curl -s -o "$FOLDER/forged" "http://127.0.0.1:$port/?code=x&state=y"; curl -s -L -o "$FOLDER/page" "$1"';
    const { aksgw, folder } = person({ browser });
    const env = { BROWSER: join(folder, 'bin/browser') };
    stack.azure.entra.signInBrowser(people.user);
    expect(await aksgw(['login', stack.url, '--method', 'browser'], env)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'forged'), 'utf8')).toContain('not the answer');
    expect((await aksgw(['whoami'])).code).toBe(0);
    stack.azure.entra.signInBrowser(undefined);
    expect(await aksgw(['login', stack.url, '--method', 'browser'], env)).toMatchObject({
      code: 125,
      err: expect.stringContaining('access_denied'),
    });
  });

  test('by managed identity of App Service: its secret and the application go to its endpoint, nothing else', async () => {
    const token = await stack.azure.entra.appToken({ oid: people.bot, roles: ['Viewer'] });
    const asked: unknown[] = [];
    const endpoint = await serve((request, response) => {
      asked.push([request.headers['x-identity-header'], request.url]);
      response.end(JSON.stringify({ access_token: token }));
    });
    const { aksgw } = person();
    const env = { IDENTITY_ENDPOINT: `${endpoint}/msi/token`, IDENTITY_HEADER: 'shh' };
    expect(await aksgw(['login', stack.url], env)).toMatchObject({ code: 0 });
    const query = `api-version=2019-08-01&resource=${stack.azure.entra.audience}`;
    expect(asked).toEqual([['shh', `/msi/token?${query}`]]);
  });

  test('by workload identity: the federated token goes to the pinned tenant, whatever AZURE_AUTHORITY_HOST says', async () => {
    const { aksgw, folder } = person();
    const assertion = await stack.azure.entra.sign({ sub: 'system:serviceaccount:ci:deployer' });
    writeFileSync(join(folder, 'assertion'), assertion);
    const env = {
      AZURE_FEDERATED_TOKEN_FILE: join(folder, 'assertion'),
      AZURE_CLIENT_ID: stack.azure.entra.audience,
      AZURE_AUTHORITY_HOST: 'https://attacker.example.com',
    };
    expect(await aksgw(['login', stack.url], env)).toMatchObject({ code: 0 });
    expect(stack.azure.entra.requests.at(-1)).toMatchObject({
      grant: 'client_credentials',
      path: `/${stack.azure.entra.tenants[0]}/oauth2/v2.0/token`,
    });
  });

  test('keeps what outlives the hour in a keyring where there is one, and logout empties it', async () => {
    const keyring = `case $1 in store) cat > "$FOLDER/kept";; lookup) cat "$FOLDER/kept";; clear) rm "$FOLDER/kept";; esac`;
    const { aksgw, tokens, folder } = person({ 'secret-tool': keyring, browser: 'curl -s -L -o /dev/null "$1"' });
    const env = { BROWSER: join(folder, 'bin/browser'), DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere' };
    stack.azure.entra.signInBrowser(people.user);
    expect(await aksgw(['login', stack.url, '--method', 'browser'], env)).toMatchObject({ code: 0 });
    expect(tokens()).not.toContain('refreshToken');
    expect(readFileSync(join(folder, 'kept'), 'utf8')).toMatch(/^1\./);
    writeFileSync(join(home, 'tokens.json'), tokens().replace(/"expires": \d+/, '"expires": 1'));
    expect((await aksgw(['whoami'], env)).code).toBe(0);
    expect((await aksgw(['logout'], env)).code).toBe(0);
    expect(tokens()).toBe('{}\n');
    expect(() => statSync(join(folder, 'kept'))).toThrow();
    expect(await aksgw(['whoami'], env)).toMatchObject({ code: 125 });
  });

  test('a token that no header can carry is 125 at once, and a newline behind one does not matter', async () => {
    const { aksgw } = person();
    const gateway = { AKSGW_URL: stack.url };
    expect(await aksgw(GET, { ...gateway, AKSGW_TOKEN: 'not a token' })).toMatchObject({
      code: 125,
      err: expect.stringContaining('AKSGW_TOKEN is not a token'),
    });
    expect((await aksgw(GET, { ...gateway, AKSGW_TOKEN: `${await userToken()}\n` })).code).toBe(0);
  });

  test('a failed sign-in is 125 at once, and names the command that mends it', async () => {
    const { aksgw } = person({ az: "echo 'ERROR: AADSTS70043: The refresh token has expired' >&2; exit 1" });
    const ended = await aksgw(['login', stack.url]);
    expect(ended.code).toBe(125);
    expect(ended.err).toContain('AADSTS70043');
    expect(ended.err).toContain(`az login --tenant ${stack.azure.entra.tenants[0]}`);
    const cold = await aksgw(['--url', stack.url, ...GET]);
    expect(cold).toMatchObject({
      code: 125,
      err: `aksgw: nobody is signed in to ${stack.url}: aksgw login ${stack.url}\n`,
    });
  });
});

describe('a server does not choose which credential it gets:', () => {
  /** What a hostile gateway says of itself, beside what an honest one would. */
  async function hostile(changes: (url: string) => object, path = '') {
    const heard: string[] = [];
    const url = await serve((request, response) => {
      heard.push(request.headers.authorization ?? '');
      const { audience, tenants, authority } = stack.azure.entra;
      const honest = {
        resource: url + path,
        audience,
        scope: `${audience}/.default`,
        authorization_servers: [`${authority}/${tenants[0]}/v2.0`],
        tenants,
      };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...honest, ...changes(url) }));
    });
    return { url: url + path, heard };
  }
  const ARM = '797f4846-ba00-4fd7-ba43-dac1f8f63013';

  test.each<[string, object, RegExp]>([
    [
      'Azure Resource Manager by its address',
      { scope: 'https://management.azure.com/.default' },
      /not a scope of its own/,
    ],
    ['Key Vault', { scope: 'https://vault.azure.net/.default' }, /not a scope of its own/],
    ['Microsoft Graph', { scope: 'https://graph.microsoft.com/.default' }, /not a scope of its own/],
    ['Resource Manager by its id', { audience: ARM, scope: `${ARM}/.default` }, /Azure Resource Manager/],
    ['Resource Manager in capitals', { audience: ARM.toUpperCase(), scope: `${ARM}/.default` }, /Resource Manager/],
    ['two scopes', { scope: `api://x/.default https://graph.microsoft.com/.default` }, /not a scope of its own/],
    ['another resource', { resource: 'https://gateway.example.com' }, /says that it is/],
    [
      'an Entra of its own',
      { authorization_servers: ['https://login.attacker.example/x/v2.0'] },
      /not a tenant of Entra/,
    ],
    [
      'any tenant',
      { authorization_servers: ['https://login.microsoftonline.com/common/v2.0'] },
      /not a tenant of Entra/,
    ],
    ['no application', { audience: 'https://vault.azure.net' }, /by its id/],
    ['words a terminal obeys', { scope: '\u001b]52;c;eA==\u0007' }, /\\x1b\]52/],
  ])('not by metadata with %s', async (_what, changes, words) => {
    const { aksgw, folder } = person({ az: azWith(await userToken()) });
    const { url, heard } = await hostile(() => changes);
    const ended = await aksgw(['login', url]);
    expect(ended.code).toBe(125);
    expect(ended.err).toMatch(words);
    expect(heard).toEqual(['']);
    expect(() => statSync(join(folder, 'az.log'))).toThrow();
  });

  test('not over plain http, nor by a redirect', async () => {
    const { aksgw } = person({ az: azWith(await userToken()) });
    expect(await aksgw(['login', 'http://gateway.example.com'])).toMatchObject({
      code: 125,
      err: expect.stringContaining('not https'),
    });
    const { url: other, heard } = await hostile(() => ({}));
    const url = await serve((request, response) =>
      response.writeHead(302, { location: `${other}${request.url}` }).end(),
    );
    expect(await aksgw(['login', url])).toMatchObject({ code: 125, err: expect.stringContaining('302') });
    expect(heard).toEqual([]);
    expect(await aksgw([...GET], { AKSGW_TOKEN: 't', AKSGW_URL: 'http://gateway.example.com' })).toMatchObject({
      code: 125,
      err: expect.stringContaining('not https'),
    });
  });

  test.each<[string, object, RegExp]>([
    ['another application', { aud: ARM }, /is for 797f4846/],
    ['another tenant', { tid: '99999999-9999-4999-8999-999999999999' }, /is of tenant 9999/],
    ["version 1, as Azure's own services take", { ver: '1.0' }, /version 1\.0/],
  ])('not with a token of %s, whoever gave it', async (_what, claims, words) => {
    const { entra } = stack.azure;
    const usual = { aud: entra.audience, tid: entra.tenants[0], ver: '2.0', exp: 4e9 };
    const { aksgw } = person({ az: azWith(await entra.sign({ ...usual, ...claims })) });
    const ended = await aksgw(['login', stack.url]);
    expect(ended.code).toBe(125);
    expect(ended.err).toMatch(words);
  });

  test('not by another address than it was got for, and not by changing its mind', async () => {
    const { aksgw } = person({ az: azWith(await userToken()) });
    expect((await aksgw(['login', stack.url])).code).toBe(0);
    let changed = {};
    const { url, heard } = await hostile(() => changed);
    const stranger = await aksgw(['--url', url, ...GET]);
    expect(stranger).toMatchObject({ code: 125, err: expect.stringContaining('nobody is signed in') });
    expect(heard).toEqual([]);
    expect(await aksgw(['login', url, '--name', 'other'])).toMatchObject({
      code: 0,
      err: expect.stringContaining(`${stack.url} is the same application`),
    });
    const later = '88888888-8888-4888-8888-888888888888';
    changed = { audience: later, scope: `${later}/.default` };
    const ended = await aksgw(['login', url, '--name', 'other']);
    expect(ended).toMatchObject({ code: 125, err: expect.stringContaining(`pinned to ${stack.azure.entra.audience}`) });
    expect(heard).toEqual(['', '']);
  });
});

describe('contexts', () => {
  test('are chosen by name, by address, or once for all; flags and environment stand above them', async () => {
    const { aksgw } = person({ az: azWith(await userToken()) });
    expect((await aksgw(['config', 'current-context'])).code).toBe(2);
    await aksgw(['login', stack.url, '--name', 'one']);
    await aksgw(['login', stack.url, '--name', 'two']);
    expect((await aksgw(['config', 'current-context'])).out).toBe('two\n');
    expect((await aksgw(['config', 'use-context', 'one'])).code).toBe(0);
    expect(await aksgw(['kubectl', 'get', 'pods'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('which cluster'),
    });
    expect((await aksgw(['config', 'set', 'cluster', 'demo'])).code).toBe(0);
    expect((await aksgw(['kubectl', 'get', 'pods', '-n', 'shop'])).code).toBe(0);
    expect((await aksgw(['--context', 'two', 'kubectl', 'get', 'pods'])).code).toBe(2);
    expect(await aksgw(['kubectl', 'get', 'pods'], { AKSGW_CLUSTER: 'nope' })).toMatchObject({ code: 125 });
    expect((await aksgw(['--cluster', 'demo', 'kubectl', 'get', 'pods'], { AKSGW_CLUSTER: 'nope' })).code).toBe(0);
    expect((await aksgw(['clusters'])).out).toMatch(/^CURRENT +NAME[^]*\* +demo/);
    expect((await aksgw(['config', 'use-context', 'three'])).code).toBe(2);
    expect((await aksgw(['config', 'set', 'url', 'x'])).code).toBe(2);
    expect((await aksgw(['config', 'delete-context', 'one'])).code).toBe(0);
    expect((await aksgw(['kubectl', 'get', 'pods'])).err).toContain('which gateway');
  });

  test('that are not understood are named', async () => {
    const { aksgw } = person();
    mkdirSync(home);
    const path = join(home, 'config.yaml');
    writeFileSync(path, 'contexts: [{ name: x, url: y, token: z }]', { mode: 0o600 });
    expect(await aksgw(['config', 'get-contexts'])).toEqual({
      code: 125,
      out: '',
      err: `aksgw: ${path}: does not know the key token\n`,
    });
  });
});
