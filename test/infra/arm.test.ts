import { ContainerServiceClient } from '@azure/arm-containerservice';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  startArm,
  type JobEnd,
  type ArmOptions,
  type EmulatedArm,
  type EmulatedCluster,
  type Job,
} from '../../infra/local/arm.ts';
import { createManualClock } from '../support/manual-clock.ts';

const subscription = '00000000-0000-4000-8000-000000000001';
const id = (name: string) =>
  `/subscriptions/${subscription}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/${name}`;
const bearer = { authorization: 'Bearer any', 'content-type': 'application/json' };
const version = '?api-version=2025-10-01';

let arm: EmulatedArm;
let jobs: Job[];
/** Ends the run that is held. */
let finish: ((end: JobEnd) => void) | undefined;
let begun: PromiseWithResolvers<void>;
const clock = createManualClock(Date.UTC(2023, 2, 31, 8, 51, 42, 700));

async function start(options: Partial<ArmOptions> = {}, cluster: Partial<EmulatedCluster> = {}): Promise<void> {
  await arm.close();
  arm = await startArm({
    clock,
    clusters: [{ resourceId: id('aks'), ...cluster }],
    runner: async (job) => {
      jobs.push(job);
      return { exitCode: 0, logs: 'NAME <none> & more\n' };
    },
    ...options,
  });
}

beforeEach(async () => {
  jobs = [];
  finish = undefined;
  begun = Promise.withResolvers();
  arm = await startArm({ clock, clusters: [] });
});
afterEach(() => arm.close());

const held: Pick<ArmOptions, 'runner'> = {
  runner: () =>
    new Promise((resolve) => {
      finish = resolve;
      begun.resolve();
    }),
};
const post = (body: unknown = { command: 'kubectl get pods' }, name = 'aks') =>
  fetch(`${arm.url}${id(name)}/runCommand${version}`, { method: 'POST', headers: bearer, body: JSON.stringify(body) });
const get = (url: string) => fetch(url, { headers: bearer });
const locationOf = (answer: Response): string => answer.headers.get('location') ?? '';
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('runCommand on the wire', () => {
  test('is accepted with an empty 202 whose Location holds the request id without dashes', async () => {
    await start();
    const answer = await post();
    const requestId = answer.headers.get('x-ms-request-id') ?? '';
    expect(answer.status).toBe(202);
    expect(await answer.text()).toBe('');
    expect(answer.headers.get('content-length')).toBe('0');
    expect(answer.headers.has('retry-after')).toBe(false);
    expect(answer.headers.has('azure-asyncoperation')).toBe(false);
    expect(answer.headers.get('x-ms-ratelimit-remaining-subscription-writes')).toBe('1199');
    expect(locationOf(answer)).toBe(
      `${arm.url}${id('aks').replace('managedClusters', 'managedclusters')}/commandResults/${requestId.replaceAll('-', '')}${version}`,
    );
    expect(locationOf(answer)).toMatch(/\/[0-9a-f]{32}\?/);
  });

  test('says Running without startedAt, then with it, then gives the same body for good', async () => {
    await start({ ...held, latency: { startMs: 2000 } });
    const location = locationOf(await post());
    const commandId = arm.posts[0]?.commandId ?? '';

    const waiting = await get(location);
    expect(waiting.status).toBe(202);
    expect(locationOf(waiting)).toBe(location);
    expect(await waiting.text()).toBe(`{"id":"${commandId}","properties":{"provisioningState":"Running"}}`);

    await clock.advance(2000);
    await begun.promise;
    const running = await get(location);
    expect(running.status).toBe(202);
    expect(await running.text()).toBe(
      `{"id":"${commandId}","properties":{"provisioningState":"Running","startedAt":"2023-03-31T08:51:44Z"}}`,
    );

    await clock.advance(1000);
    finish?.({ exitCode: 3, logs: 'NAME <none> & more\n' });
    await settle();
    const done = await get(location);
    expect(done.status).toBe(200);
    expect(done.headers.has('location')).toBe(false);
    const body = await done.text();
    expect(body).toBe(
      `{"id":"${commandId}","properties":{"provisioningState":"Succeeded","exitCode":3,"startedAt":"2023-03-31T08:51:44Z","finishedAt":"2023-03-31T08:51:45Z","logs":"NAME \\u003cnone\\u003e \\u0026 more\\n"}}`,
    );
    await clock.advance(600_000);
    expect(await (await get(location)).text()).toBe(body);
  });

  test('says failed in lower case with HTTP 200, without exit code or logs', async () => {
    await start({ runner: async () => ({ exitCode: 0, logs: 'x', reason: 'ImagePullBackoff' }) });
    const location = locationOf(await post());
    await settle();
    const answer = await get(location);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      id: arm.posts[0]?.commandId,
      properties: { provisioningState: 'failed', reason: 'ImagePullBackoff' },
    });
  });

  test.each([
    ['a cluster that is not there', {}, 'nope', { command: 'x' }, 404, 'ResourceNotFound'],
    ['a body without a command', {}, 'aks', {}, 400, 'InvalidRequestContent'],
    [
      'an Entra cluster without a token',
      { aad: true },
      'aks',
      { command: 'x', clusterToken: '' },
      400,
      'MissingAADClusterToken',
    ],
    [
      'an Entra cluster with a token for another audience',
      { aad: true },
      'aks',
      { command: 'x', clusterToken: token('other') },
      400,
      'InvalidAADClusterToken',
    ],
    [
      'an Entra cluster with what is not a token',
      { aad: true },
      'aks',
      { command: 'x', clusterToken: 'x.!.y' },
      400,
      'InvalidAADClusterToken',
    ],
    ['a stopped cluster', { powerState: 'Stopped' as const }, 'aks', { command: 'x' }, 400, 'OperationNotAllowed'],
    [
      'a cluster with run command disabled',
      { disableRunCommand: true },
      'aks',
      { command: 'x' },
      400,
      'OperationNotAllowed',
    ],
    ['a cluster that is being deleted', { provisioningState: 'Deleting' }, 'aks', { command: 'x' }, 400, 'BadRequest'],
    ['more than ARM takes', {}, 'aks', { command: 'x', context: 'A'.repeat(4_194_304) }, 413, 'RequestEntityTooLarge'],
  ])('refuses %s, and nothing runs', async (_, cluster, name, body, status, code) => {
    await start({}, cluster);
    const answer = await post(body, name);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { code } });
    expect(arm.posts).toEqual([expect.objectContaining({ started: false, status })]);
    expect(arm.executions).toEqual([]);
  });

  test('hands the runner the command, the unpacked context and the token of an Entra cluster', async () => {
    await start({}, { aad: true });
    const clusterToken = token('6dae42f8-4368-4678-94ff-3960e28e3630');
    await post({ command: 'kubectl apply -f a.yaml', context: Buffer.from('zip').toString('base64'), clusterToken });
    await settle();
    expect(jobs).toEqual([
      expect.objectContaining({ command: 'kubectl apply -f a.yaml', context: Buffer.from('zip'), clusterToken }),
    ]);
    expect(arm.posts).toEqual([
      expect.objectContaining({ clusterToken: true, hasContext: true, started: true, status: 202 }),
    ]);
    expect(JSON.stringify(arm.posts)).not.toContain(clusterToken);
  });

  test('wants a bearer token and an api-version, for every operation', async () => {
    await start();
    for (const path of [id('aks'), `${id('aks')}/runCommand`, `${id('aks')}/commandResults/${'0'.repeat(32)}`]) {
      const method = path.endsWith('runCommand') ? 'POST' : 'GET';
      expect((await fetch(`${arm.url}${path}${version}`, { method })).status).toBe(401);
      expect((await fetch(`${arm.url}${path}`, { method, headers: bearer })).status).toBe(400);
    }
    expect(arm.executions).toEqual([]);
  });

  test('gives results only below the cluster that ran the command', async () => {
    await start({ clusters: [{ resourceId: id('aks') }, { resourceId: id('other') }] });
    const location = locationOf(await post());
    expect((await get(location.replace('/aks/', '/other/'))).status).toBe(404);
    expect((await get(location.replace(/[0-9a-f]{32}/, '0'.repeat(32)))).status).toBe(404);
  });
});

function token(aud: string): string {
  const payload = { aud, exp: Math.floor(Date.UTC(2030, 0) / 1000) };
  return `e30.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.sig`;
}

describe('the real SDK', () => {
  const client = () => {
    const client = new ContainerServiceClient(
      { getToken: async () => ({ token: 't', expiresOnTimestamp: Infinity }) },
      subscription,
      {
        endpoint: arm.url,
        allowInsecureConnection: true,
        retryOptions: { maxRetries: 0 },
      },
    );
    client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
    client.pipeline.addPolicy({
      name: 'loopback',
      sendRequest: (request, next) => {
        request.headers.set('authorization', 'Bearer t');
        return next(request);
      },
    });
    return client.managedClusters;
  };

  test('runs a command to its end by its own poller', async () => {
    await start({ runner: async () => ({ exitCode: 7, logs: 'done\n' }) });
    const result = await client().runCommand('rg', 'aks', { command: 'kubectl get pods' });
    expect(result).toMatchObject({ provisioningState: 'Succeeded', exitCode: 7, logs: 'done\n' });
    expect(result?.startedAt).toBeInstanceOf(Date);
  });

  test('reads a running and a failed command', async () => {
    await start(held);
    await client().runCommand('rg', 'aks', { command: 'x' }).submitted();
    await begun.promise;
    const commandId = arm.posts[0]?.commandId ?? '';
    expect(await client().getCommandResult('rg', 'aks', commandId)).toMatchObject({ provisioningState: 'Running' });
    finish?.({ exitCode: 0, logs: '', reason: 'why' });
    await settle();
    expect(await client().getCommandResult('rg', 'aks', commandId)).toMatchObject({
      provisioningState: 'failed',
      reason: 'why',
    });
  });

  test('sees the cluster as it is set up', async () => {
    await start({}, { aad: true, powerState: 'Stopped', disableRunCommand: true });
    expect(await client().get('rg', 'aks')).toMatchObject({
      id: id('aks'),
      provisioningState: 'Succeeded',
      powerState: { code: 'Stopped' },
      aadProfile: { managed: true },
      apiServerAccessProfile: { enablePrivateCluster: true, disableRunCommand: true },
    });
  });

  test('throws RestError with the code for what ARM refuses', async () => {
    await start();
    await expect(client().get('rg', 'nope')).rejects.toMatchObject({ statusCode: 404, code: 'ResourceNotFound' });
  });
});

describe('throttles as documented', () => {
  test('let 60 requests of run command through at once, then one a second, telling how long to wait', async () => {
    await start({ throttles: 'documented', ...held });
    const location = locationOf(await post());
    const statuses = [];
    for (let count = 1; count < 60; count += 1) statuses.push((await get(location)).status);
    expect(new Set(statuses)).toEqual(new Set([202]));
    const refused = await get(location);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ error: { code: 'Throttled' } });
    expect((await post()).status).toBe(429);
    expect(arm.posts.at(-1)).toMatchObject({ started: false, status: 429 });

    await clock.advance(999);
    expect((await get(location)).status).toBe(429);
    await clock.advance(1);
    expect((await get(location)).status).toBe(202);
    expect((await get(location)).status).toBe(429);
    finish?.({ exitCode: 0, logs: '' });
  });

  test('leave another subscription and the view of the cluster alone', async () => {
    const other = id('aks').replace(subscription, '00000000-0000-4000-8000-000000000002');
    await start({ throttles: 'documented', clusters: [{ resourceId: id('aks') }, { resourceId: other }] });
    for (let count = 0; count < 60; count += 1) await get(`${arm.url}${id('aks')}/commandResults/x${version}`);
    expect((await post()).status).toBe(429);
    expect((await get(`${arm.url}${id('aks')}${version}`)).status).toBe(200);
    expect((await get(`${arm.url}${other}/commandResults/x${version}`)).status).toBe(404);
  });
});

describe('scripted faults', () => {
  test('resetBefore: no answer, nothing run, and only once', async () => {
    await start();
    arm.faults.post({ kind: 'resetBefore' });
    await expect(post()).rejects.toThrow();
    expect(arm.posts).toMatchObject([{ started: false, status: 0 }]);
    expect((await post()).status).toBe(202);
    await settle();
    expect(arm.executions).toHaveLength(1);
  });

  test('resetAfter: no answer, but it ran', async () => {
    await start();
    arm.faults.post({ kind: 'resetAfter' });
    await expect(post()).rejects.toThrow();
    await settle();
    expect(arm.posts).toMatchObject([{ started: true, status: 0 }]);
    expect(arm.executions).toMatchObject([{ commandId: arm.posts[0]?.commandId }]);
  });

  test.each([
    [false, 0],
    [true, 1],
  ])('a status in place of the 202 with accepted %s runs the command %i times', async (accepted, runs) => {
    await start();
    arm.faults.post({ kind: 'status', status: 504, code: 'GatewayTimeout', message: 'late', accepted });
    const answer = await post();
    await settle();
    expect(answer.status).toBe(504);
    expect(await answer.json()).toEqual({ error: { code: 'GatewayTimeout', message: 'late' } });
    expect(arm.executions).toHaveLength(runs);
  });

  test('429 with Retry-After, for as many requests as told', async () => {
    await start();
    arm.faults.post({ kind: 'status', status: 429, retryAfter: 17 }, { times: 2 });
    const first = await post();
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '17']);
    expect((await post()).status).toBe(429);
    expect((await post()).status).toBe(202);
  });

  test('slow: accepted and answered only when the clock says so', async () => {
    await start();
    arm.faults.post([{ kind: 'slow', ms: 40_000 }, { kind: 'resetAfter' }]);
    const answer = post();
    const outcome = answer.then(
      () => 'answered',
      () => 'reset',
    );
    while (clock.sleeping() === 0) await settle();
    expect(arm.posts).toMatchObject([{ started: false }]);
    await clock.advance(40_000);
    expect(await outcome).toBe('reset');
    expect(arm.posts).toMatchObject([{ started: true }]);
  });

  test.each([
    ['none', undefined, null],
    ['another host', 'https://evil.example/x', 'https://evil.example/x'],
    [
      'another id',
      (right: string) => right.replace(/[0-9a-f]{32}/, 'f'.repeat(32)),
      expect.stringContaining('f'.repeat(32)),
    ],
  ])('a wrong Location: %s', async (_, location, seen) => {
    await start();
    arm.faults.post({ kind: 'location', location });
    expect((await post()).headers.get('location')).toEqual(seen);
  });

  test('neverEnds: it runs, and stays Running', async () => {
    await start();
    arm.faults.post({ kind: 'neverEnds' });
    const location = locationOf(await post());
    await settle();
    expect(arm.executions).toHaveLength(1);
    expect((await get(location)).status).toBe(202);
  });

  test('failed: nothing runs, with or without a reason', async () => {
    await start();
    arm.faults.post({ kind: 'failed' });
    const location = locationOf(await post());
    await settle();
    expect(arm.executions).toEqual([]);
    expect(await (await get(location)).json()).toMatchObject({ properties: { provisioningState: 'failed' } });
  });

  test.each([
    ['head', 'b'],
    ['tail', 'a'],
  ] as const)('output over 512 kB loses its %s', async (end, left) => {
    await start({ runner: async () => ({ exitCode: 0, logs: 'a'.repeat(524_288) + 'b'.repeat(524_288) }) });
    arm.faults.post({ kind: 'cut', end });
    const location = locationOf(await post());
    await settle();
    const { properties } = (await (await get(location)).json()) as { properties: { logs: string } };
    expect(properties.logs.length).toBe(524_288);
    expect(new Set(properties.logs)).toEqual(new Set([left]));
  });

  test('on polls and on the view: 403, reset, and by function for as long as it says', async () => {
    await start();
    const location = locationOf(await post());
    arm.faults.poll({ kind: 'status', status: 403, code: 'AuthorizationFailed' });
    arm.faults.poll({ kind: 'resetBefore' });
    expect((await get(location)).status).toBe(403);
    await expect(get(location)).rejects.toThrow();
    expect((await get(location)).status).toBe(200);
    expect(arm.polls.map(({ status }) => status)).toEqual([403, 0, 200]);

    let broken = true;
    arm.faults.get(() => (broken ? { kind: 'status', status: 500 } : undefined));
    const view = `${arm.url}${id('aks')}${version}`;
    expect((await get(view)).status).toBe(500);
    expect((await get(view)).status).toBe(500);
    broken = false;
    expect((await get(view)).status).toBe(200);
  });
});
