import { spawnSync } from 'node:child_process';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { Problem } from '../../shared/errors.ts';
import type { Relay } from '../../shared/relay/relay.ts';
import { accepted, ended, ID, relayTo, RESOURCE, run, running, submission } from './support/fixtures.ts';
import { startReplayArm, type ReplayArm } from './support/replay-arm.ts';

describe('against recorded answers', () => {
  let arm: ReplayArm;
  let relay: Relay;
  beforeEach(async () => {
    arm = await startReplayArm();
    relay = relayTo(arm.url);
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

  test('a fence that refuses is the answer: no byte went out, nothing was started, and it says why', async () => {
    arm.script('post', accepted);
    const reason = new Problem('configuration-changed', 'It changed. Nothing ran.');
    const fence = (): never => {
      throw reason;
    };
    expect(await relay.submit({ ...submission('kubectl', 'get', 'pods'), fence })).toEqual({
      kind: 'not-started',
      problem: reason,
    });
    expect(arm.requests).toEqual([]);
    // Its turn was given back, and the next one is taken.
    expect(await relay.submit(submission('kubectl', 'get', 'pods'))).toEqual({ kind: 'accepted', commandId: ID });
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
