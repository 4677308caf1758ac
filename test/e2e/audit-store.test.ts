import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock } from '../../shared/clock.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { testStack, type TestStack } from '../support/stack.ts';

const RESTART = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };
const FORBIDDEN = { argv: ['kubectl', 'delete', 'namespace', 'shop'] };

type Write = (bytes: Uint8Array, offset: number, length: number) => Promise<unknown>;

/** Every write of a FileHandle, the trail's alone in this process, as a full or broken disk answers it after so many bytes. */
let disk: { readonly code: string; readonly after: number } | undefined;
let restore = (): void => undefined;
/** The gateway's clock runs ahead of the machine's by this much. */
let ahead = 0;
let stack: TestStack;

beforeAll(async () => {
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle) as { write: Write };
  await handle.close();
  const real = prototype.write;
  restore = () => void (prototype.write = real);
  prototype.write = async function (this: object, bytes, offset, length) {
    if (!disk) return real.call(this, bytes, offset, length);
    if (disk.after > 0) await real.call(this, bytes, offset, Math.min(disk.after, length));
    throw Object.assign(new Error(disk.code), { code: disk.code });
  };
  stack = await testStack({
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 10000'),
    gateway: { clock: { ...systemClock, monotonic: () => systemClock.monotonic() + ahead } },
  });
});
afterAll(async () => {
  disk = undefined;
  await stack.close();
  restore();
});

test.each([
  ['the disk is full', 'ENOSPC', 0],
  ['the disk fills up in the middle of a line', 'ENOSPC', 100],
  ['the file system has become read-only', 'EROFS', 0],
  ['the disk breaks', 'EIO', 0],
])('while %s nothing is run, nothing is decided, and it recovers without a restart', async (_, code, after) => {
  const { arm } = stack.azure;
  expect((await stack.command(RESTART)).body.status).toBe('completed');
  const before = [arm.posts.length, arm.executions.length];

  disk = { code, after };
  for (const answer of [
    await stack.command(RESTART),
    await stack.command(FORBIDDEN),
    await stack.explain(RESTART),
    await stack.request('GET', '/v1/audit/events', { token: stack.tokens.auditor }),
  ]) {
    expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([503, 'audit-unavailable', true]);
    expect(answer.text).not.toContain('allow');
  }
  ahead += 11_000; // past what /readyz keeps, and past the store's rest: it is tried again, and still fails
  expect((await stack.command(RESTART)).body.code).toBe('audit-unavailable');
  expect(await stack.request('GET', '/readyz')).toMatchObject({ status: 503, body: { checks: { audit: 'failing' } } });
  expect((await stack.request('GET', '/healthz')).status).toBe(200);
  expect([arm.posts.length, arm.executions.length]).toEqual(before);

  disk = undefined;
  ahead += 11_000;
  expect((await stack.command(RESTART)).body.status).toBe('completed');
  expect((await stack.request('GET', '/readyz')).status).toBe(200);
  expect([arm.posts.length, arm.executions.length]).toEqual(before.map((count) => count + 1));

  const report = await verifyTrail(createFileLog({ folder: join(stack.folder, 'data/audit') }));
  expect(report.findings.filter(({ level }) => level === 'broken')).toEqual([]);
});
