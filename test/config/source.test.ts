import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../shared/config/config.ts';
import { ConfigError } from '../../shared/config/problem.ts';
import { openConfig, type ConfigHooks, type OpenedConfig, type OpenOptions } from '../../shared/config/source.ts';
import { ConfigUnreadable } from '../../shared/config/readers.ts';
import { Secret } from '../../shared/secret.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { exampleText, env } from './valid.ts';

/** A server of one blob that answers conditional requests, and can be told to fail. */
function blob(text: string) {
  const state = {
    text,
    version: 1,
    headers: { 'x-ms-blob-type': 'BlockBlob' } as Record<string, string>,
    requests: [] as Headers[],
    redirects: [] as unknown[],
    answer: undefined as (() => Promise<Response> | Response) | undefined,
  };
  const fetch: typeof globalThis.fetch = async (_input, init) => {
    const headers = new Headers(init?.headers);
    state.requests.push(headers);
    state.redirects.push(init?.redirect);
    if (state.answer) return state.answer();
    const etag = `"${state.version}"`;
    if (headers.get('if-none-match') === etag) return new Response(undefined, { status: 304 });
    return new Response(state.text, { headers: { etag, ...state.headers } });
  };
  const put = (next: string): void => {
    state.text = next;
    state.version++;
  };
  return { state, fetch, put };
}

const noFetch: typeof fetch = () => Promise.reject(new Error('no network in this test'));
const url = 'https://acc.blob.core.windows.net/config/gateway.yaml?sv=1&sig=topsecret';
const opened: OpenedConfig[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const source of opened.splice(0)) source.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function open({ onLoading, ...options }: Partial<OpenOptions> & ConfigHooks & Pick<OpenOptions, 'location'>) {
  const clock = createManualClock();
  const reloads: (readonly [Config, Config])[] = [];
  const errors: Error[] = [];
  const repeats: Error[] = [];
  const source = await openConfig({
    env,
    clock,
    fetch: noFetch,
    baseDir: '/srv',
    ...options,
  });
  source.watch({
    onLoading,
    onReload: (config, previous) => reloads.push([config, previous]),
    onProblem: (error, repeated) => void (repeated ? repeats : errors).push(error),
  });
  opened.push(source);
  return { source, clock, advance: clock.advance, reloads, errors, repeats };
}

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-config-'));
  folders.push(folder);
  writeFileSync(join(folder, 'gateway.yaml'), text);
  return join(folder, 'gateway.yaml');
}

const blockBot = exampleText.replace('blocked: []', 'blocked: [{ app: 33333333-3333-4333-8333-333333333333 }]');

describe('a file', () => {
  test('is read again, and a good new one is in force', async () => {
    const location = file(exampleText);
    const { source, reloads, errors } = await open({ location });
    expect(source.current().policy.blocked).toEqual([]);
    await source.refresh();
    expect(reloads).toEqual([]);
    writeFileSync(location, blockBot);
    await source.refresh();
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(reloads).toHaveLength(1);
    expect(reloads[0]?.[0]).toBe(source.current());
    expect(errors).toEqual([]);
  });

  test('a bad new one is reported once and not taken; the last good one stays', async () => {
    const location = file(exampleText);
    const { source, errors, reloads } = await open({ location });
    const good = source.current();
    writeFileSync(location, exampleText.replace('role: viewer', 'role: veiwer'));
    await source.refresh();
    await source.refresh();
    expect(source.current()).toBe(good);
    expect(reloads).toEqual([]);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(ConfigError);
    expect(errors[0]?.message).toMatch(
      /gateway\.yaml:\d+: policy\.bindings\[0\]\.role: no role is called "veiwer"\. Did you mean "viewer"\?/,
    );
    writeFileSync(location, blockBot);
    await source.refresh();
    expect(source.current().policy.blocked).toHaveLength(1);
    // The same mistake made again is news again.
    writeFileSync(location, exampleText.replace('role: viewer', 'role: veiwer'));
    await source.refresh();
    expect(errors).toHaveLength(2);
  });

  test('that is gone for a while keeps the last good one, and is reported each time', async () => {
    const location = file(exampleText);
    const { source, errors } = await open({ location });
    for (let time = 0; time < 2; time++) {
      rmSync(location);
      await source.refresh();
      await source.refresh();
      writeFileSync(location, exampleText);
      await source.refresh();
    }
    expect(errors.map(({ name }) => name)).toEqual(['ConfigUnreadable', 'ConfigUnreadable']);
    expect(source.current().clusters.size).toBe(1);
  });

  test('each fixed key that has changed is kept, with a warning and its line; the rest is taken', async () => {
    const location = file(exampleText);
    const { source } = await open({ location });
    const before = source.current();
    const next = blockBot
      .replace('port: 7071', 'port: 7099')
      .replace('file:./data/audit', 'file:./elsewhere')
      .replace('authority: http://127.0.0.1:7081', 'authority: http://127.0.0.1:9999')
      .replace('tokenEnv: AKSGW_ARM_TOKEN', 'tokenEnv: OBO_SECRET')
      .replace('resourceManager: http://127.0.0.1:7082', 'resourceManager: http://127.0.0.1:9998')
      .replace('timeoutSeconds:', 'bodyBytes: 4096\n  timeoutSeconds:')
      .replace(
        'storage:',
        `monitorLogs: { endpoint: "https://x.ingest.monitor.azure.com", ruleId: dcr-${'0'.repeat(32)}, stream: s }\nstorage:`,
      )
      .replace('retention:', 'checkpoints: file:./copies\n  retention:')
      .replace('  blocked: [{', '  blockedFrom: ./blocked.yaml\n  blocked: [{')
      .replace('resultsHours: 24', 'resultsHours: 1');
    writeFileSync(location, next);
    await source.refresh();
    const after = source.current();
    expect(after.listen).toEqual(before.listen);
    expect(after.storage).toEqual({ ...before.storage, resultsHours: 1 });
    expect(after.identity).toEqual(before.identity);
    expect(after.azure).toEqual(before.azure);
    expect(after.limits).toEqual(before.limits);
    expect(after.policy.blocked).toHaveLength(1);
    const told = after.warnings.filter((warning) => warning.includes('takes a restart'));
    expect(told.map((warning) => warning.split(':')[2]?.trim() ?? '').toSorted()).toEqual([
      'azure.credential',
      'azure.resourceManager',
      'identity.authority',
      'limits.bodyBytes',
      'listen',
      'monitorLogs',
      'policy.blockedFrom',
      'storage.audit',
      'storage.checkpoints',
    ]);
    expect(told.every((warning) => /gateway\.yaml:\d+: /.test(warning))).toBe(true);
  });

  test.each([
    ['that is not there', () => '/nonexistent/gateway.yaml', ConfigUnreadable, /ENOENT/],
    ['that is a folder', () => tmpdir(), ConfigUnreadable, /EISDIR/],
    ['that is bad', () => file('version: 2\n...\n'), ConfigError, /gateway\.yaml:1: version: must be 1, not 2/],
  ])('%s at the start stops the start', async (_name, location, kind, message) => {
    const opening = open({ location: location() });
    await expect(opening).rejects.toBeInstanceOf(kind);
    await expect(opening).rejects.toThrow(message);
  });

  test('that is not UTF-8 is not guessed at', async () => {
    const location = file('');
    writeFileSync(location, Buffer.from([0x76, 0xff, 0xfe]));
    await expect(open({ location })).rejects.toThrow('is not UTF-8');
  });

  test('resolves its paths against its own folder', async () => {
    const location = file(exampleText);
    const { source } = await open({ location, baseDir: undefined });
    expect(source.current().storage.audit).toEqual({ kind: 'file', path: join(location, '../data/audit') });
  });

  test('is let go of by close', async () => {
    const location = file(exampleText);
    const { source, errors, reloads } = await open({ location });
    source.close();
    writeFileSync(location, blockBot);
    await source.refresh();
    expect([errors, reloads]).toEqual([[], []]);
    expect(source.current().policy.blocked).toEqual([]);
  });
});

describe('a blob', () => {
  test('is asked for by ETag, with a token for storage, and taken when it has changed', async () => {
    const { state, fetch, put } = blob(exampleText);
    const scopes: string[] = [];
    const credential = (scope: string) => {
      scopes.push(scope);
      return Promise.resolve(new Secret('storage-token'));
    };
    const { source, reloads } = await open({ location: url, fetch, credential });
    await source.refresh();
    expect(reloads).toEqual([]);
    put(blockBot);
    await source.refresh();
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(state.requests.map((headers) => headers.get('if-none-match'))).toEqual([null, '"1"', '"1"']);
    expect(state.requests.every((headers) => headers.get('authorization') === 'Bearer storage-token')).toBe(true);
    expect(new Set(scopes)).toEqual(new Set(['https://storage.azure.com/.default']));
  });

  test('is looked at every 20 s by itself, so that a blocked caller is out within 60', async () => {
    const { state, fetch, put } = blob(exampleText);
    const { source, advance } = await open({ location: url, fetch });
    put(blockBot);
    for (const [ms, requests] of [
      [19_999, 1],
      [1, 2],
      [19_999, 2],
      [1, 3],
    ] as const) {
      await advance(ms);
      expect(state.requests).toHaveLength(requests);
    }
    expect(source.current().policy.blocked).toHaveLength(1);
  });

  test.each([
    'https://blob.example.com/gateway.yaml',
    'https://acct.blob.attacker.example/c/gateway.yaml',
    'https://acct.blob.core.windows.net.attacker.example/c/gateway.yaml',
    'https://attacker.example/acct.blob.core.windows.net/gateway.yaml',
    'https://a.b.acct.blob.core.windows.net/c/gateway.yaml',
    'https://acct.file.core.windows.net/c/gateway.yaml',
  ])('no other host is sent the token: %s', async (location) => {
    const { state, fetch } = blob(exampleText);
    await open({
      location,
      fetch,
      credential: () => Promise.resolve(new Secret('storage-token')),
    });
    expect(state.requests[0]?.has('authorization')).toBe(false);
    // Nor is it carried on to wherever a redirect points.
    expect(state.redirects).toEqual(['error']);
  });

  test('that does not answer leaves the last good one, and never names the secret in its URL', async () => {
    const { state, fetch } = blob(exampleText);
    const { source, errors } = await open({ location: url, fetch });
    state.answer = () => new Response('no', { status: 503 });
    await source.refresh();
    state.answer = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }));
    await source.refresh();
    expect(errors.map(({ message }) => message)).toEqual([
      'https://acc.blob.core.windows.net/config/gateway.yaml: answered 503',
      'https://acc.blob.core.windows.net/config/gateway.yaml: fetch failed (ECONNREFUSED)',
    ]);
    expect(source.current().clusters.size).toBe(1);
  });

  test.each(['the server', 'the credential'])('a look ends after 15 s, even if %s never answers', async (who) => {
    const { state, fetch } = blob(exampleText);
    const never = () => new Promise<never>(() => undefined);
    let stuck = false;
    const credential = () => (stuck && who === 'the credential' ? never() : Promise.resolve(new Secret('token')));
    const { source, errors, advance } = await open({ location: url, fetch, credential });
    stuck = true;
    if (who === 'the server') state.answer = never;
    const refreshed = source.refresh();
    await advance(15_000);
    await refreshed;
    expect(errors[0]?.message).toContain('No answer within 15000 ms');
  });

  test('of endless length is cut off', async () => {
    const { state, fetch } = blob(exampleText);
    const { source, errors } = await open({ location: url, fetch });
    let sent = 0;
    state.answer = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent++;
            controller.enqueue(new Uint8Array(64 * 1024));
          },
        }),
      );
    await source.refresh();
    expect(errors[0]?.message).toContain('is larger than');
    expect(sent).toBeLessThan(30);
  });

  test('is not fetched over plain http', async () => {
    await expect(open({ location: 'http://example.com/gateway.yaml' })).rejects.toThrow(
      'plain http is for loopback only',
    );
  });
});

describe('a text that is cut', () => {
  const marked = exampleText;
  const unmarked = exampleText.replace(/\n\.\.\.\n$/, '\n');

  test('the example ends with the mark', () => expect(marked).toMatch(/\n\.\.\.\n$/));

  test('is never taken where the file has the end mark, wherever it is cut', async () => {
    const location = file(marked.replace('blocked: []', 'blocked:\n    - app: 33333333-3333-4333-8333-333333333333'));
    const whole = readFileSync(location, 'utf8');
    const { source, clock } = await open({ location });
    const { digest } = source.current();
    const ends = [...whole.matchAll(/\n/g)].map(({ index }) => index + 1).slice(0, -1);
    for (const end of ends) {
      writeFileSync(location, whole.slice(0, end));
      const looked = source.refresh();
      await clock.advance(20);
      await looked;
      expect([end, source.current().digest]).toEqual([end, digest]);
    }
    // What parses, too: the last of them is the whole but for the mark.
    expect(source.problem()?.message).toContain('may be cut off');
  });

  test('is not taken while it is being written: two readings two seconds apart have to be equal', async () => {
    const clock = createManualClock();
    const { state, fetch, put } = blob(unmarked);
    state.headers = {};
    const opening = openConfig({ location: url, env, clock, fetch, baseDir: '/srv' });
    await clock.advance(1_999);
    expect(state.requests).toHaveLength(1);
    await clock.advance(1);
    const source = await opening;
    opened.push(source);
    const cut = unmarked.slice(0, unmarked.indexOf('    # The nightly maintenance job'));
    const full = unmarked.replace('blocked: []', 'blocked: [{ app: 33333333-3333-4333-8333-333333333333 }]');
    put(cut);
    const looked = source.refresh();
    await clock.advance(1_999);
    put(full);
    await clock.advance(1);
    expect(source.current().policy.bindings).toHaveLength(4);
    await clock.advance(2_000);
    await looked;
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(source.current().policy.bindings).toHaveLength(4);
  });

  test('that never stays the same is not taken at all', async () => {
    const { state, fetch, put } = blob(exampleText);
    const { source, clock, errors } = await open({ location: url, fetch });
    state.headers = {};
    let version = 0;
    state.answer = () => {
      put(`${unmarked}# ${version++}\n`);
      return new Response(state.text);
    };
    source.current();
    const plain = source.refresh();
    await clock.advance(15_000);
    await plain;
    expect(errors).toHaveLength(1);
  });

  test.each([206, 203, 201, 204, 404, 500])('HTTP %i is not a whole answer', async (status) => {
    const { state, fetch } = blob(exampleText);
    const { source, errors } = await open({ location: url, fetch });
    state.answer = () => new Response(status === 204 ? null : blockBot, { status });
    await source.refresh();
    expect(source.current().policy.blocked).toEqual([]);
    expect(errors[0]?.message).toContain(`answered ${status}`);
  });

  test('an answer shorter than it promised is refused', async () => {
    const { state, fetch } = blob(exampleText);
    const { source, errors } = await open({ location: url, fetch });
    state.answer = () => new Response(blockBot, { headers: { 'content-length': '99999' } });
    await source.refresh();
    expect(source.current().policy.blocked).toEqual([]);
    expect(errors[0]?.message).toContain('of 99999 bytes');
  });

  test('only a block blob is believed at the first reading', async () => {
    const { state, fetch, put } = blob(exampleText);
    const { source, clock } = await open({ location: url, fetch });
    state.headers = { 'x-ms-blob-type': 'AppendBlob' };
    put(unmarked);
    await source.refresh();
    // It had the mark.
    expect(source.problem()?.message).toContain('may be cut off');
    put(blockBot);
    await source.refresh();
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(clock.sleeping()).toBe(1);
  });
});

describe('its age', () => {
  test('a process that stood still looks before it answers, however it was stopped', async () => {
    for (const passes of ['both', 'wall'] as const) {
      const location = file(exampleText);
      let lost = 0;
      const clock = createManualClock();
      // A stopped process: time goes on, no timer of its own has come yet. A stopped machine: only the wall's.
      const stopped = {
        ...clock,
        now: () => clock.now() + lost,
        monotonic: () => clock.monotonic() + (passes === 'both' ? lost : 0),
      };
      const { source } = await open({ location, clock: stopped });
      writeFileSync(location, blockBot);
      lost = 60_000;
      expect((await source.fresh()).policy.blocked).toEqual([]);
      lost = 60_001;
      expect((await source.fresh()).policy.blocked).toHaveLength(1);
    }
  });

  test('one look serves all who wait; a look that was answered before the stop does not count', async () => {
    const { state, fetch, put } = blob(exampleText);
    let lost = 0;
    const clock = createManualClock();
    const stopped = { ...clock, now: () => clock.now() + lost, monotonic: () => clock.monotonic() + lost };
    const { source } = await open({ location: url, fetch, clock: stopped });
    const answer = Promise.withResolvers<Response>();
    state.answer = () => answer.promise;
    const looking = source.refresh();
    put(blockBot);
    lost = 90_000;
    const waiting = [source.fresh(), source.fresh()];
    state.answer = undefined;
    answer.resolve(new Response(undefined, { status: 304 }));
    await looking;
    for (const config of await Promise.all(waiting)) expect(config.policy.blocked).toHaveLength(1);
    expect(state.requests).toHaveLength(3);
  });

  test('a source that does not answer is waited for once, and a caller who leaves does not wait', async () => {
    const { state, fetch } = blob(exampleText);
    let lost = 0;
    const clock = createManualClock();
    const stopped = { ...clock, now: () => clock.now() + lost, monotonic: () => clock.monotonic() + lost };
    const { source } = await open({ location: url, fetch, clock: stopped });
    state.answer = () => new Promise<never>(() => undefined);
    lost = 61_000;
    const gone = new AbortController();
    const leaving = source.fresh(gone.signal);
    gone.abort(new Error('hung up'));
    await expect(leaving).rejects.toThrow('hung up');
    const waiting = source.fresh();
    await clock.advance(15_000);
    expect((await waiting).clusters.size).toBe(1);
    expect((await source.fresh()).clusters.size).toBe(1);
    expect(state.requests).toHaveLength(2);
  });
});

describe('a refused reload', () => {
  const broken = exampleText.replace('role: viewer', 'role: veiwer');

  test('is told at once, again every five minutes, and asked for by readiness until it is over', async () => {
    const { fetch, put } = blob(exampleText);
    const { source, advance, errors, repeats } = await open({ location: url, fetch });
    expect(source.problem()).toBeUndefined();
    put(broken);
    await advance(20_000);
    expect([errors.length, repeats.length]).toEqual([1, 0]);
    await advance(299_999);
    expect(repeats).toHaveLength(0);
    await advance(1);
    expect(repeats).toHaveLength(1);
    await advance(300_000);
    expect(repeats).toHaveLength(2);
    expect(source.problem()?.message).toBe(errors[0]?.message);
    put(exampleText);
    await advance(20_000);
    expect(source.problem()).toBeUndefined();
  });

  test('what comes into force is announced first, and a trail that does not answer does not hold it up', async () => {
    const { fetch, put } = blob(exampleText);
    const announced: string[] = [];
    const done = Promise.withResolvers<void>();
    const { source, clock } = await open({
      location: url,
      fetch,
      onLoading: (next, previous) => {
        announced.push(`${previous.digest}>${next.digest}`);
        return done.promise;
      },
    });
    const before = source.current();
    put(blockBot);
    const looked = source.refresh();
    await clock.advance(4_999);
    expect(announced).toHaveLength(1);
    expect(source.current()).toBe(before);
    await clock.advance(1);
    await looked;
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(announced).toEqual([`${before.digest}>${source.current().digest}`]);
  });
});

describe('the list of the blocked, of its own', () => {
  const bot = 'blocked:\n  - app: 33333333-3333-4333-8333-333333333333\n...\n';
  const nobody = 'blocked: []\n...\n';

  async function both(list: string) {
    const location = file(exampleText.replace('  blocked: []', '  blockedFrom: file:./blocked.yaml\n  blocked: []'));
    const listAt = join(location, '../blocked.yaml');
    writeFileSync(listAt, list);
    return { ...(await open({ location, baseDir: undefined })), location, listAt };
  }

  test('adds to the one in the configuration', async () => {
    const { source } = await both(bot);
    expect(source.current().policy.blocked).toEqual([
      { app: '33333333-3333-4333-8333-333333333333', tenant: '11111111-1111-4111-8111-111111111111' },
    ]);
  });

  test('is in force though the configuration has a mistake, and the other way round', async () => {
    const { source, location, listAt, errors } = await both(nobody);
    const good = readFileSync(location, 'utf8');
    writeFileSync(location, good.replace('role: viewer', 'role: veiwer'));
    await source.refresh();
    writeFileSync(listAt, bot);
    await source.refresh();
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(errors[0]?.message).toContain('veiwer');
    expect(source.problem()?.message).toContain('veiwer');
    writeFileSync(listAt, 'blocked: [{ usr: x }]\n...\n');
    writeFileSync(location, good.replace('resultsHours: 24', 'resultsHours: 2'));
    await source.refresh();
    expect(source.current().storage.resultsHours).toBe(2);
    expect(source.current().policy.blocked).toHaveLength(1);
    expect(source.problem()?.message).toContain('blocked.yaml:1: blocked[0].usr: unknown key');
  });

  test.each([
    ['that is empty', ''],
    ['that is only half there', 'blocked:\n'],
    ['that is a list', '- app: 33333333-3333-4333-8333-333333333333\n'],
  ])('%s stops the start', async (_name, list) => {
    const opening = both(`${list}...\n`);
    await expect(opening).rejects.toBeInstanceOf(ConfigError);
  });

  test('that is not there stops the start', async () => {
    const location = file(exampleText.replace('  blocked: []', '  blockedFrom: ./nowhere.yaml\n  blocked: []'));
    await expect(open({ location, baseDir: undefined })).rejects.toThrow('ENOENT');
  });

  test('has a part in the digest', async () => {
    const { source, listAt } = await both(nobody);
    const before = source.current().digest;
    writeFileSync(listAt, bot);
    await source.refresh();
    expect(source.current().digest).not.toBe(before);
  });
});
