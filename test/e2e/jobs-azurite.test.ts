import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { assemble, type Assembled } from '../../shared/assemble.ts';
import { systemClock } from '../../shared/clock.ts';
import * as support from '../support/azurite.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

const SLOT_MS = 5 * 60_000;
const SLOTS = 6;
/** One request to the tables in so many loses its answer on the way back. */
const FAULTY = 7;

/** It takes two minutes: JOBS_AZURITE=1 runs it. */
const describeJobs = process.env['JOBS_AZURITE'] ? support.describeAzurite : describe.skip;

/** Jobs whose state is in Azure Tables: two gateways look at once, over a way that loses answers. */
describeJobs('jobs of two gateways on one Azurite', () => {
  let ahead = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  let azurite: support.Azurite;
  let way: support.FaultyStorage;
  let stack: TestStack;
  let second: Assembled;
  let requests = 0;
  let lost = 0;
  let troubled = false;

  beforeAll(async () => {
    azurite = await support.startAzurite();
    way = await support.startFaultyStorage(azurite.tableUrl, () => {
      requests += 1;
      if (!troubled || requests % FAULTY > 0) return 'pass';
      lost += 1;
      return 'lose-answer';
    });
    stack = await testStack({
      jobs: false,
      gateway: { clock },
      edit: (yaml) =>
        yaml
          .replace(/audit: file:.*/, `audit: ${azurite.blobUrl}/trail`)
          .replace(/records: sqlite:.*/, `records: ${way.origin}/${support.account}`)
          .replace(
            '    auditor:\n',
            `    runner: { allow: [{ verbs: [get], resources: [jobs.aksgw], namespaces: ['*'], names: ['*'] }] }\n    auditor:\n`,
          )
          .replace(
            '  bindings:\n',
            `  bindings:
    - { role: viewer, clusters: [demo], subjects: [{ job: nightly }, { job: in-steps }] }
    - { role: runner, clusters: [demo], subjects: [{ user: ${people.user} }] }\n`,
          )
          .replace(
            '\n...\n',
            `
jobs:
  - { name: nightly, cluster: demo, schedule: '*/5 * * * *', onMissed: run, argv: [kubectl, get, pods, -n, shop] }
  - name: in-steps
    cluster: demo
    schedule: '*/5 * * * *'
    onMissed: run
    steps: [{ argv: [kubectl, get, pods, -n, shop] }, { argv: [kubectl, get, deployments, -n, shop] }]
  - { name: denied, cluster: demo, schedule: '*/5 * * * *', argv: [kubectl, get, pods, -n, shop] }
...
`,
          ),
    });
    second = await assemble({ location: stack.config, env: stack.env, version: 'second', clock });
    await stack.gateway.runJobs();
  }, 120_000);
  afterAll(async () => {
    await second.close();
    await stack.close();
    await way[Symbol.asyncDispose]();
    await azurite.close();
  });

  interface JobAnswer {
    readonly suspended: { readonly why: string } | null;
    readonly runs: readonly { readonly slot: string; readonly outcome: string; readonly exitCode: number | null }[];
  }
  const job = async (name: string): Promise<JobAnswer> => {
    const answer = await stack.request<JobAnswer>('GET', `/v1/jobs/${name}`);
    return answer.status === 200 ? answer.body : { suspended: null, runs: [] };
  };

  test('each slot runs once, of a command and of steps, and what is denied is suspended', async () => {
    const slots: string[] = [];
    troubled = true;
    for (let count = 0; count < SLOTS; count += 1) {
      ahead += SLOT_MS - (clock.now() % SLOT_MS) + 5_000;
      const slot = new Date(clock.now() - (clock.now() % SLOT_MS)).toISOString();
      slots.unshift(slot);
      const done = async (name: string): Promise<boolean> =>
        (await job(name)).runs.some((run) => run.slot === slot && run.outcome !== 'running');
      for (let tries = 0; tries < 60; tries += 1) {
        await Promise.all([stack.gateway.runJobs(2_000), second.runJobs(2_000)]);
        if ((await done('nightly')) && (await done('in-steps')) && (await done('denied'))) break;
      }
    }
    troubled = false;
    expect(lost).toBeGreaterThan(SLOTS);
    for (const name of ['nightly', 'in-steps']) {
      const { runs } = await job(name);
      expect(runs.map(({ slot, outcome, exitCode }) => [slot, outcome, exitCode])).toEqual(
        slots.map((slot) => [slot, 'completed', 0]),
      );
    }
    expect(stack.azure.arm.posts).toHaveLength(2 * SLOTS);
    const { suspended, runs } = await job('denied');
    expect(suspended?.why).toContain('cluster-not-found'); // it has no role there at all
    expect(runs.map(({ slot, outcome }) => [slot, outcome])).toEqual(slots.map((slot) => [slot, 'suspended']));
  }, 600_000); // a slot takes ten seconds, and three times that on a busy machine
});
