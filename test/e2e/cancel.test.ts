import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchOutputBody } from '../../shared/http/schemas.ts';
import { held, type OpenApi } from '../support/openapi.ts';
import { fastClock } from '../support/fast-clock.ts';
import { slowKubectl } from '../support/slow-kubectl.ts';
import { people, testStack, type Answer, type TestStack } from '../support/stack.ts';

const slow = { argv: ['kubectl', 'get', 'deployment', 'slow', '-n', 'shop'], timeoutSeconds: 60 };
const pods = { argv: ['kubectl', 'get', 'pods', '-n', 'shop', '-o', 'name'] };
const respondAsync = { headers: { prefer: 'respond-async' } };

type Batch = BatchOutputBody & { readonly code?: string };
interface Event {
  readonly code: string;
  readonly commandId?: string;
  readonly reason?: string;
  readonly principal?: { readonly oid: string };
}

let tools: string;
let stack: TestStack & { readonly document: OpenApi };
beforeAll(async () => {
  tools = await slowKubectl();
  stack = await held(
    await testStack({
      tools,
      edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 400').replace('running: 4', 'running: 1'),
    }),
  );
});
afterAll(() => stack.close());

const cancel = (id: string, token = stack.tokens.user): Promise<Answer> =>
  stack.request('POST', `/v1/commands/${id}/cancel`, { token });
const get = (id: string, wait = 0): Promise<Answer> =>
  stack.request('GET', `/v1/commands/${id}`, { headers: wait > 0 ? { prefer: `wait=${wait}` } : {} });
const isRunning = async (id: string): Promise<void> => {
  while ((await get(id)).body.status !== 'running') await new Promise((resolve) => setTimeout(resolve, 50));
};
const events = async (query: string): Promise<readonly Event[]> => {
  const answer = await stack.request<{ items: Event[] }>('GET', `/v1/audit/events?limit=200&${query}`, {
    token: stack.tokens.auditor,
  });
  return answer.body.items;
};

describe('POST /v1/commands/{id}/cancel', () => {
  test('ends what runs by TERM in its pod, and closes what waits at once', async () => {
    const running = await stack.command(slow, respondAsync);
    await isRunning(running.body.id);
    const waiting = stack.command(pods); // one at a time: it waits for its turn
    const list = async () =>
      (await stack.request<{ items: { id: string }[] }>('GET', '/v1/commands?status=accepted')).body.items;
    while ((await list()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const [{ id: waitingId } = { id: '' }] = await list();

    expect((await cancel(running.body.id, stack.tokens.bot)).body.code).toBe('command-not-found');
    expect((await cancel(running.body.id, stack.tokens.auditor)).body.code).toBe('policy-denied');

    const closed = await cancel(waitingId);
    expect([closed.status, closed.body.status, closed.body.failure?.code, closed.body.cancelled]).toEqual([
      200,
      'failed',
      'cancelled',
      true,
    ]);
    const told = await waiting;
    expect([told.status, told.body.id, told.body.failure?.code]).toEqual([200, waitingId, 'cancelled']);
    expect((await cancel(waitingId)).status).toBe(200); // asked again, nothing changes

    const asked = await cancel(running.body.id);
    expect([asked.status, asked.body.status]).toEqual([202, 'running']);
    expect(asked.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(asked.headers.get('location')).toBe(`/v1/commands/${running.body.id}`);
    await cancel(running.body.id);
    const ended = await get(running.body.id, 30);
    expect(ended.body).toMatchObject({ status: 'completed', exitCode: 143, cancelled: true, stdout: 'begun\n' });
    expect((await cancel(running.body.id)).status).toBe(200);

    // One POST for the command, one for the cancel, none for what waited; the cancel is the gateway's own, and on record.
    expect(stack.azure.arm.posts).toHaveLength(2);
    const own = await events('principal=gateway');
    const intents = own.filter(({ code }) => code === 'AKG300I');
    expect(intents).toHaveLength(1);
    expect(intents[0]?.reason).toMatch(`cancel command ${running.body.id}, for user:`);
    expect(intents[0]?.reason).toContain(people.user);
    const codes = (await events(`command=${waitingId}`))
      .filter(({ commandId }) => commandId === waitingId)
      .map(({ code }) => code);
    expect(codes).toEqual(['AKG310I', 'AKG311I']);
  }, 60_000);

  test('says what cannot be cancelled, and why', async () => {
    const done = await stack.command(pods);
    const late = await cancel(done.body.id);
    expect([late.status, late.body.code]).toEqual([409, 'command-finished']);
    stack.azure.arm.faults.post({ kind: 'resetAfter' });
    const lost = await stack.command(pods);
    const nowhere = await cancel(lost.body.id);
    expect([nowhere.status, nowhere.body.code]).toEqual([409, 'cancel-unavailable']);
    expect((await cancel('nothing')).body.code).toBe('command-not-found');
  });
});

describe('POST /v1/batches/{id}/cancel', () => {
  const batch = (body: unknown) => stack.request<Batch>('POST', '/v1/clusters/demo/batches', { ...respondAsync, body });
  const ended = (id: string) => stack.request<Batch>('GET', `/v1/batches/${id}`, { headers: { prefer: 'wait=30' } });
  const shapeOf = ({ items }: Batch) =>
    items.map(({ status, exitCode, cancelled, failure }) => [status, exitCode, cancelled, failure?.code]);

  test('ends the step that runs, and the rest is not started', async () => {
    rmSync(join(tools, 'begun'), { force: true });
    const started = await batch({ steps: [pods, slow, pods], onError: 'continue' });
    await isRunning(started.body.items[0]?.id ?? '');
    while (!existsSync(join(tools, 'begun'))) await new Promise((resolve) => setTimeout(resolve, 50)); // the second step
    const asked = await stack.request<Batch>('POST', `/v1/batches/${started.body.id}/cancel`);
    expect([asked.status, asked.body.status]).toEqual([202, 'running']);
    expect(shapeOf((await ended(started.body.id)).body)).toEqual([
      ['completed', 0, false, undefined],
      ['completed', 143, true, undefined],
      ['failed', null, false, 'not-reached'],
    ]);
  }, 60_000);

  test('of one step ends that, and onError decides', async () => {
    const started = await batch({ steps: [slow, pods], onError: 'continue' });
    const [first] = started.body.items;
    await isRunning(first?.id ?? '');
    expect((await cancel(first?.id ?? '')).status).toBe(202);
    expect(shapeOf((await ended(started.body.id)).body)).toEqual([
      ['completed', 143, true, undefined],
      ['completed', 0, false, undefined],
    ]);
  }, 60_000);

  test('before it was sent closes all its steps', async () => {
    const before = await stack.command(slow, respondAsync);
    await isRunning(before.body.id);
    const started = await batch({ steps: [pods, pods] });
    const closed = await stack.request<Batch>('POST', `/v1/batches/${started.body.id}/cancel`);
    expect([closed.status, closed.body.status]).toEqual([200, 'failed']);
    expect(shapeOf(closed.body)).toEqual([
      ['failed', null, true, 'cancelled'],
      ['failed', null, true, 'cancelled'],
    ]);
    await cancel(before.body.id);
    expect((await get(before.body.id, 30)).body.cancelled).toBe(true);
  }, 60_000);
});

const reload = async (yaml: string): Promise<void> => {
  writeFileSync(stack.config, yaml);
  await stack.gateway.config.refresh();
  expect(stack.gateway.config.problem()).toBeUndefined();
};
const asAuditor = (id: string): Promise<Answer> =>
  stack.request('GET', `/v1/commands/${id}`, { token: stack.tokens.auditor, headers: { prefer: 'wait=30' } });

describe('a cancel', () => {
  test('while the command is submitting waits for what Azure says, and ends it then', async () => {
    stack.azure.arm.faults.post({ kind: 'slow', ms: 4_000 });
    const { body } = await stack.command(slow, respondAsync);
    let now = await get(body.id);
    while (now.body.status === 'accepted') now = await get(body.id);
    expect(now.body.status).toBe('submitting');
    const asked = await cancel(body.id);
    expect([asked.status, asked.body.status]).toEqual([202, 'submitting']);
    expect((await get(body.id, 40)).body).toMatchObject({ status: 'completed', exitCode: 143, cancelled: true });
  }, 60_000);

  test('of a caller who was blocked comes by itself: what runs is ended, what waits is closed', async () => {
    const running = await stack.command(slow, respondAsync);
    await isRunning(running.body.id);
    const waiting = await stack.command(pods, respondAsync);
    const yaml = readFileSync(stack.config, 'utf8');
    await reload(yaml.replace('blocked: []', `blocked: [{ user: ${people.user} }]`));
    try {
      await stack.gateway.sweep();
      expect((await asAuditor(running.body.id)).body).toMatchObject({
        status: 'completed',
        exitCode: 143,
        cancelled: true,
      });
      expect((await asAuditor(waiting.body.id)).body).toMatchObject({ status: 'failed', exitCode: null });
      const reasons = (await events('principal=gateway')).map(({ reason }) => reason);
      expect(reasons).toContain(`cancel command ${running.body.id}, for the policy, which blocks its caller`);
    } finally {
      await reload(yaml);
    }
  }, 60_000);

  test('deletes the pod where the cluster lets nobody into it; the next one is told so', async () => {
    writeFileSync(join(tools, 'no-exec'), '');
    const { body } = await stack.command(slow, respondAsync);
    await isRunning(body.id);
    const pod = `command-${(await get(body.id)).body.azure.commandId ?? ''}`;
    expect(stack.azure.kubernetes.find('Pod', 'aks-command', pod)).toBeDefined();
    expect((await cancel(body.id)).status).toBe(202);
    const ended = await get(body.id, 60);
    expect(stack.azure.kubernetes.find('Pod', 'aks-command', pod)).toBeUndefined();
    // Nothing of it came back, so nobody can say how far it came: never an empty success.
    expect(ended.body).toMatchObject({ status: 'unknown', exitCode: null, stdout: '' });
    const own = async (code: string) => (await events('principal=gateway')).filter((event) => event.code === code);
    await stack.gateway.runJobs(60_000); // until what the gateway does for itself has ended
    expect((await own('AKG305I')).length).toBe((await own('AKG300I')).length);

    const second = await stack.command({ ...slow, timeoutSeconds: 3 }, respondAsync);
    await isRunning(second.body.id);
    const refused = await cancel(second.body.id);
    expect([refused.status, refused.body.code]).toEqual([409, 'cancel-unavailable']);
    expect((await get(second.body.id, 40)).body).toMatchObject({ exitCode: 124, timedOut: true, cancelled: false });
  }, 120_000);

  test('comes before what callers have in line for Azure, though the gateway asks for it', async () => {
    const clock = fastClock(10);
    const quick = mkdtempSync(join(tmpdir(), 'aksgw-quick-'));
    const program = '#!/bin/sh\ncase "$*" in *slow*) sleep 60 ;; esac\necho ran\n';
    writeFileSync(join(quick, 'kubectl'), program, { mode: 0o755 });
    const busy = await testStack({
      tools: quick,
      clock,
      gateway: { clock },
      throttles: 'documented',
      edit: (yaml) =>
        yaml
          .replace(/perPrincipal: .*/, 'perPrincipal: { running: 90, queued: 90, submitsPerMinute: 900 }')
          .replace(/perCluster: .*/, 'perCluster: { running: 90 }'),
    });
    try {
      const { posts } = busy.azure.arm;
      const { id } = (await busy.command(slow, respondAsync)).body;
      while ((await busy.request('GET', `/v1/commands/${id}`)).body.status !== 'running') await clock.sleep(100);
      const all = Array.from({ length: 60 }, () => busy.command(pods, respondAsync));
      await Promise.all(all);
      while (posts.length < 25) await clock.sleep(100);
      expect((await busy.request('POST', `/v1/commands/${id}/cancel`)).status).toBe(202);
      const before = posts.length;
      const sent = (): number => posts.findIndex(({ command }) => command.includes('aks-command'));
      while (sent() < 0) await clock.sleep(100);
      expect(sent() - before).toBeLessThan(12);
      expect(before).toBeLessThan(45); // the others were still in line
    } finally {
      await busy.close();
      rmSync(quick, { recursive: true, force: true });
    }
  }, 60_000);
});
