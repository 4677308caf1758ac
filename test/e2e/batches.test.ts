import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Compile } from 'typebox/compile';
import { createClient } from '../../shared/client/client.ts';
import {
  BatchRecordBody,
  ExplainBatchBody,
  type BatchOutputBody,
  type CommandOutputBody,
  type ProblemDocument,
} from '../../shared/http/schemas.ts';
import { held, type OpenApi } from '../support/openapi.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { testStack, type Answer, type RequestOptions, type TestStack } from '../support/stack.ts';

type Body = BatchOutputBody & Omit<ProblemDocument, 'status'> & { readonly step?: number };

let stack: TestStack & { readonly document: OpenApi };
/** With a kubectl that does nothing, where many run and what they do does not matter. */
let tools: string;
beforeAll(async () => {
  tools = temporaryFolder('quick');
  writeFileSync(join(tools, 'kubectl'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
  stack = await held(
    await testStack({ edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 400') }),
  );
});
afterAll(() => stack.close());

const schema = Compile(BatchRecordBody);
const get = (name: string) => ({ argv: ['kubectl', 'get', 'deployment', name, '-n', 'shop', '-o', 'name'] });
const pods = { argv: ['kubectl', 'get', 'pods', '-n', 'shop', '-o', 'name'] };
const missing = get('not-there');
const secrets = { argv: ['kubectl', 'get', 'secrets', '-n', 'shop'] };

const times = <T>(count: number, step: T): readonly T[] => Array.from({ length: count }, () => step);

const batch = (body: unknown, options: RequestOptions = {}): Promise<Answer<Body>> =>
  stack.request<Body>('POST', '/v1/clusters/demo/batches', { ...options, body });
const posts = () => stack.azure.arm.posts.length;
const codes = async (query = ''): Promise<readonly string[]> => {
  const answer = await stack.request<{ items: { code: string }[] }>('GET', `/v1/audit/events?limit=200${query}`, {
    token: stack.tokens.auditor,
  });
  return answer.body.items.map(({ code }) => code);
};

describe('POST /v1/clusters/{cluster}/batches', () => {
  test('runs twenty reads as one POST, each with its own record, receipt, events and output', async () => {
    const before = posts();
    const steps = Array.from({ length: 20 }, (_, index) => (index % 2 ? pods : get('web')));
    const { status, headers, body } = await batch({ steps, reason: 'INC-1' });
    expect(status).toBe(200);
    expect(posts() - before).toBe(1);
    expect([...schema.Errors(body)]).toEqual([]);
    expect(body).toMatchObject({ status: 'completed', onError: 'stop' });
    expect(headers.get('content-location')).toBe(`/v1/batches/${body.id}`);
    expect(body.items.map(({ exitCode }) => exitCode)).toEqual(steps.map(() => 0));
    expect(body.items.map(({ stdout }) => /^deployment.apps\/web$/m.test(stdout))).toEqual(
      steps.map((step) => step !== pods),
    );
    expect(new Set(body.items.map(({ azure }) => azure.commandId)).size).toBe(1);
    for (const item of body.items) expect(item).toMatchObject({ batch: body.id, reason: 'INC-1', streams: 'separate' });
    expect(new Set(body.items.map(({ receipt }) => receipt)).size).toBe(20);
    // Each is a command of its own.
    const third = await stack.request('GET', `/v1/commands/${body.items[2]?.id}`);
    expect(third.body).toEqual(body.items[2]);
    const again = await stack.request<Body>('GET', `/v1/batches/${body.id}`);
    expect([again.status, again.body]).toEqual([200, body]);
    const told = (await codes()).filter((code) => code.startsWith('AKG3'));
    const count = (code: string) => told.filter((one) => one === code).length;
    expect(['AKG320I', 'AKG300I', 'AKG302I', 'AKG305I', 'AKG321I'].map(count)).toEqual([1, 20, 20, 20, 1]);
  });

  test('stops at the first failure, or goes on; the trail tells which', async () => {
    const stopped = await batch({ steps: [pods, missing, pods] });
    expect(stopped.body.status).toBe('completed');
    expect(stopped.body.items.map(({ status, exitCode, failure }) => [status, exitCode, failure?.code])).toEqual([
      ['completed', 0, undefined],
      ['completed', 1, undefined],
      ['failed', null, 'not-reached'],
    ]);
    const on = await batch({ steps: [pods, missing, pods], onError: 'continue' });
    expect(on.body.items.map(({ exitCode }) => exitCode)).toEqual([0, 1, 0]);
    expect((await codes()).filter((code) => code === 'AKG322I')).toHaveLength(1);
  });

  test('judges all before any runs: the step is named, and nothing was sent', async () => {
    const before = posts();
    const denied = await batch({ steps: [pods, secrets, pods] });
    expect([denied.status, denied.body.code, denied.body.step]).toEqual([403, 'policy-denied', 1]);
    const refused = await batch({ steps: [pods, pods, { command: 'kubectl get pods; id' }] });
    expect([refused.status, refused.body.code, refused.body.step]).toEqual([400, 'command-refused', 2]);
    const shapeless = await batch({ steps: [pods, {}] });
    expect([shapeless.status, shapeless.body.code, shapeless.body.step]).toEqual([400, 'request-invalid', 1]);
    for (const body of [{ steps: [] }, { steps: times(21, pods) }, { steps: [pods], onError: 'never' }, {}])
      expect((await batch(body)).body.code).toBe('request-invalid');
    expect(posts()).toBe(before);
  });

  test('has for all its files what one command has for its own', async () => {
    const keys = Array.from({ length: 2_000 }, (_, key) => `  key-${key}: !!str b\n`).join('');
    const content = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n${keys}`;
    const files = [{ path: 'a.yaml', content }];
    const step = { argv: ['kubectl', 'apply', '-f', 'a.yaml', '-n', 'shop'], files };
    const { status, body } = await batch({ steps: [step, step] });
    expect([status, body.code, body.step]).toEqual([400, 'command-refused', 1]);
  });

  test('shares the time that one command may have: what the steps leave open is an equal part', async () => {
    const long = { ...pods, timeoutSeconds: 3_000 };
    const tooLong = await batch({ steps: [long, long] });
    expect([tooLong.status, tooLong.body.code]).toEqual([400, 'request-invalid']);
    expect((await batch({ steps: [long, pods, pods] })).body.status).toBe('completed');
  });

  test('runs once for one key, and is not another command', async () => {
    const before = posts();
    const headers = { 'idempotency-key': 'batch-key' };
    const [one, two] = await Promise.all([
      batch({ steps: [pods] }, { headers }),
      batch({ steps: [pods] }, { headers }),
    ]);
    expect(one.body.id).toBe(two.body.id);
    expect(two.body.items[0]?.stdout).toBe(one.body.items[0]?.stdout);
    expect([one, two].filter(({ body }) => body.items[0]?.replayed)).toHaveLength(1);
    expect(posts() - before).toBe(1);
    expect((await batch({ steps: [pods, pods] }, { headers })).body.code).toBe('idempotency-conflict');
    expect((await stack.command(pods, { headers })).body.code).toBe('idempotency-conflict');
  });

  test('answers 202 with where to ask again, and GET waits', async () => {
    const started = await batch({ steps: [pods, pods] }, { headers: { prefer: 'respond-async' } });
    expect([started.status, started.body.status]).toEqual([202, 'running']);
    expect(started.headers.get('location')).toBe(`/v1/batches/${started.body.id}`);
    expect(started.headers.get('retry-after')).toMatch(/^\d+$/);
    const ended = await stack.request<Body>('GET', `/v1/batches/${started.body.id}`, {
      headers: { prefer: 'wait=20' },
    });
    expect(ended.body.status).toBe('completed');
    const other = await stack.request<Body>('GET', `/v1/batches/${started.body.id}`, { token: stack.tokens.bot });
    expect([other.status, other.body.code]).toEqual([404, 'batch-not-found']);
    expect((await stack.request<Body>('GET', '/v1/batches/nothing')).body.code).toBe('batch-not-found');
    expect(
      (await stack.request<Body>('GET', `/v1/batches/${started.body.id}`, { token: stack.tokens.auditor })).status,
    ).toBe(200);
  });

  test('as text: what a shell would print, with the first exit code that is not 0', async () => {
    const text = { headers: { accept: 'text/plain' } };
    const good = await batch({ steps: [get('web'), get('web')] }, text);
    expect([good.status, good.text, good.headers.get('exit-code')]).toEqual([
      200,
      'deployment.apps/web\ndeployment.apps/web\n',
      '0',
    ]);
    const bad = await batch({ steps: [get('web'), missing, get('web')] }, text);
    expect([bad.status, bad.headers.get('exit-code')]).toEqual([200, '1']);
    expect(bad.text).toMatch(
      /^deployment.apps\/web\nError from server \(NotFound\)[^\n]*\nstep 2: failed: not-reached: /,
    );
  });

  test('an answer that was lost makes each step unknown, and nothing is sent again', async () => {
    const before = posts();
    stack.azure.arm.faults.post({ kind: 'resetAfter' });
    const { status, body } = await batch({ steps: [pods, pods] });
    expect([status, body.status]).toEqual([200, 'unknown']);
    expect(body.items.map((item) => item.status)).toEqual(['unknown', 'unknown']);
    const text = await stack.request('GET', `/v1/batches/${body.id}`, { headers: { accept: 'text/plain' } });
    expect([text.status, text.headers.get('exit-code')]).toEqual([504, null]);
    expect(posts() - before).toBe(1);
  });

  test('what Azure does not take is a problem, and the key is free again', async () => {
    stack.azure.arm.faults.post({ kind: 'status', status: 403, code: 'AuthorizationFailed', message: 'no' });
    const headers = { 'idempotency-key': 'batch-refused' };
    const refused = await batch({ steps: [pods, pods] }, { headers });
    expect([refused.status, refused.body.code]).toEqual([502, 'azure-refused']);
    expect((await batch({ steps: [pods, pods] }, { headers })).body.status).toBe('completed');
  });

  test('each step has its files to itself', async () => {
    const manifest = (name: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace: 'shop' },
        spec: { ports: [{ port: 80 }] },
      });
    const apply = (name: string) => ({
      argv: ['kubectl', 'apply', '-f', 'svc.json', '-n', 'shop'],
      files: [{ path: 'svc.json', content: manifest(name) }],
    });
    const { body } = await batch({ steps: [apply('one'), apply('two')], reason: 'two services' });
    expect(body.items.map(({ stdout, stderr }) => stdout + stderr)).toEqual([
      'service/one created\n',
      'service/two created\n',
    ]);
  });
});

test('explain takes a batch, and says it of each step', async () => {
  const before = posts();
  const { status, body } = await stack.explain({ steps: [pods, secrets], onError: 'continue' });
  expect(status).toBe(200);
  expect([...Compile(ExplainBatchBody).Errors(body)]).toEqual([]);
  expect(body).toMatchObject({ cluster: 'demo', allowed: false, steps: [{ allowed: true }, { allowed: false }] });
  expect((await stack.explain({ steps: [pods], argv: ['kubectl'] })).body.code).toBe('request-invalid');
  expect(posts()).toBe(before);
});

test('twenty steps count as twenty in the rate, and as one slot', async () => {
  const tight = await testStack({
    tools,
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 25').replace('running: 4', 'running: 1'),
  });
  try {
    const send = () => tight.request<Body>('POST', '/v1/clusters/demo/batches', { body: { steps: times(20, pods) } });
    expect((await send()).body.status).toBe('completed');
    const second = await send();
    expect([second.status, second.body.code]).toEqual([429, 'rate-limited']);
    expect((await tight.command(pods)).status).toBe(200);
  } finally {
    await tight.close();
  }
});

test('the typed client sends a batch and waits for its end', async () => {
  const client = createClient({ url: stack.url, token: async () => stack.tokens.user });
  const ended = await client.runBatch('demo', { steps: [pods, pods] }, { idempotencyKey: 'client-batch' });
  expect(ended).toMatchObject({ status: 'completed', items: [{ exitCode: 0 }, { exitCode: 0 }] });
  const denied = client.runBatch('demo', { steps: [pods, secrets] }, { idempotencyKey: 'client-batch-2' });
  await expect(denied).rejects.toMatchObject({ problem: { code: 'policy-denied', step: 1 } });
});

test('twenty reads take the time of one command and their own', async () => {
  const house = await testStack({
    tools,
    latency: { startMs: 2_000 },
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 400'),
  });
  try {
    /** ms beyond what the command itself took, by Azure's times, which are whole seconds. */
    const beyond = async (send: () => Promise<CommandOutputBody | undefined>): Promise<number> => {
      const began = performance.now();
      const { startedAt, finishedAt } = (await send()) ?? {};
      return performance.now() - began - (Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? ''));
    };
    const one = await beyond(async () => (await house.command(pods)).body);
    const twenty = await beyond(async () => {
      const body = { steps: times(20, pods) };
      return (await house.request<Body>('POST', '/v1/clusters/demo/batches', { body })).body.items[0];
    });
    expect(house.azure.arm.posts).toHaveLength(2);
    expect(house.azure.arm.executions).toHaveLength(2);
    // Twenty commands would wait for a pod twenty times.
    expect(twenty).toBeLessThan((20 * one) / 3);
  } finally {
    await house.close();
  }
}, 120_000);
