import { afterEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  openSync,
  closeSync,
  writeSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  mkdtempSync,
  writeFileSync,
  existsSync,
  readdirSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { testStack, type Answer, type TestStack } from '../support/stack.ts';

/**
 * Faults of the stores, made on real files under a whole gateway: what the caller gets, what /readyz says, that it recovers by itself, and
 * that nothing is run which is not recorded.
 */
let stack: TestStack;
afterEach(() => stack.close());

const get = { command: 'kubectl get pods -n shop' };
const posts = (): number => stack.azure.arm.posts.length;
const database = (): string => join(stack.folder, 'data/gateway.sqlite');
const auditFile = (): string => {
  const folder = join(stack.folder, 'data/audit');
  return join(
    folder,
    readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .sort()
      .at(-1) ?? '',
  );
};

const ready = () =>
  stack.request<{ status: string; checks: Record<string, string>; lastFailures?: Record<string, { message: string }> }>(
    'GET',
    '/readyz',
    { token: null },
  );

/** The first answer that is as wanted, within some seconds: the stores are left alone for a second after they failed. */
async function eventually<T>(
  ask: () => Promise<Answer<T>>,
  wanted: (answer: Answer<T>) => boolean,
): Promise<Answer<T>> {
  for (let tries = 0; ; tries++) {
    const answer = await ask();
    if (wanted(answer) || tries > 100) return answer;
    await sleep(200);
  }
}

const runs = async (): Promise<void> => {
  const answer = await eventually(
    () => stack.command(get),
    ({ status }) => status === 200,
  );
  expect(answer).toMatchObject({ status: 200, body: { status: 'completed' } });
};

async function refused(code: string): Promise<void> {
  const before = posts();
  const answer = await stack.command(get);
  expect(answer).toMatchObject({ status: 503, body: { code } });
  expect(answer.headers.get('retry-after')).not.toBeNull();
  expect(posts()).toBe(before);
}

describe('the records', () => {
  test('whose file is removed are begun again; nothing is run in between', async () => {
    stack = await testStack();
    await runs();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${database()}${suffix}`, { force: true });
    // Whatever looks at the store first, this request or the sweep, finds it out.
    const { status, body } = await stack.command(get);
    expect([200, 503]).toContain(status);
    if (status === 200) expect((await stack.request('GET', `/v1/commands/${body.id}`)).status).toBe(200);
    else expect(body.code).toBe('gateway-busy');
    await runs();
    expect(existsSync(database())).toBe(true);
  }, 60_000);

  test('that lost an output say so: a problem of its own, never an empty success', async () => {
    stack = await testStack();
    const { body } = await stack.command(get);
    const other = new DatabaseSync(database());
    other.exec('DELETE FROM outputs');
    other.close();
    const path = `/v1/commands/${body.id}`;
    expect((await stack.request('GET', path)).body).toMatchObject({ code: 'result-missing', exitCode: 0 });
    const text = await stack.request('GET', path, { headers: { accept: 'text/plain' } });
    expect([text.status, text.headers.get('exit-code')]).not.toEqual([200, '0']);
    expect(text.text).not.toBe('');
  }, 60_000);

  test('that are damaged are told by /readyz, and used again when they are whole', async () => {
    stack = await testStack();
    await runs();
    const bytes = statSync(database()).size;
    const aside = `${database()}.aside`;
    new DatabaseSync(database()).exec(`VACUUM INTO '${aside}'`);
    for (const suffix of ['-wal', '-shm']) rmSync(`${database()}${suffix}`, { force: true });
    const file = openSync(database(), 'r+');
    writeSync(file, Buffer.alloc(bytes, 0x5a), 0, bytes, 0);
    closeSync(file);
    await refused('gateway-busy');
    expect(await eventually(ready, ({ status }) => status === 503)).toMatchObject({
      status: 503,
      body: { status: 'not-ready', checks: { records: 'failing', audit: 'ok' }, lastFailures: { records: {} } },
    });
    for (const suffix of ['-wal', '-shm']) rmSync(`${database()}${suffix}`, { force: true });
    renameSync(aside, database());
    await runs();
    expect((await eventually(ready, ({ status }) => status === 200)).body.checks['records']).toBe('ok');
  }, 60_000);

  test('that another program has locked refuse, give no id, and go on when it lets go', async () => {
    stack = await testStack();
    await runs();
    const other = new DatabaseSync(database());
    other.exec('BEGIN IMMEDIATE');
    const began = performance.now();
    await refused('gateway-busy');
    expect(performance.now() - began).toBeLessThan(20_000);
    const listed = await stack.request<{ items: unknown[] }>('GET', '/v1/commands');
    expect(listed.body.items).toHaveLength(1);
    other.exec('ROLLBACK');
    other.close();
    await runs();
  }, 60_000);

  test('whose disk fails once are opened again: what was under way counts as not written', async () => {
    stack = await testStack();
    await runs();
    const restore = await failOnce('datasync');
    await refused('gateway-busy');
    restore();
    await runs();
  }, 60_000);
});

describe('the audit trail', () => {
  test('whose file is removed or cut goes on in another; nothing is run in between', async () => {
    stack = await testStack();
    await runs();
    for (const harm of [(path: string) => rmSync(path), (path: string) => truncateSync(path, 10)]) {
      const path = auditFile();
      harm(path);
      const before = posts();
      const answer = await stack.command(get);
      expect(answer).toMatchObject({ status: 503, body: { code: 'audit-unavailable' } });
      expect(answer.headers.get('retry-after')).toBe('5');
      expect(posts()).toBe(before);
      await runs();
      expect(auditFile()).not.toBe(path);
    }
  }, 60_000);
});

const canFreeze = mayFreeze();
(canFreeze ? describe : describe.skip)(
  `what may no longer be written to${canFreeze ? '' : ' (skipped: no file can be made immutable here)'}`,
  () => {
    test('as the trail refuses, is told by /readyz, and goes on when it may be', async () => {
      stack = await testStack();
      await runs();
      const frozen = [auditFile(), join(stack.folder, 'data/audit')];
      frozen.forEach((path) => freeze(path, true));
      try {
        const before = posts();
        expect(await stack.command(get)).toMatchObject({ status: 503, body: { code: 'audit-unavailable' } });
        expect(posts()).toBe(before);
        expect(await eventually(ready, ({ status }) => status === 503)).toMatchObject({
          body: { checks: { audit: 'failing', records: 'ok' }, lastFailures: { audit: {} } },
        });
      } finally {
        frozen.forEach((path) => freeze(path, false));
      }
      await runs();
      expect((await eventually(ready, ({ status }) => status === 200)).status).toBe(200);
    }, 60_000);

    test('as the records refuses, is told by /readyz, and goes on when it may be', async () => {
      stack = await testStack();
      await runs();
      const frozen = ['', '-wal'].map((suffix) => `${database()}${suffix}`);
      frozen.forEach((path) => freeze(path, true));
      try {
        await refused('gateway-busy');
        expect(await eventually(ready, ({ status }) => status === 503)).toMatchObject({
          body: { checks: { records: 'failing', audit: 'ok' } },
        });
      } finally {
        frozen.forEach((path) => freeze(path, false));
      }
      await runs();
      expect((await eventually(ready, ({ status }) => status === 200)).status).toBe(200);
    }, 60_000);
  },
);

/** Nobody may write to it any more, through what is open already neither (chattr(1), `i`): permission lost, or a disk that went read-only. */
function freeze(path: string, isFrozen: boolean): void {
  execFileSync('chattr', [isFrozen ? '+i' : '-i', path], { stdio: 'ignore' });
}

function mayFreeze(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-freeze-'));
  const path = join(folder, 'file');
  writeFileSync(path, '');
  try {
    freeze(path, true);
    freeze(path, false);
    return true;
  } catch {
    return false; // no such program, no such right, or a file system without it
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The next call of this kind on any file fails as a failing disk's does. Gives what puts it right. */
async function failOnce(call: 'datasync' | 'write'): Promise<() => void> {
  const handle = await open(import.meta.filename);
  const files = Object.getPrototypeOf(handle) as Record<string, (...args: unknown[]) => Promise<unknown>>;
  await handle.close();
  const real = files[call];
  if (!real) throw new Error(`files have no ${call}`);
  files[call] = () => {
    files[call] = real;
    return Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }));
  };
  return () => {
    files[call] = real;
  };
}
