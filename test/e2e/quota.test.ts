import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testStack, type Body, type TestStack } from '../support/stack.ts';

/** A caller whose commands print more than may be stored for it: what was run is told of, and nothing more is run. */
const MOST = 50_000;
let stack: TestStack;
let tools: string;
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'aksgw-quota-'));
  // 60,000 bytes that are no whole number of characters, and 100 on stderr.
  const text = '€'.repeat(20_000);
  writeFileSync(join(tools, 'out'), text);
  writeFileSync(join(tools, 'kubectl'), `#!/bin/sh\ncat '${tools}/out'; printf %0100d 7 >&2; exit 5\n`, {
    mode: 0o755,
  });
  stack = await testStack({
    tools,
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', `submitsPerMinute: 10000, storedBytes: ${MOST}`),
  });
});
afterAll(async () => {
  await stack.close();
  rmSync(tools, { recursive: true });
});

const argv = ['kubectl', 'get', 'pods', '-n', 'shop'];
const bytesOf = ({ body: { outputBytes } }: { body: Body }): number => outputBytes.stdout + outputBytes.stderr;
const raise = (): never => {
  throw new Error('nothing ended');
};
const wait = { prefer: 'wait=30' };

describe('the quota of stored results', () => {
  test('cuts what a running command printed, never its outcome, and then lets nothing run', async () => {
    const keyed = (key: string) => ({ headers: { ...wait, 'idempotency-key': key } });
    // They run already when the quota is used up.
    const ended = await Promise.all([1, 2, 3].map((at) => stack.command({ argv }, keyed(`${at}`))));
    for (const { body } of ended) expect(body).toMatchObject({ status: 'completed', exitCode: 5, truncated: true });
    const [first = raise(), ...others] = ended.toSorted((one, other) => bytesOf(other) - bytesOf(one));
    for (const other of others) expect([bytesOf(other) > 4_000, bytesOf(other) <= 4_096]).toEqual([true, true]);
    expect(first.body).toMatchObject({
      status: 'completed',
      exitCode: 5,
      truncated: true,
      stdout: '€'.repeat(Math.floor((MOST - 100) / 3)),
      stderr: '7'.padStart(100, '0'),
      outputBytes: { stdout: MOST - 101, stderr: 100 },
      warnings: [expect.stringMatching(/output was cut.*storedBytes/)],
    });
    const again = await stack.request('GET', `/v1/commands/${first.body.id}`);
    expect(again.body).toMatchObject({ stdout: first.body.stdout, stderr: first.body.stderr, truncated: true });

    const posts = stack.azure.arm.posts.length;
    const next = await stack.command({ argv }, { headers: wait });
    expect(next.status).toBe(429);
    expect(next.body).toMatchObject({ code: 'rate-limited', retryable: true });
    expect(next.body.detail).toMatch(/nothing was run/);
    expect(Number(next.headers.get('retry-after'))).toBeGreaterThan(23 * 3_600);
    expect(stack.azure.arm.posts).toHaveLength(posts);
    const batch = { steps: [{ argv }, { argv }], onError: 'continue' };
    expect((await stack.request('POST', '/v1/clusters/demo/batches', { body: batch })).status).toBe(429);
  });

  test('leaves a caller what was run before, what may be asked without running it, and others their commands', async () => {
    const posts = stack.azure.arm.posts.length;
    const replayed = await stack.command({ argv }, { headers: { ...wait, 'idempotency-key': '1' } });
    expect(replayed.body).toMatchObject({ status: 'completed', exitCode: 5, replayed: true });
    expect(stack.azure.arm.posts).toHaveLength(posts);
    expect((await stack.explain({ argv })).status).toBe(200);
    const bot = await stack.command({ argv }, { headers: wait, token: stack.tokens.bot });
    expect(bot.body).toMatchObject({ status: 'completed', exitCode: 5 });
  });

  test('is in the audit trail, with what was stored', async () => {
    const events = async (code: string) => {
      const path = `/v1/audit/events?code=${code}`;
      const { body } = await stack.request<{ items: Record<string, unknown>[] }>('GET', path, {
        token: stack.tokens.auditor,
      });
      return body.items;
    };
    const limited = await events('AKG203W');
    expect(limited.map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/nothing was run/),
      expect.stringMatching(/nothing was run/),
    ]);
    const ends = (await events('AKG305I')).map(({ outcome }) => outcome);
    expect(ends).toContainEqual(expect.objectContaining({ cut: true, bytes: MOST - 1, exitCode: 5 }));
  });
});
