import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { note, readHistory } from '../../shared/client/history.ts';
import { ownName, whileLocked } from '../../shared/client/lock.ts';
import { main } from '../../shared/client/main.ts';

const folder = mkdtempSync(join(tmpdir(), 'aksgw-own-files-'));
let home: string;
let rounds = 0;
beforeEach(() => {
  home = join(folder, `home-${rounds++}`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TENANT = '11111111-1111-4111-8111-111111111111';
const APPLICATION = '22222222-2222-4222-8222-222222222222';

/** A gateway and its Entra, which takes each refresh token once, as strict servers do (RFC 9700, section 4.14.2). */
let server: Server;
let url: string;
const refreshes: string[] = [];
const good = new Set<string>();
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.once('end', () => {
      const say = (status: number, value: object): void =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      if (request.url?.includes('/v1/')) return say(200, { items: [] });
      const given = new URLSearchParams(body).get('refresh_token') ?? '';
      refreshes.push(given);
      if (!good.delete(given)) return say(400, { error: 'invalid_grant', error_description: 'used before' });
      const next = `${given}+`;
      good.add(next);
      // Long enough that all of them are on their way.
      setTimeout(() => say(200, { access_token: accessToken(), refresh_token: next }), 300);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const accessToken = (): string => {
  const claims = { aud: APPLICATION, tid: TENANT, ver: '2.0', exp: Math.floor(Date.now() / 1_000) + 3_600 };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
};

/** Signed in some time ago at so many gateways, each an account of its own. */
function signedIn(names: readonly string[]): void {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const contexts = names.map((name) => ({
    name,
    url: `${url}/${name}`,
    'sign-in': { method: 'device-code', application: APPLICATION, authority: url, tenant: TENANT },
  }));
  writeFileSync(join(home, 'config.yaml'), JSON.stringify({ 'current-context': names[0], contexts }), { mode: 0o600 });
}

const client = (file: string): string => new URL(`../../shared/client/${file}`, import.meta.url).href;

/** A process of its own that runs a piece of a module; resolves with what it printed and its code. */
function processOf(script: string): Promise<{ code: number | null; out: string }> {
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const child = spawn(process.execPath, words, { env: { PATH: process.env['PATH'], AKSGW_HOME: home } });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out })));
}

const aksgw = (...argv: readonly string[]): string => `
  import { main } from '${client('main.ts')}';
  const { env, stdin, stdout, stderr } = process;
  process.exitCode = await main(${JSON.stringify(argv)}, { env, stdin, stdout, stderr, cwd: () => '/' });
`;
const tokensIn = (): Record<string, { refreshToken?: string }> =>
  JSON.parse(readFileSync(join(home, 'tokens.json'), 'utf8')) as Record<string, { refreshToken?: string }>;

/** Remembers a refresh token for contexts, as a sign-in does, and an access token that has ended; several processes begin together. */
const remembering = (names: readonly string[], together = 1): string => `
  import { appendFileSync, readFileSync } from 'node:fs';
  import { readContexts } from '${client('contexts/contexts.ts')}';
  import { remember } from '${client('sign-in/token-cache.ts')}';
  const { items } = await readContexts(process);
  const ready = process.env.AKSGW_HOME + '-ready';
  appendFileSync(ready, '.');
  while (readFileSync(ready, 'utf8').length < ${together});
  for (const context of items.filter(({ name }) => ${JSON.stringify(names)}.includes(name)))
    await remember(context, { accessToken: 'old', refreshToken: 'refresh-' + context.name }, 1, process);
`;

describe('several processes at once', () => {
  test('refresh a sign-in once, and all of them go on with what one got', async () => {
    signedIn(['one']);
    await processOf(remembering(['one']));
    good.add('refresh-one');
    refreshes.length = 0;
    const ended = await Promise.all(Array.from({ length: 4 }, () => processOf(aksgw('ps'))));
    expect(ended.map(({ code, out }) => [code, out])).toEqual(ended.map(() => [0, expect.stringMatching(/^ID /)]));
    expect(refreshes).toEqual(['refresh-one']);
    expect(Object.values(tokensIn())).toMatchObject([{ refreshToken: 'refresh-one+' }]);
    expect(readdirSync(home).toSorted()).toEqual(['config.yaml', 'tokens.json']);
  }, 60_000);

  test('lose neither a sign-in of another gateway nor a line of the history', async () => {
    const names = ['a', 'b', 'c'].flatMap((letter) => Array.from({ length: 20 }, (_, at) => `${letter}${at}`));
    signedIn(names);
    const noting = (letter: string): string => `
      import { note } from '${client('history.ts')}';
      for (let at = 0; at < 200; at++)
        void note({ id: '${letter}' + at, url: 'https://x', cluster: 'c', argv: ['kubectl', 'get', 'x'.repeat(900)], at: '', cwd: '/',
          files: [], stdin: false }, process);
    `;
    const ended = await Promise.all(
      ['a', 'b', 'c'].map((letter) =>
        processOf(
          remembering(
            names.filter((name) => name.startsWith(letter)),
            3,
          ) + noting(letter),
        ),
      ),
    );
    expect(ended.map(({ code, out }) => [code, out])).toEqual(ended.map(() => [0, '']));
    const kept = Object.values(tokensIn()).map(({ refreshToken }) => refreshToken);
    expect(new Set(kept)).toEqual(new Set(names.map((name) => `refresh-${name}`)));
    const ids = new Set(readHistory({ env: { AKSGW_HOME: home } }).map(({ id }) => id));
    expect(ids.size).toBe(600); // over the size at which the file is set aside
    expect(existsSync(join(home, 'history.older.jsonl'))).toBe(true);
  }, 60_000);
});

describe('a lock', () => {
  const path = (): string => join(home, 'file');
  const held: string[] = [];
  const step = async (name: string): Promise<void> => {
    held.push(`${name} in`);
    await new Promise((resolve) => setImmediate(resolve));
    held.push(`${name} out`);
  };

  test('is one step’s at a time', async () => {
    held.length = 0;
    await Promise.all(['a', 'b', 'c'].map((name) => whileLocked(path(), {}, () => step(name))));
    for (let at = 0; at < held.length; at += 2) expect(held[at + 1]).toBe(held[at]?.replace('in', 'out'));
    expect(readdirSync(home)).toEqual([]);
  });

  test('that a killed process left is none, nor one that is older than any step; a live one is waited for', async () => {
    const dead = await processOf('console.log(process.pid)');
    mkdirSync(home);
    const claim = ownName(path(), 'lock');
    const left = claim.replace(`.${process.pid}.`, `.${dead.out.trim()}.`);
    const old = claim.replace(/\.lock\.[0-9a-f]{8}/, '.lock.00000000');
    const part = ownName(path(), 'part').replace(`.${process.pid}.`, `.${dead.out.trim()}.`);
    for (const file of [left, old, part]) writeFileSync(file, '');
    utimesSync(old, 1, 1);
    expect(await whileLocked(path(), {}, () => 'done')).toBe('done');
    expect(readdirSync(home)).toEqual([]);

    writeFileSync(claim, '');
    const given = new AbortController();
    const waiting = whileLocked(path(), { signal: given.signal }, () => 'done');
    setTimeout(() => given.abort(), 100);
    await expect(waiting).rejects.toThrow('abort');
    rmSync(claim);
  });

  test('is none where nothing can be written', async () => {
    writeFileSync(home, 'a file, not a folder');
    expect(await whileLocked(path(), {}, () => 'done')).toBe('done');
  });
});

describe('the wrapper’s own files', () => {
  const host = () => ({ env: { AKSGW_HOME: home } });
  const entry = { id: 'c1', url: 'https://x', cluster: 'c', argv: ['kubectl', 'get', 'pods'], at: '', cwd: '/' };
  const noted = async () => {
    await note({ ...entry, files: [], stdin: false }, host());
    return readHistory(host()).length;
  };
  const modeOf = (name: string): number => statSync(join(home, name)).mode & 0o777;

  test('are their owner’s alone, also where they were there before and others could read them', async () => {
    signedIn(['one']);
    for (const name of ['tokens.json', 'history.jsonl']) {
      writeFileSync(join(home, name), '');
      chmodSync(join(home, name), 0o666);
    }
    expect(await noted()).toBe(1);
    expect(modeOf('history.jsonl')).toBe(0o600);
    const { readContexts } = await import('../../shared/client/contexts/contexts.ts');
    const { forget } = await import('../../shared/client/sign-in/token-cache.ts');
    const [context] = (await readContexts(host())).items;
    if (!context) throw new Error('there is no context');
    const forgotten = () => forget(context, host() as never);
    // What others could have written is not believed; it can be written over once it is their owner's again.
    await expect(forgotten()).rejects.toThrow('chmod 600');
    chmodSync(join(home, 'tokens.json'), 0o600);
    await forgotten();
    expect(modeOf('tokens.json')).toBe(0o600);
  });

  test('are no links or pipes that somebody put in their place', async () => {
    mkdirSync(home);
    const target = join(folder, 'target');
    writeFileSync(target, 'kept', { mode: 0o644 });
    symlinkSync(target, join(home, 'history.jsonl'));
    await note({ ...entry, files: [], stdin: false }, host());
    expect([readFileSync(target, 'utf8'), statSync(target).mode & 0o777]).toEqual(['kept', 0o644]);
    rmSync(join(home, 'history.jsonl'));
    expect(
      await processOf(`import { execFileSync } from 'node:child_process';
      execFileSync('mkfifo', [process.env.AKSGW_HOME + '/tokens.json', process.env.AKSGW_HOME + '/history.jsonl']);`),
    ).toEqual({
      code: 0,
      out: '',
    });
    chmodSync(join(home, 'history.jsonl'), 0o600);
    await note({ ...entry, files: [], stdin: false }, host()); // and does not wait for a reader
    expect(() => readHistory(host())).toThrow('is not a file that aksgw wrote');
  });

  test('that a process was killed over, or that something else wrote, hide no later line', async () => {
    expect(await noted()).toBe(1);
    appendFileSync(join(home, 'history.jsonl'), '{"id":"c2","ur');
    expect(await noted()).toBe(2);
    for (const line of ['null', '[]', '{}', '"x"', '{"id":1}'])
      appendFileSync(join(home, 'history.jsonl'), `${line}\n`);
    expect(await noted()).toBe(3);
  });

  test('where they cannot be written: a sign-in serves unremembered, and no context is half changed', async () => {
    // Root may write anywhere, but nobody where a path is as long as paths get (PATH_MAX).
    home = join(folder, `${'long'.repeat(50)}/`.repeat(30)).slice(0, 4_083);
    mkdirSync(home, { recursive: true });
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'az'), `#!/bin/sh\nprintf '{"accessToken":"${accessToken()}"}'\n`, { mode: 0o755 });
    const file = join(home, 'config.yaml');
    signedIn(['one']);
    writeFileSync(file, readFileSync(file, 'utf8').replace('device-code', 'azure-cli'));
    const before = readFileSync(file, 'utf8');
    let err = '';
    const run = (...argv: readonly string[]) =>
      main(argv, {
        env: { AKSGW_HOME: home, PATH: `${bin}:/usr/bin:/bin` },
        stdin: (async function* () {})(),
        stdout: { write: () => true },
        stderr: { write: (text) => (err += String(text)) },
        cwd: () => folder,
      });
    expect([await run('ps'), err]).toEqual([0, expect.stringContaining('the sign-in is not remembered')]);
    err = '';
    expect([await run('config', 'set', 'cluster', 'demo'), err]).toEqual([
      125,
      expect.stringContaining('cannot be written'),
    ]);
    expect(readFileSync(file, 'utf8')).toBe(before);
  });
});
