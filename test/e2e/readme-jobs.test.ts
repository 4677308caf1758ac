import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { describeWith } from '../support/programs.ts';
import { testStack, type TestStack } from '../support/stack.ts';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const section = readme.slice(readme.indexOf('## Scheduled jobs'), readme.indexOf('## Point it'));
const blocks = (kind: string): readonly string[] =>
  [...section.matchAll(new RegExp(`\`\`\`${kind}\n(.*?)\`\`\``, 'gs'))].map(([, text = '']) => text);
const [job = '', binding = ''] = blocks('yaml');
const [script = ''] = blocks('sh');
const path = process.env['PATH'] ?? '';

let ahead = 0;
let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    jobs: false,
    gateway: { clock: { ...systemClock, now: () => systemClock.now() + ahead } },
    edit: (yaml) => yaml.replace('  bindings:\n', `  bindings:\n    ${binding}`).replace('\n...\n', `\n${job}...\n`),
  });
}, 60_000);
afterAll(() => stack.close());

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(['sh', 'curl', 'sed', 'tr', 'mktemp', 'date'], 'the script for cron, as it stands', () => {
  const run = (env: Record<string, string>): Promise<Ended> => {
    const file = join(stack.folder, 'nightly.sh');
    writeFileSync(file, script);
    return new Promise((resolve) => {
      const all = { PATH: path, AKSGW_URL: stack.url, AKSGW_TOKEN: stack.tokens.job, AKSGW_DEADLINE: '30', ...env };
      execFile('sh', [file], { env: all }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });
  };
  const commands = async (): Promise<number> =>
    (await stack.request<{ items: unknown[] }>('GET', '/v1/commands', { token: stack.tokens.job })).body.items.length;

  test('runs once for its slot, though it is started twice', async () => {
    const first = await run({});
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('restarted') });
    expect(await run({})).toMatchObject({ code: 0, stdout: first.stdout });
    expect(await commands()).toBe(1);
  });

  test('ends with 69 and the reason where it is denied', async () => {
    const denied = await run({ AKSGW_COMMAND: 'kubectl delete pod web', AKSGW_TOKEN: stack.tokens.bot });
    expect(denied).toMatchObject({ code: 69, stderr: expect.stringContaining('policy-denied') });
  });

  test('ends with the exit code of a command that fails', async () => {
    const failed = await run({ AKSGW_COMMAND: 'kubectl get pods/missing -n shop', AKSGW_TOKEN: stack.tokens.bot });
    expect(failed.code).toBe(1);
  });

  test('waits for a gateway that is away, and gives up at its deadline', async () => {
    const door = createServer((socket) => {
      const { port } = new URL(stack.url);
      const on = connect(Number(port), '127.0.0.1');
      socket.on('error', () => on.destroy());
      on.on('error', () => socket.destroy());
      socket.pipe(on).pipe(socket);
    });
    await new Promise<void>((done) => door.listen(0, '127.0.0.1', done));
    const { port } = door.address() as AddressInfo;
    await new Promise((done) => door.close(done));
    const AKSGW_URL = `http://127.0.0.1:${port}`;
    expect((await run({ AKSGW_URL, AKSGW_DEADLINE: '1' })).code).toBe(75);
    const running = run({ AKSGW_URL });
    await systemClock.sleep(1_000);
    await new Promise<void>((done) => door.listen(port, '127.0.0.1', done));
    expect(await running).toMatchObject({ code: 0, stdout: expect.stringContaining('restarted') });
    door.close();
  }, 40_000);
});

// Last, since its clock goes ahead, and kubectl restarts nothing twice in a second.
test('the job in ten lines runs as it stands, at three in the morning in Berlin', async () => {
  expect(job.trim().split('\n')).toHaveLength(10);
  await stack.gateway.runJobs();
  const berlin = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: 'numeric', minute: 'numeric' });
  const start = Math.ceil(systemClock.now() / 60_000) * 60_000;
  let slot = start;
  while (berlin.format(slot) !== '03:00') slot += 60_000;
  ahead = slot - systemClock.now() + 5_000;
  await stack.gateway.runJobs(5_000);
  ahead = 0; // tokens live for an hour, and three o'clock may be a day away
  const { body } = await stack.request<{ items: { code: string }[] }>(
    'GET',
    '/v1/audit/events?principal=nightly-restart',
    { token: stack.tokens.auditor },
  );
  expect(body.items.map(({ code }) => code)).toContain('AKG305I');
});
