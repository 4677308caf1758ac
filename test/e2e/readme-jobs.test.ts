import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { blocksOf } from '../support/recipes.ts';
import { testStack, type TestStack } from '../support/stack.ts';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const section = readme.slice(readme.indexOf('## Scheduled jobs'), readme.indexOf('## Point it'));
const [job = '', binding = ''] = blocksOf(section, 'yaml');

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
