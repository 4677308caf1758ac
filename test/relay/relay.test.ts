import { spawnSync } from 'node:child_process';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { systemClock, systemEntropy } from '../../shared/clock.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { createRelay } from '../../shared/relay/create.ts';
import type { Relay } from '../../shared/relay/relay.ts';
import { Secret } from '../../shared/secret.ts';
import { startReplayArm, type ReplayArm } from './support/replay-arm.ts';

const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
const RESOURCE = `/subscriptions/${SUBSCRIPTION}/resourceGroups/clitest000001/providers/Microsoft.ContainerService/managedClusters/cmdtest000002`;
const ID = '476c56420763494ca19c24e67f15f66e';
const NONCE = '0123456789abcdef0123456789abcdef';

const cluster: Cluster = {
  name: 'demo',
  arm: { id: RESOURCE, subscription: SUBSCRIPTION, resourceGroup: 'clitest000001', name: 'cmdtest000002' },
  runAs: 'gateway',
  impersonate: false,
  defaultNamespace: 'default',
  resources: [],
};

/** R1: 202 Accepted, empty body, lower-case "managedclusters", no Retry-After, no Azure-AsyncOperation. */
const accepted = {
  status: 202,
  headers: {
    'cache-control': 'no-cache',
    'content-length': '0',
    expires: '-1',
    location: `https://management.azure.com/subscriptions/${SUBSCRIPTION}/resourceGroups/clitest000001/providers/Microsoft.ContainerService/managedclusters/cmdtest000002/commandResults/${ID}?api-version=2022-04-01`,
    pragma: 'no-cache',
    server: 'nginx',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-ms-ratelimit-remaining-subscription-writes': '1199',
  },
};
const json = { 'content-type': 'application/json' };
/** R1: 104 bytes, spaces after the colons. */
const running = {
  status: 202,
  headers: { ...json, location: accepted.headers.location },
  body: `{"id": "${ID}", "properties": {"provisioningState": "Running"}}`,
};
const ended = (properties: string) => ({
  status: 200,
  headers: json,
  body: `{"id":"${ID}","properties":{${properties}}}`,
});

const start = (arm: { readonly url: string }): Relay =>
  createRelay({
    config: () => ({
      azure: { resourceManager: arm.url, credential: { kind: 'default' } },
      identity: { authority: 'https://login.microsoftonline.com', tenants: [], audience: '', scopes: [] },
    }),
    credential: () => Promise.resolve(new Secret('arm-token')),
    clock: systemClock,
    entropy: systemEntropy,
    holder: 'test',
  });

const submission = (...words: string[]) => ({
  cluster,
  authority: {},
  sent: { words, files: [], secret: false },
  nonce: NONCE,
  timeoutSeconds: 30,
  owner: 'user:t:o',
});
const run = () => ({
  cluster,
  commandId: ID,
  nonce: NONCE,
  owner: 'user:t:o',
  timeoutSeconds: 30,
  submittedAt: Date.now(),
});

describe('against recorded answers', () => {
  let arm: ReplayArm;
  let relay: Relay;
  beforeEach(async () => {
    arm = await startReplayArm();
    relay = start(arm);
  });
  afterEach(() => arm.close());

  test('a command goes out once, on a connection of its own, and its id comes from Location', async () => {
    arm.script('post', accepted);
    expect(await relay.submit(submission('kubectl', 'get', 'pods'))).toEqual({ kind: 'accepted', commandId: ID });
    expect(arm.requests).toHaveLength(1);
    const [post] = arm.requests;
    expect(post?.url).toMatch(new RegExp(`^${RESOURCE}/runCommand\\?api-version=`));
    expect(post?.headers.authorization).toBe('Bearer arm-token');
    expect(post?.headers.connection).toBe('close');
    expect(Object.keys(JSON.parse(post?.body ?? '{}'))).toEqual(['command']);
  });

  test('exit code, stdout and stderr come back from the frames, and followers share the polls', async () => {
    arm.script('post', accepted);
    await relay.submit(submission('sh', '-c', 'echo out; echo err >&2; exit 7'));
    const { command } = JSON.parse(arm.requests[0]?.body ?? '{}') as { command: string };
    const pod = spawnSync('/bin/sh', ['-c', command]);
    const logs = JSON.stringify(pod.stdout.toString());
    arm.script(
      'result',
      running,
      ended(
        `"provisioningState":"Succeeded","exitCode":7,"startedAt":"2022-05-13T08:14:46Z","finishedAt":"2022-05-13T08:14:47Z","logs":${logs}`,
      ),
    );
    const all = await Promise.all([relay.follow(run()), relay.follow(run()), relay.follow(run())]);
    for (const one of all)
      expect(one).toMatchObject({
        kind: 'completed',
        exitCode: 7,
        stdout: Buffer.from('out\n'),
        stderr: Buffer.from('err\n'),
        streams: 'separate',
        truncated: false,
        timedOut: false,
        startedAt: Date.UTC(2022, 4, 13, 8, 14, 46),
        finishedAt: Date.UTC(2022, 4, 13, 8, 14, 47),
        warnings: [],
      });
    expect(arm.requests.filter(({ method }) => method === 'GET')).toHaveLength(2);
  });

  test('a lost answer is lost: nothing is sent again', async () => {
    for (const answer of ['reset', { status: 504, body: '' }, { status: 500, body: '<html>' }] as const) {
      arm.script('post', answer);
      const before = arm.requests.length;
      expect(await relay.submit(submission('kubectl', 'apply'))).toMatchObject({ kind: 'lost' });
      expect(arm.requests).toHaveLength(before + 1);
    }
  });
});
