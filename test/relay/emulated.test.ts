import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';

import { afterEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { startArm, type EmulatedArm, type PostFault } from '../../infra/local/arm.ts';
import { shellPod } from '../../infra/local/pod.ts';
import type { Ended } from '../../shared/relay/relay.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { fastClock } from '../support/fast-clock.ts';
import { cluster, relayTo, submission } from './support/fixtures.ts';

let arm: EmulatedArm;
afterEach(() => arm.close());
const clusters = [{ resourceId: cluster.arm.id }];
/** Azure and the relays go by one clock, faster than the wall's. */
const SPEED = 10;

describe('output through the emulated Azure', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['600 kB of text', Buffer.from('web-5d9c7b8f6-abcde   1/1   Running\n'.repeat(17_000))],
    [
      '5 MB of text',
      Buffer.from(
        Array.from(
          { length: 100_000 },
          (_, index) => `- name: web-${index % 997}\n  kind: Pod\n  ready: ${index % 2 === 0}\n`,
        )
          .join('')
          .slice(0, 5_000_000),
      ),
    ],
    ['invalid UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ['HTML that Go escapes', Buffer.from('<none> & "quoted" \u2028\n')],
  ])('%s arrives whole, with stderr and exit code', async (_, bytes) => {
    arm = await startArm({ clusters, runner: shellPod({ standIn: true }) });
    const relay = relayTo(arm.url);
    const { sent, ...rest } = submission('sh', '-c', 'cat; echo problem >&2; exit 9');
    const submittedAt = Date.now();
    const submitted = await relay.submit({ ...rest, sent: { ...sent, stdin: bytes } });
    if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
    const ended = await relay.follow({ ...rest, commandId: submitted.commandId, submittedAt });
    expect(ended).toMatchObject({
      kind: 'completed',
      exitCode: 9,
      truncated: false,
      streams: 'separate',
      warnings: [],
    });
    if (ended.kind !== 'completed') return;
    expect(Buffer.compare(ended.stdout, bytes)).toBe(0);
    expect(Buffer.from(ended.stderr).toString()).toBe('problem\n');
  });

  test('what cannot be brought back whole is marked so', async () => {
    arm = await startArm({ clusters, runner: shellPod({ standIn: true }) });
    const relay = relayTo(arm.url);
    const { sent, ...rest } = submission('cat');
    const bytes = randomBytes(600_000);
    const submitted = await relay.submit({ ...rest, sent: { ...sent, stdin: bytes } });
    if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
    const ended = await relay.follow({ ...rest, commandId: submitted.commandId, submittedAt: Date.now() });
    expect(ended).toMatchObject({ kind: 'completed', exitCode: 0, truncated: true });
  });
});

describe('several commands in one pod', () => {
  const nonces = Array.from({ length: 20 }, (_, index) => String(index + 10).repeat(16));
  const common = { cluster, owner: 'user:t:o', timeoutSeconds: 600 };
  const steps = (words: (index: number) => readonly string[]) =>
    nonces.map((nonce, index) => ({
      sent: { words: words(index), files: [], secret: false },
      nonce,
      timeoutSeconds: 30,
    }));

  async function run(words: (index: number) => readonly string[], onError: 'stop' | 'continue' = 'stop') {
    const relay = relayTo(arm.url);
    const submittedAt = Date.now();
    const submitted = await relay.submitSteps({ ...submission('true'), ...common, steps: steps(words), onError });
    if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
    return relay.followSteps({ ...common, commandId: submitted.commandId, nonces, submittedAt });
  }

  test('twenty cost one POST, and each has its own end', async () => {
    arm = await startArm({ clusters, runner: shellPod({ standIn: true }), throttles: 'documented' });
    const ends = await run((index) => ['sh', '-c', `echo ${index}; exit ${index === 18 ? 3 : 0}`]);
    expect(
      ends.map((end) => (end.kind === 'completed' ? [end.exitCode, Buffer.from(end.stdout).toString()] : end.code)),
    ).toEqual([...nonces.slice(0, 18).map((_, index) => [0, `${index}\n`]), [3, '18\n'], 'not-reached']);
    expect(arm.posts).toHaveLength(1);
    expect(arm.executions).toHaveLength(1);
  });

  test('a pod that never started fails them all; one that Azure ended leaves those unknown that it does not tell of', async () => {
    arm = await startArm({ clusters });
    arm.faults.post({ kind: 'failed', reason: 'ImagePullBackOff' });
    const failed = await run(() => ['true']);
    expect(new Set(failed.map((end) => [end.kind, end.kind === 'completed' ? '' : end.code].join()))).toEqual(
      new Set(['failed,ImagePullBackOff']),
    );
    arm.faults.post({ kind: 'failed' });
    expect(new Set((await run(() => ['true'])).map(({ kind }) => kind))).toEqual(new Set(['unknown']));
    // Nothing of the launcher in it, though Azure calls it a success: no step is told to have run.
    expect(new Set((await run(() => ['true'])).map(({ kind }) => kind))).toEqual(new Set(['unknown']));
  });
});

describe('faults', () => {
  const fault = fc.oneof(
    { weight: 3, arbitrary: fc.constant<PostFault | undefined>(undefined) },
    {
      weight: 5,
      arbitrary: fc.constantFrom<PostFault>(
        { kind: 'resetBefore' },
        { kind: 'resetAfter' },
        { kind: 'status', status: 500 },
        { kind: 'status', status: 503, accepted: true },
        { kind: 'status', status: 504, accepted: true },
        {
          kind: 'status',
          status: 400,
          code: 'KubernetesPerformanceError',
          message: 'did not start within 30s',
          accepted: true,
        },
        { kind: 'status', status: 404, code: 'NotFound', accepted: true },
        { kind: 'status', status: 400, code: 'WhoKnows', accepted: true },
        { kind: 'status', status: 403, code: 'AuthorizationFailed' },
        { kind: 'status', status: 413 },
        { kind: 'location', location: undefined },
        { kind: 'location', location: 'https://attacker.example/commandResults/00000000000000000000000000000000' },
        { kind: 'slow', ms: 5 },
        { kind: 'failed', reason: 'ImagePullBackoff' },
      ),
    },
  );

  test('property: never two executions; "not started" means none, "accepted" means that it was taken', async () => {
    arm = await startArm({ clusters });
    let known = 0;
    await fc.assert(
      fc.asyncProperty(fault, async (one) => {
        if (one) arm.faults.post(one);
        const posts = arm.posts.length;
        const submitted = await relayTo(arm.url).submit(submission('kubectl', 'delete', 'pod', 'x'));
        await new Promise((resolve) => setImmediate(resolve));
        const taken = arm.posts.slice(posts).filter(({ started }) => started).length;
        expect(arm.posts.length - posts).toBeLessThanOrEqual(1);
        expect(taken).toBeLessThanOrEqual(1);
        if (submitted.kind === 'not-started') expect(taken).toBe(0);
        if (submitted.kind === 'accepted') expect(taken).toBe(1);
        expect(arm.executions.length - known).toBeLessThanOrEqual(1);
        known = arm.executions.length;
        arm.faults.post.clear();
      }),
      { numRuns: 200 },
    );
  });

  test('submits go through the budget: more at once than the throttle allows wait, and Azure never has to say no', async () => {
    const clock = fastClock(SPEED);
    arm = await startArm({ clusters, clock, throttles: 'documented' });
    const relay = relayTo(arm.url, { clock });
    const stopping = new AbortController();
    const all = Array.from({ length: 70 }, () => relay.submit(submission('kubectl'), stopping.signal));
    while (arm.posts.length < 57) await new Promise((resolve) => setTimeout(resolve, 10));
    await clock.sleep(200);
    stopping.abort(new Error('seen enough'));
    const kinds = (await Promise.all(all)).map(({ kind }) => kind);
    expect(arm.posts.filter(({ status }) => status === 429)).toEqual([]);
    expect(arm.posts.length).toBeLessThan(60);
    const accepted = kinds.filter((kind) => kind === 'accepted').length;
    // One may be on its way as they are stopped: nobody knows whether it arrives.
    const lost = kinds.filter((kind) => kind === 'lost').length;
    expect(accepted).toBeLessThanOrEqual(arm.posts.length);
    expect(accepted + lost).toBeGreaterThanOrEqual(arm.posts.length);
    expect(kinds.filter((kind) => kind === 'not-started')).toHaveLength(70 - accepted - lost);
  });

  test('a 429 before the POST is taken: sent again, run once', async () => {
    const clock = fastClock(SPEED);
    arm = await startArm({ clusters, clock });
    arm.faults.post({ kind: 'status', status: 429, code: 'Throttled', retryAfter: 1 });
    expect(await relayTo(arm.url, { clock }).submit(submission('kubectl'))).toMatchObject({ kind: 'accepted' });
    expect(arm.posts.map(({ started }) => started)).toEqual([false, true]);
  });
});

test('two relays on one store share the documented throttle: no 429, every run seen to its end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'leases-'));
  const records = await openSqliteRecords(join(folder, 'records.sqlite'));
  try {
    const clock = fastClock(SPEED);
    arm = await startArm({
      clusters,
      clock,
      throttles: 'documented',
      runner: async ({ command }) => {
        await clock.sleep(Number(/'(\d+)'/.exec(command)?.[1]));
        return { exitCode: 0, logs: '' };
      },
    });
    const relays = ['one', 'two'].map((holder) => relayTo(arm.url, { clock, holder, leases: records }));
    const runs: Promise<Ended>[] = [];
    for (let count = 0; count < 12; count += 1) {
      const relay = relays[count % 2];
      if (!relay) throw new Error('no relay');
      const { sent, ...rest } = submission('kubectl', String(7_000 + count * 100));
      runs.push(
        relay.submit({ ...rest, sent }).then((submitted) => {
          if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
          return relay.follow({ ...rest, commandId: submitted.commandId, submittedAt: clock.now() });
        }),
      );
    }
    for (const { kind } of await Promise.all(runs)) expect(kind).toBe('completed');
    expect([...arm.posts, ...arm.polls].filter(({ status }) => status === 429)).toEqual([]);
    await Promise.all(relays.map((relay) => relay.close()));
  } finally {
    await records.close();
    rmSync(folder, { recursive: true });
  }
}, 90_000);
