import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { canonicalJson } from '../../shared/lib/canonical-json.ts';
import { createArm, type Arm } from '../../shared/relay/arm.ts';
import { createMeter } from '../../shared/relay/budget/meter.ts';
import { explainPost } from '../../shared/relay/catalogue.ts';
import { createFollow } from '../../shared/relay/follow.ts';
import { readOutcome } from '../../shared/relay/outcome.ts';
import type { Ended } from '../../shared/relay/relay.ts';
import { Secret } from '../../shared/secret.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { cluster } from './support/fixtures.ts';
import { hostileAnswer, type Cast, type HostileAnswer } from './support/hostile.ts';

/**
 * Azure, the pod and the network played by a hostile hand, over real sockets and a clock that jumps. `AKSGW_HOSTILE_ANSWERS=20000`
 * asks for more of them, `AKSGW_HOSTILE_SEED` for others.
 */
const ANSWERS = Number(process.env['AKSGW_HOSTILE_ANSWERS'] ?? 1_500);
const SEED = Number(process.env['AKSGW_HOSTILE_SEED'] ?? 14);
/** Runs at once: each has its own budget, so that none waits for another. */
const GROUP = 6;
const LIMIT_SECONDS = 30;
/** An hour after its time limit a record has ended, whatever Azure says. */
const BOUND_MS = (LIMIT_SECONDS + 3_600 + 120) * 1000;
const SECRET = 'password-of-another-command';

const hex = (number: number): string => number.toString(16).padStart(32, '0');
const framed = (nonce: string, rc: number, stdout: string): string => {
  const encoded = Buffer.from(stdout).toString('base64');
  const fields = `rc=${rc} timeout=0 enc=base64 o=${stdout.length},${encoded.length},- e=0,0,- cut=0 miss=-`;
  return `AKSGW1 S ${nonce}\nAKSGW1 H ${nonce} ${fields}\n${encoded}AKSGW1 T ${nonce} ${fields}\n`;
};
const castOf = (index: number): Cast => ({
  id: hex(2 * index + 1),
  otherId: hex(2 * index + 2),
  logs: framed(hex(2 * index + 1), 7, `output ${index}`),
  otherLogs: framed(hex(2 * index + 2), 0, SECRET),
});

let server: Server;
let arm: Arm;
let clock: ReturnType<typeof createManualClock>;
/** By the id in the path; the last one stays. */
const scripts = new Map<string, HostileAnswer[]>();
const counts = { answered: 0, underWay: 0 };

function give(response: ServerResponse, { status, headers, body, way }: HostileAnswer): void {
  if (way === 'silence') {
    counts.underWay -= 1; // until the client's own deadline
    return;
  }
  if (way === 'reset') {
    response.destroy();
    return;
  }
  const bytes = Buffer.from(body);
  const empty = status === 204;
  response.writeHead(status, { ...headers, ...(!empty && { 'content-length': bytes.length }) });
  if (way === 'whole') response.end(empty ? undefined : bytes);
  else response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume();
    counts.answered += 1;
    counts.underWay += 1;
    const key = /commandResults\/([0-9a-f]{32})/.exec(request.url ?? '')?.[1] ?? request.method ?? '';
    const answers = scripts.get(key) ?? [];
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer?.way !== 'silence') response.once('close', () => (counts.underWay -= 1));
    if (answer) give(response, answer);
    else response.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  clock = createManualClock(Date.UTC(2026, 10, 27, 20));
  const { port } = server.address() as AddressInfo;
  arm = createArm({ endpoint: `http://127.0.0.1:${port}`, token: () => Promise.resolve(new Secret('t')), clock });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeAll(() => void process.on('unhandledRejection', note).on('uncaughtException', note));
afterAll(() => void process.off('unhandledRejection', note).off('uncaughtException', note));

/** Lets time pass while real sockets answer. */
async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  while (counts.underWay > 0) await new Promise((resolve) => setImmediate(resolve));
  for (let turns = 0; turns < 4; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function followGroup(first: number): Promise<void> {
  const ends: (Ended | undefined)[] = [];
  const meters = Array.from({ length: GROUP }, (_, index) =>
    createMeter({ clock, subscription: String(index), holder: 'one', log: (message) => unhandled.push(message) }),
  );
  const follow = createFollow({
    clock,
    meterOf: (subscription) => {
      const meter = meters[Number(subscription)];
      if (!meter) throw new Error('no such meter');
      return meter;
    },
    postedAt: () => clock.now(),
    ask: (run, signal) => arm.result({ ...run.cluster.arm, subscription: 's' }, run.commandId, signal),
  });
  const runs = meters.map((_, index) => {
    const cast = castOf(first + index);
    scripts.set(
      cast.id,
      fc.sample(fc.array(hostileAnswer(cast), { minLength: 2, maxLength: 8 }), {
        numRuns: 1,
        seed: SEED + first + index,
      })[0] ?? [],
    );
    return {
      cluster: { ...cluster, arm: { ...cluster.arm, subscription: String(index) } },
      commandId: cast.id,
      nonce: cast.id,
      owner: 'o',
      timeoutSeconds: LIMIT_SECONDS,
      submittedAt: clock.now(),
    };
  });
  const begun = clock.now();
  const all = Promise.all(
    runs.map(async (run, index) => {
      const end = await follow(run);
      ends[index] = 'ended' in end ? end.ended : readOutcome(end.state, run);
    }),
  );
  for (let step = 300; ends.filter(Boolean).length < GROUP; step = Math.min(30_000, step * 1.3)) {
    await pass(step);
    if (clock.now() - begun > BOUND_MS)
      throw new Error(`still running: ${String(ends.findIndex((end) => !end) + first)}`);
  }
  await all;
  for (const [index, end] of ends.entries()) judge(first + index, end);
  await Promise.all(meters.map((meter) => meter.close()));
  scripts.clear();
}

/** Truly, or as unknown. */
function judge(index: number, end: Ended | undefined): void {
  if (end === undefined) throw new Error('no end');
  expect(JSON.stringify(end)).not.toContain(SECRET);
  canonicalJson({ ...end, stdout: undefined, stderr: undefined });
  if (end.kind !== 'completed') return;
  const text = Buffer.concat([end.stdout, end.stderr]).toString();
  expect(text).not.toContain(SECRET);
  expect(Buffer.from(text.slice(0, 200), 'base64').toString()).not.toContain('password');
  expect(Number.isInteger(end.exitCode) && end.exitCode >= 0 && end.exitCode <= 255).toBe(true);
  // In frames, only the truth; without frames, it is said that they are missing.
  if (end.streams === 'separate') {
    expect(end.exitCode).toBe(7);
    expect(end.truncated ? '' : text).toBe(end.truncated ? '' : `output ${index}`);
  } else expect(end.warnings.join()).toMatch(/no frame|end of its output is missing/);
}

describe('a hostile Azure', () => {
  test(`${ANSWERS} answers to polls: each run ends within its bound, truly or as unknown, and shows nothing of another`, async () => {
    counts.answered = 0;
    for (let first = 0; ; first += GROUP) {
      await followGroup(first);
      if (counts.answered >= ANSWERS) break;
    }
    expect(unhandled).toEqual([]);
  }, 300_000);

  test('answers to the POST and to the look at the cluster: always an answer with a meaning, never an exception', async () => {
    const cast = castOf(0);
    const hostile = fc.sample(hostileAnswer(cast), { numRuns: Math.ceil(ANSWERS / 5), seed: SEED });
    const settle = async <T>(promise: Promise<T>): Promise<T> => {
      const state = { done: false };
      const finished = promise.finally(() => (state.done = true));
      while (!state.done) await pass(10_000);
      return finished;
    };
    for (const answer of hostile) {
      scripts.set('POST', [answer]);
      scripts.set('GET', [answer]);
      const posted = await settle(arm.run(cluster.arm, { text: 'true', fence: () => undefined }));
      if (posted.kind === 'answer') {
        expect(answer.status).toBe(202);
        expect(posted.value.commandId).toMatch(/^[0-9a-f]{32}$/);
      } else expect(['not-started', 'lost', 'throttled']).toContain(explainPost(posted).kind);
      // A 202 that was seen means that the command was taken.
      if (answer.status < 300 && answer.way !== 'reset') expect(explainKind(posted)).not.toBe('not-started');
      const seen = await settle(arm.cluster(cluster.arm));
      if (seen.kind === 'answer') {
        expect(typeof seen.value.entra).toBe('boolean');
        expect(typeof seen.value.powerState).toBe('string');
      }
    }
    expect(unhandled).toEqual([]);
  }, 300_000);
});

const explainKind = (answer: Awaited<ReturnType<Arm['run']>>): string =>
  answer.kind === 'answer' ? 'accepted' : explainPost(answer).kind;
