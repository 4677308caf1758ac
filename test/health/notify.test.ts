import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { testStack, type TestStack } from '../support/stack.ts';
import { faults } from './zoo.ts';

let ahead = 0;
const clock = {
  ...systemClock,
  now: () => systemClock.now() + ahead,
  monotonic: () => systemClock.monotonic() + ahead,
};
const SECRET = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;

interface Told {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>> & { readonly summary: string };
}
/** What each webhook got since it was last asked for. */
const received: { readonly webhook: string; readonly told: Told }[] = [];
const receiver = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  request.on('end', () => {
    received.push({ webhook: (request.url ?? '').slice(1), told: JSON.parse(text) });
    response.end();
  });
});

let stack: TestStack;
beforeAll(async () => {
  await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve));
  const at = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  stack = await testStack({
    clock,
    gateway: { clock },
    jobs: false,
    env: { HOOK: SECRET },
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 400')
        .replace(
          '  bindings:\n',
          `  bindings:
    - { role: viewer, clusters: [demo], subjects: [{ job: watch }] }
    - { role: partial, clusters: [demo], subjects: [{ job: loud }] }\n`,
        )
        .replace(
          '    auditor:\n',
          `    partial:
      allow: [{ verbs: [get, list], resources: [pods], namespaces: ['*'] }]
    auditor:\n`,
        )
        .replace(
          '\n...\n',
          `
webhooks:
  watch: { url: '${at}/watch', secretEnv: HOOK }
  loud: { url: '${at}/loud', secretEnv: HOOK, output: true }
jobs:
  - { name: watch, cluster: demo, health: true, schedule: "*/5 * * * *", notify: watch }
  - { name: loud, cluster: demo, health: true, schedule: "*/5 * * * *", notify: loud, notifyOn: always }
...\n`,
        ),
  });
  await stack.gateway.runJobs();
});
afterAll(async () => {
  await stack.close();
  receiver.closeAllConnections();
  receiver.close();
});

/** The next slot comes, what it starts has ended, and what there was to tell was told. */
async function slot(): Promise<ReadonlyMap<string, readonly Told[]>> {
  ahead += 5 * 60_000 - (clock.now() % (5 * 60_000)) + 1_000;
  await stack.gateway.runJobs(20_000);
  await stack.gateway.runJobs();
  await stack.gateway.runDeliveries();
  const got = Map.groupBy(received.splice(0), ({ webhook }) => webhook);
  return new Map([...got].map(([webhook, some]) => [webhook, some.map(({ told }) => told)] as const));
}

const words = (got: ReadonlyMap<string, readonly Told[]>, webhook: string) =>
  got.get(webhook)?.map(({ type, data }) => [type, data['status'] ?? null, data['change'] ?? null]) ?? [];

const place = (from: number, to: number): void => {
  for (const { objects } of faults(clock.now()).slice(from, to))
    for (const one of objects) stack.azure.kubernetes.place(one);
};

test('a health job tells what it finds and that all is well again, in the words of its webhook; its reads’ exit codes are no news', async () => {
  place(0, 1);
  const ill = await slot();
  expect([words(ill, 'watch'), words(ill, 'loud')]).toEqual([
    [['job.looked', 'failing', 'found']],
    // It may not read nodes: that is told once, and kubectl's own complaint is no failure.
    [['job.looked', 'not-allowed', 'found']],
  ]);
  const [found] = ill.get('watch') ?? [];
  expect(found?.data).toMatchObject({
    job: 'watch',
    cluster: 'demo',
    found: '1 node-not-ready',
    address: expect.stringMatching(/\/v1\/clusters\/demo\/health$/),
  });
  expect(found?.data.summary).toMatch(/^❌ failing · `demo` · `1 node-not-ready` · `watch`/);
  expect(found?.data).not.toHaveProperty('lines');
  expect(ill.get('loud')?.[0]?.data['lines']).toContainEqual(expect.stringMatching(/^nodes +not-allowed/));

  stack.azure.kubernetes.reset();
  const again = await slot();
  expect([words(again, 'watch'), words(again, 'loud')]).toEqual([
    [['job.looked', 'ok', 'recovered']],
    [['job.looked', 'not-allowed', 'none']],
  ]);
  expect(again.get('watch')?.[0]?.data.summary).toMatch(/^✅ well again/);
}, 120_000);
