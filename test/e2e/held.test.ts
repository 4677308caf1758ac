import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testStack, type TestStack } from '../support/stack.ts';

/** Commands that run until they are told to end, of a caller who may hold the bytes of one of them alone. */
let stack: TestStack;
let tools: string;
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'aksgw-held-'));
  const kubectl = `#!/bin/sh\nwhile [ ! -e '${tools}/end' ]; do sleep 0.1; done\n`;
  writeFileSync(join(tools, 'kubectl'), kubectl, { mode: 0o755 });
  stack = await testStack({
    tools,
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 10000, heldBytes: 3200000'),
  });
});
afterAll(async () => {
  await stack.close();
  rmSync(tools, { recursive: true });
});

const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'shop' }, data: { a: '' } };
const upload = {
  argv: ['kubectl', 'apply', '-f', 'a.json', '-n', 'shop'],
  files: [{ path: 'a.json', content: JSON.stringify({ ...map, data: { a: 'x'.repeat(900_000) } }) }],
};

describe('the bytes of a command that was sent', () => {
  test('are given back while it runs and its caller waits', async () => {
    const first = stack.command(upload, { headers: { prefer: 'wait=60' } });
    const deadline = performance.now() + 20_000;
    while (stack.azure.arm.posts.length === 0 && performance.now() < deadline) await stack.request('GET', '/healthz');
    // It was taken; what it held is given back when the answer to its POST is read.
    let second = await stack.command(upload, { headers: { prefer: 'respond-async' } });
    while (second.status === 429 && performance.now() < deadline)
      second = await stack.command(upload, { headers: { prefer: 'respond-async' } });
    expect(second.status).toBe(202);
    writeFileSync(join(tools, 'end'), '');
    expect((await first).body).toMatchObject({ status: 'completed', exitCode: 0 });
    const end = await stack.request('GET', `/v1/commands/${second.body.id}`, { headers: { prefer: 'wait=60' } });
    expect(end.body).toMatchObject({ status: 'completed', exitCode: 0 });
  }, 120_000);
});
