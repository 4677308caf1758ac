import type { Clock } from '../clock.ts';
import type { Answer, RunState } from './arm-answers.ts';
import type { Meter, Polled } from './budget/meter.ts';
import { readOutcome, readRefusedPoll } from './outcome.ts';
import type { Ended, Run } from './relay.ts';
import { untilAborted } from '../lib/until-aborted.ts';

/** Follows runs to their end: one poll at a time for each, however many wait for it. */
export type Follow = (run: Run, signal?: AbortSignal) => Promise<Ended>;

export interface FollowOptions {
  readonly clock: Clock;
  readonly meterOf: (subscription: string) => Meter;
  readonly ask: (run: Run, signal: AbortSignal) => Promise<Answer<RunState>>;
}

/** The launcher ends a command at its time limit; the rest is for the pod to start and for Azure to notice. */
const OVERDUE_MS = 10 * 60_000;
/** As long as Azure cannot be reached at all, its answer may still come. */
const UNREACHABLE_MS = 60 * 60_000;
/** Refusals in a row after which asking again is of no use; fewer may be a role assignment still spreading. */
const MOST_REFUSALS = 3;
/** A result that was just accepted may not be found yet. */
const APPEARS_MS = 30_000;

interface Shared {
  readonly promise: Promise<Ended>;
  readonly stop: () => void;
  followers: number;
}

export function createFollow({ clock, meterOf, ask }: FollowOptions): Follow {
  const runs = new Map<string, Shared>();

  const begin = (key: string, run: Run): Shared => {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const meter = meterOf(run.cluster.arm.subscription);
    let startedAt = run.submittedAt;
    let refusals = 0;

    const finish = (ended: Ended): Polled => {
      runs.delete(key);
      resolve(ended);
      return 'ended';
    };
    const poll = async (signal: AbortSignal): Promise<Polled> => {
      const answer = await ask(run, signal);
      meter.learn(
        answer.kind === 'refused' ? answer : { remaining: answer.kind === 'answer' ? answer.remaining : undefined },
      );
      const age = clock.now() - run.submittedAt;
      const limit = run.timeoutSeconds * 1000;
      if (answer.kind === 'answer') {
        refusals = 0;
        const { value } = answer;
        if (value.ended) return finish(readOutcome(value, run));
        // Azure's clock may be ahead or behind: its word counts as far as it is possible.
        if (value.startedAt !== undefined)
          startedAt = Math.min(clock.now(), Math.max(run.submittedAt, value.startedAt));
        return age > limit + OVERDUE_MS ? finish(overdue) : 'running';
      }
      const passing = answer.kind !== 'refused' || answer.status === 429 || answer.status >= 500;
      if (passing && age > limit + UNREACHABLE_MS) return finish(unreachable(answer.code));
      // A 429 has slowed the whole subscription already.
      if (passing) return answer.kind === 'refused' && answer.status === 429 ? 'running' : 'lost';
      refusals += 1;
      if (refusals < MOST_REFUSALS || (answer.status === 404 && age < APPEARS_MS)) return 'lost';
      return finish(readRefusedPoll(answer));
    };
    const { stop } = meter.watch({
      owner: run.owner,
      cluster: run.cluster.arm.id,
      elapsed: () => Math.max(0, clock.now() - startedAt),
      poll,
    });
    return { promise, stop, followers: 0 };
  };

  return async (run, signal) => {
    const key = `${run.cluster.arm.id}/${run.commandId}`;
    const shared = runs.get(key) ?? begin(key, run);
    runs.set(key, shared);
    shared.followers += 1;
    try {
      return await untilAborted(shared.promise, signal);
    } finally {
      shared.followers -= 1;
      if (shared.followers === 0) {
        shared.stop();
        if (runs.get(key) === shared) runs.delete(key);
      }
    }
  };
}

const overdue: Ended = {
  kind: 'unknown',
  code: 'NeverEnded',
  message:
    'Azure still calls the command running, long after its time limit; the gateway no longer asks. Look at the cluster (namespace aks-command) before sending a change again.',
};

const unreachable = (code: string): Ended => ({
  kind: 'unknown',
  code,
  message:
    'The command was started, and Azure gave no answer about it for an hour; it may have run. Look at the cluster before sending a change again.',
});
