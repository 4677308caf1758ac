import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { main } from '../../shared/client/main.ts';
import { systemClock } from '../../shared/clock.ts';
import type { BatchOutputBody } from '../../shared/http/schemas.ts';
import { held } from '../support/openapi.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** The clock of the gateway's process, minutes ahead of the machine's where a test says so. */
let ahead = 0;
const clock = { ...systemClock, now: () => systemClock.now() + ahead };
const runner = people.user;

const JOBS = `
jobs:
  - name: nightly
    schedule: "*/5 * * * *"
    cluster: demo
    argv: [kubectl, get, pods, -n, "{namespace}"]
    options: { namespace: { enum: [shop, other], default: shop } }
  - name: secret-reader
    schedule: "*/5 * * * *"
    cluster: demo
    argv: [kubectl, get, secrets, -n, shop]
  - name: failing
    schedule: "*/5 * * * *"
    cluster: demo
    argv: [kubectl, get, pods/missing, -n, shop]
  - { name: by-hand, cluster: demo, argv: [kubectl, get, pods, -n, shop] }
  - name: in-steps
    schedule: "*/5 * * * *"
    cluster: demo
    options: { namespace: { enum: [shop, other], default: shop } }
    steps:
      - { argv: [kubectl, get, pods, -n, "{namespace}"] }
      - { argv: [kubectl, get, deployments, -n, "{namespace}"] }
  - name: in-failing-steps
    schedule: "*/5 * * * *"
    cluster: demo
    steps:
      - { argv: [kubectl, get, pods, -n, shop] }
      - { argv: [kubectl, get, pods/missing, -n, shop] }
      - { argv: [kubectl, get, deployments, -n, shop] }
  - name: in-denied-steps
    schedule: "*/5 * * * *"
    cluster: demo
    steps:
      - { argv: [kubectl, get, pods, -n, shop] }
      - { argv: [kubectl, get, secrets, -n, shop] }
`;
const withJobs = (yaml: string): string =>
  yaml
    .replace(
      '    auditor:\n',
      `    runner:
      allow:
        - { verbs: [run], resources: [jobs.aksgw], namespaces: ['*'], names: [nightly, secret-reader, in-steps, in-failing-steps] }
        - { verbs: [get], resources: [jobs.aksgw], namespaces: ['*'], names: [failing, in-denied-steps] }
    auditor:\n`,
    )
    .replace(
      '  bindings:\n',
      `  bindings:
    - { role: viewer, clusters: [demo], subjects: [{ job: nightly }, { job: secret-reader }, { job: failing }, { job: in-steps }, { job: in-failing-steps }, { job: in-denied-steps }] }
    - { role: runner, clusters: [demo], subjects: [{ user: ${runner} }] }\n`,
    )
    .replace('\n...\n', `${JOBS}...\n`);

interface JobAnswer {
  readonly name: string;
  readonly argv: readonly string[] | null;
  readonly next: readonly string[];
  readonly suspended: { readonly why: string } | null;
  readonly lastRun: RunAnswer | null;
  readonly runs: readonly RunAnswer[];
}
interface RunAnswer {
  readonly outcome: string;
  readonly slot: string | null;
  readonly commandId: string | null;
  readonly batchId?: string;
  readonly why?: string;
  readonly exitCode: number | null;
  readonly by?: { readonly oid: string };
}

let stack: TestStack;
beforeAll(async () => {
  stack = await held(await testStack({ edit: withJobs, jobs: false, gateway: { clock } }));
  await stack.gateway.runJobs();
}, 60_000);
afterAll(() => stack.close());

const SLOT_MS = 5 * 60_000;
/** Goes on to five seconds after the slot that is `count` from now. */
const slots = async (count: number): Promise<void> => {
  ahead += count * SLOT_MS - (clock.now() % SLOT_MS) + 5_000;
  await stack.gateway.runJobs(5_000);
  await stack.gateway.runJobs();
};
const job = async (name: string, token?: string): Promise<JobAnswer> =>
  (await stack.request<JobAnswer>('GET', `/v1/jobs/${name}`, token === undefined ? {} : { token })).body;
const run = (name: string, body: unknown, more = {}) =>
  stack.request('POST', `/v1/jobs/${name}/run`, { body, ...more });
const events = async (code: string): Promise<readonly Record<string, unknown>[]> => {
  const { body } = await stack.request<{ items: Record<string, unknown>[] }>(
    'GET',
    `/v1/audit/events?code=${code}&limit=200`,
    { token: stack.tokens.auditor },
  );
  return body.items;
};

describe('a scheduled job', () => {
  test('runs at its slot as a principal of its own, and is shown with its last run and its next three', async () => {
    expect((await job('nightly')).lastRun).toBeNull();
    await slots(1);
    const { lastRun, next } = await job('nightly');
    expect(lastRun).toMatchObject({ outcome: 'completed', exitCode: 0 });
    expect(next).toHaveLength(3);
    expect((await job('nightly')).argv).toEqual(['kubectl', 'get', 'pods', '-n', '{namespace}']);
    expect(new Set(next.map((at) => Date.parse(at) % 300_000))).toEqual(new Set([0]));
    // Who may run the job may read what its runs printed only with `get`: this one has `run` alone.
    const { body } = await stack.request('GET', `/v1/commands/${lastRun?.commandId}`, { token: stack.tokens.auditor });
    expect((await stack.request('GET', `/v1/commands/${lastRun?.commandId}`)).body.code).toBe('command-not-found');
    expect(body).toMatchObject({ status: 'completed', job: 'nightly', principal: { kind: 'job', oid: 'nightly' } });
    const fired = (await events('AKG500I')).filter((event) => event['job'] === 'nightly');
    expect(fired).toHaveLength(1);
    expect(fired[0]).toMatchObject({ slot: lastRun?.slot });
  });

  test('is suspended when policy denies it, with an alert, and runs nothing', async () => {
    const { suspended, lastRun } = await job('secret-reader');
    expect(suspended?.why).toContain('policy-denied');
    expect(lastRun).toMatchObject({ outcome: 'suspended', commandId: null });
    expect((await events('AKG504W')).map((event) => event['job'])).toContain('secret-reader');
  });

  test('that fails says so, with its exit code', async () => {
    const { lastRun } = await job('failing');
    expect(lastRun).toMatchObject({ outcome: 'completed', exitCode: 1 });
    const alerts = (await events('AKG501W')).filter((event) => event['job'] === 'failing');
    expect(alerts).toEqual([expect.objectContaining({ detail: 'exit code 1' })]);
    expect((await stack.request('GET', `/v1/commands/${lastRun?.commandId}`)).body).toMatchObject({ job: 'failing' });
  });

  test('with steps runs them as one batch, and is judged by all of them', async () => {
    const { lastRun } = await job('in-steps');
    expect(lastRun).toMatchObject({ outcome: 'completed', exitCode: 0, commandId: null });
    const token = stack.tokens.auditor;
    const { body } = await stack.request<BatchOutputBody>('GET', `/v1/batches/${lastRun?.batchId}`, { token });
    expect(body.items.map(({ status, job: name }) => [status, name])).toEqual([
      ['completed', 'in-steps'],
      ['completed', 'in-steps'],
    ]);
    expect(new Set(body.items.map(({ azure }) => azure.commandId)).size).toBe(1);
    const failed = await job('in-failing-steps');
    expect(failed.lastRun).toMatchObject({ outcome: 'completed', exitCode: 1, why: 'step 1: exit code 1' });
    const alerts = (await events('AKG501W')).filter((event) => event['job'] === 'in-failing-steps');
    expect(alerts).toEqual([expect.objectContaining({ detail: 'step 1: exit code 1' })]);
  });

  test('with a step that is denied runs none of them, and is suspended', async () => {
    const { lastRun, suspended } = await job('in-denied-steps');
    expect(lastRun).toMatchObject({ outcome: 'suspended', commandId: null });
    expect(lastRun?.batchId).toBeUndefined();
    expect(suspended?.why).toContain('policy-denied');
    const owned = (await events('AKG300I')).filter(
      (event) => Reflect.get(event['principal'] ?? {}, 'oid') === 'in-denied-steps',
    );
    expect(owned).toEqual([]);
  });

  test('that nobody looked at in time has missed its slots, and says how many', async () => {
    ahead += 30 * 60_000 - (clock.now() % SLOT_MS) + 120_000;
    await stack.gateway.runJobs();
    expect((await job('nightly')).lastRun).toMatchObject({ outcome: 'missed', missed: 6 });
    const [missed] = (await events('AKG502W')).filter((event) => event['job'] === 'nightly');
    expect(missed?.['detail']).toBe('6 missed');
  });

  test('runs as before on the next slot after its role came back', async () => {
    const before = stack.gateway.config.current().digest;
    const yaml = readFileSync(stack.config, 'utf8');
    writeFileSync(stack.config, yaml.replace(/ {6}deny:\n.*\n.*\n/, ''));
    ahead += 61_000;
    await stack.request('GET', '/v1/jobs');
    await until(() => stack.gateway.config.current().digest !== before);
    await slots(1);
    expect(await job('secret-reader')).toMatchObject({ suspended: null, lastRun: { outcome: 'completed' } });
  }, 30_000);
});

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !done(); tries += 1) await systemClock.sleep(50);
  expect(done()).toBe(true);
}

describe('a run by hand', () => {
  test('takes the verb run by name; what it does is judged as the job; the person is recorded', async () => {
    const answer = await run('nightly', { options: { namespace: 'other' }, reason: 'INC-9' });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      argv: ['kubectl', 'get', 'pods', '-n', 'other'],
      job: 'nightly',
      reason: 'INC-9',
      principal: { kind: 'job', oid: 'nightly' },
      requester: { kind: 'user', oid: runner },
    });
    const [byHand] = await events('AKG505I');
    const intents = await events('AKG300I');
    expect(byHand).toMatchObject({ job: 'nightly', principal: { oid: runner } });
    expect(intents.find((event) => event['requestId'] === byHand?.['requestId'])).toMatchObject({
      principal: { oid: 'nightly', idtyp: 'job' },
      requester: { oid: runner, idtyp: 'user' },
    });
    expect((await job('nightly')).runs[0]).toMatchObject({ slot: null, outcome: 'completed', by: { oid: runner } });
    // Whoever ran it reads it.
    expect((await stack.request('GET', `/v1/commands/${answer.body.id}`)).status).toBe(200);
    const other = await stack.azure.entra.userToken({
      oid: 'abababab-0000-4000-8000-000000000001',
      groups: [people.team],
    });
    expect((await stack.request('GET', `/v1/commands/${answer.body.id}`, { token: other })).body.code).toBe(
      'command-not-found',
    );
  });

  test('of a job with steps is answered as a batch, and shown as one run', async () => {
    const headers = { 'idempotency-key': 'steps-once' };
    const answer = await run('in-steps', { options: { namespace: 'other' }, reason: 'INC-9' }, { headers });
    const batch = answer.body as unknown as BatchOutputBody;
    expect([answer.status, batch.status]).toEqual([200, 'completed']);
    expect(answer.headers.get('content-location')).toBe(`/v1/batches/${batch.id}`);
    expect(batch.items.map(({ argv, requester }) => [argv.at(-1), requester?.oid])).toEqual([
      ['other', runner],
      ['other', runner],
    ]);
    expect((await run('in-steps', { options: { namespace: 'other' }, reason: 'INC-9' }, { headers })).body.id).toBe(
      batch.id,
    );
    expect((await stack.request('GET', `/v1/batches/${batch.id}`)).status).toBe(200);
    const [last] = (await job('in-steps')).runs;
    expect(last).toMatchObject({
      slot: null,
      batchId: batch.id,
      outcome: 'completed',
      exitCode: 0,
      by: { oid: runner },
    });
    const text = await run('in-failing-steps', {}, { headers: { accept: 'text/plain' } });
    expect([text.status, text.headers.get('exit-code')]).toEqual([200, '1']);
    const [failed] = (await job('in-failing-steps')).runs;
    expect(failed).toMatchObject({ slot: null, exitCode: 1, why: 'step 1: exit code 1' });
  });

  test('with one key is one run, and its records are the same', async () => {
    const headers = { 'idempotency-key': 'once' };
    const [first, second] = [await run('nightly', {}, { headers }), await run('nightly', {}, { headers })];
    expect(first.status).toBe(200);
    expect(second.body.id).toBe(first.body.id);
    expect([first.body.replayed, second.body.replayed]).toEqual([false, true]);
    expect((await run('nightly', { options: { namespace: 'other' } }, { headers })).body.code).toBe(
      'idempotency-conflict',
    );
  });

  test('needs no body where every option has a default', async () => {
    const answer = await stack.request('POST', '/v1/jobs/nightly/run');
    expect(answer).toMatchObject({ status: 200, body: { status: 'completed', job: 'nightly' } });
  });

  test.each([
    [{ options: { namespace: '--all-namespaces' } }, 'takes one of shop, other'],
    [{ options: { nowhere: 'x' } }, 'has no option "nowhere"'],
    [{ argv: ['kubectl'] }, 'argv'],
    [{ options: { namespace: 7 } }, 'namespace'],
  ])('is refused with %j', async (body, detail) => {
    const answer = await run('nightly', body);
    expect(answer.body.code).toBe('request-invalid');
    expect(JSON.stringify(answer.body.detail)).toContain(JSON.stringify(detail).slice(1, -1));
  });

  test('is denied without that verb, and a job that the caller may not see is none', async () => {
    expect((await run('failing', {})).body).toMatchObject({ code: 'policy-denied', asked: 'run jobs.aksgw failing' });
    expect((await run('by-hand', {})).body.code).toBe('job-not-found');
    expect((await run('nothing', {})).body.code).toBe('job-not-found');
    expect((await run('nightly', {}, { token: stack.tokens.bot })).body.code).toBe('job-not-found');
    const { body } = await stack.request<{ items: JobAnswer[] }>('GET', '/v1/jobs');
    expect(body.items.map(({ name }) => name)).toEqual([
      'nightly',
      'secret-reader',
      'failing',
      'in-steps',
      'in-failing-steps',
      'in-denied-steps',
    ]);
  });
});

describe('aksgw jobs', () => {
  async function aksgw(...argv: readonly string[]) {
    const said = { out: '', err: '' };
    const to = (name: 'out' | 'err') => ({
      write: (chunk: Uint8Array | string) => void (said[name] += Buffer.from(chunk).toString()),
    });
    const host = {
      env: { AKSGW_URL: stack.url, AKSGW_TOKEN: stack.tokens.user },
      stdin: (async function* () {})(),
      stdout: to('out'),
      stderr: to('err'),
      cwd: () => stack.folder,
    };
    return { code: await main(argv, host), ...said };
  }

  test('lists what the caller may see, with the next time and the last run', async () => {
    const { code, out } = await aksgw('jobs', 'list');
    const [head, ...rows] = out.trimEnd().split('\n');
    expect([code, head]).toEqual([0, expect.stringMatching(/^NAME +CLUSTER +SCHEDULE +NEXT +LAST RUN$/)]);
    expect(rows.map((row) => row.split(' ')[0])).toContain('in-steps');
    expect(rows).toContainEqual(expect.stringMatching(/^failing .* completed \(1\) \S+Z$/));
    const { items } = (await stack.request<{ items: unknown[] }>('GET', '/v1/jobs')).body;
    expect(JSON.parse((await aksgw('jobs', 'list', '--json')).out)).toEqual(items);
  });

  test('shows one with its steps, options and runs', async () => {
    const { code, out } = await aksgw('jobs', 'show', 'in-steps');
    expect(code).toBe(0);
    expect(out).toContain('step 1     kubectl get deployments -n {namespace}\n');
    expect(out).toContain('option     namespace: shop|other, else shop\n');
    expect(out).toMatch(/^\S+Z +by hand +completed +0 +\S+$/m);
    expect(JSON.parse((await aksgw('jobs', 'show', 'in-steps', '--json')).out)).toMatchObject({ name: 'in-steps' });
    expect(await aksgw('jobs', 'show', 'by-hand')).toMatchObject({
      code: 125,
      err: expect.stringContaining('job-not-found'),
    });
  });

  test('runs one: the output and the exit code are its own, and one key is one run', async () => {
    const run = ['jobs', 'run', 'nightly', 'namespace=shop', '--reason', 'INC-9', '--key', 'cli'];
    const first = await aksgw(...run);
    expect(first).toMatchObject({ code: 0, out: expect.stringContaining('web') });
    const runs = (await job('nightly')).runs.length;
    expect(await aksgw(...run)).toEqual(first);
    expect((await job('nightly')).runs).toHaveLength(runs);
    expect((await aksgw('jobs', 'run', 'in-failing-steps')).code).toBe(1);
    expect(await aksgw('jobs', 'run', 'nightly', 'namespace=-A')).toMatchObject({
      code: 125,
      err: expect.stringContaining('takes one of shop, other'),
    });
    expect(await aksgw('jobs', 'run', 'failing')).toMatchObject({
      code: 125,
      err: expect.stringContaining('policy-denied'),
    });
  });
});
