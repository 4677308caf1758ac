import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import type { Config } from '../../shared/config/config.ts';
import { ConfigError } from '../../shared/config/problem.ts';
import { openConfig, type OpenedConfig, type OpenOptions } from '../../shared/config/source.ts';
import { ConfigUnreadable } from '../../shared/config/text.ts';
import { Secret } from '../../shared/secret.ts';
import { exampleText, env } from './valid.ts';

/** A clock that stands still until it is moved. */
function manualClock() {
  let now = 0;
  let sleepers: { until: number; wake: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (ms, { signal } = {}) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        sleepers.push({ until: now + ms, wake: resolve });
      }),
  };
  return {
    clock,
    advance: (ms: number): void => {
      now += ms;
      const due = sleepers.filter(({ until }) => until <= now);
      sleepers = sleepers.filter(({ until }) => until > now);
      for (const { wake } of due) wake();
    },
  };
}

/** A server of one blob that answers conditional requests, and can be told to fail. */
function blob(text: string) {
  const state = {
    text,
    version: 1,
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
    return new Response(state.text, { headers: { etag } });
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

async function open(options: Partial<OpenOptions> & Pick<OpenOptions, 'location'>) {
  const { clock, advance } = manualClock();
  const reloads: (readonly [Config, Config])[] = [];
  const errors: Error[] = [];
  const source = await openConfig({
    env,
    clock,
    fetch: noFetch,
    baseDir: '/srv',
    onReload: (config, previous) => reloads.push([config, previous]),
    onError: (error) => errors.push(error),
    ...options,
  });
  opened.push(source);
  return { source, advance, reloads, errors };
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

  test('that is gone for a while keeps the last good one, and is told of each time anew', async () => {
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

  test('what cannot change under a running gateway is kept, with a warning; the rest is taken', async () => {
    const location = file(exampleText);
    const { source } = await open({ location });
    const before = source.current();
    const next = blockBot
      .replace('port: 7071', 'port: 7099')
      .replace('file:./data/audit', 'file:./elsewhere')
      .replace('authority: http://127.0.0.1:7081', 'authority: http://127.0.0.1:9999')
      .replace('resultsHours: 24', 'resultsHours: 1');
    writeFileSync(location, next);
    await source.refresh();
    const after = source.current();
    expect(after.listen).toEqual(before.listen);
    expect(after.storage).toEqual({ ...before.storage, resultsHours: 1 });
    expect(after.identity.authority).toBe(before.identity.authority);
    expect(after.policy.blocked).toHaveLength(1);
    expect(
      after.warnings.filter((warning) => warning.includes('takes a restart')).map((warning) => warning.split(' ')[1]),
    ).toEqual(['listen', 'storage', 'identity.authority']);
  });

  test.each([
    ['that is not there', () => '/nonexistent/gateway.yaml', ConfigUnreadable, /ENOENT/],
    ['that is a folder', () => tmpdir(), ConfigUnreadable, /EISDIR/],
    ['that is bad', () => file('version: 2'), ConfigError, /gateway\.yaml:1: version: must be 1, not 2/],
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

  test('is looked at every 30 s by itself, so that a blocked caller is out within 60', async () => {
    const { state, fetch, put } = blob(exampleText);
    const { source, advance } = await open({ location: url, fetch });
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    put(blockBot);
    for (const [ms, requests] of [
      [29_999, 1],
      [1, 2],
      [29_999, 2],
      [1, 3],
    ] as const) {
      advance(ms);
      await settle();
      expect(state.requests).toHaveLength(requests);
    }
    expect(source.current().policy.blocked).toHaveLength(1);
  });

  test('no other host is sent the token', async () => {
    const { state, fetch } = blob(exampleText);
    await open({
      location: 'https://blob.example.com/gateway.yaml',
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

  test.each(['the server', 'the credential'])('a look ends after 10 s, even if %s never answers', async (who) => {
    const { state, fetch } = blob(exampleText);
    const never = () => new Promise<never>(() => undefined);
    let stuck = false;
    const credential = () => (stuck && who === 'the credential' ? never() : Promise.resolve(new Secret('token')));
    const { source, errors, advance } = await open({ location: url, fetch, credential });
    stuck = true;
    if (who === 'the server') state.answer = never;
    const refreshed = source.refresh();
    await Promise.resolve();
    advance(10_000);
    await refreshed;
    expect(errors[0]?.message).toContain('gave no answer within 10 s');
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
