import type { Clock } from '../clock.ts';
import type { Answer, RunState } from './arm-answers.ts';
import type { Meter, Polled } from './budget/meter.ts';
import { readOutcome } from './outcome.ts';
import { giveUp, overdue, OVERDUE_MS, troubleOf } from './patience.ts';
import type { Ended, Run, Told } from './relay.ts';
import { untilAborted } from '../lib/abort.ts';

/** Follows runs to their end: one poll at a time for each, however many wait for it. */
type Follow = (run: Run, signal?: AbortSignal, told?: Told) => Promise<Ended>;

interface FollowOptions {
  readonly clock: Clock;
  readonly meterOf: (subscription: string) => Meter;
  readonly ask: (run: Run, signal: AbortSignal) => Promise<Answer<RunState>>;
}

/** One run that is followed, by however many. */
interface Following {
  readonly run: Run;
  readonly end: PromiseWithResolvers<Ended>;
  readonly listeners: Set<Told>;
  followers: number;
  /** Epoch ms: when the command began, as far as is known. */
  startedAt: number;
  /** Epoch ms: when Azure last said that it has the run. */
  heardAt: number;
  /** Polls in a row without a state of the run, and since when. */
  failures: number;
  failingSince: number;
  trouble: string | undefined;
  stop: () => void;
}

export function createFollow(options: FollowOptions): Follow {
  const followings = new Map<string, Following>();
  return async (run, signal, told) => {
    const key = `${run.cluster.arm.id}/${run.commandId}`;
    const following = followings.get(key) ?? begin(options, run);
    followings.set(key, following);
    following.followers += 1;
    if (told) following.listeners.add(told);
    if (following.trouble !== undefined) told?.(following.trouble);
    try {
      return await untilAborted(following.end.promise, signal);
    } finally {
      following.followers -= 1;
      if (told) following.listeners.delete(told);
      if (following.followers === 0) {
        following.stop();
        if (followings.get(key) === following) followings.delete(key);
      }
    }
  };
}

function begin(options: FollowOptions, run: Run): Following {
  const { clock, meterOf } = options;
  const { submittedAt } = run;
  const following: Following = {
    run,
    end: Promise.withResolvers<Ended>(),
    listeners: new Set(),
    followers: 0,
    startedAt: submittedAt,
    heardAt: submittedAt,
    failures: 0,
    failingSince: 0,
    trouble: undefined,
    stop: () => undefined,
  };
  following.stop = meterOf(run.cluster.arm.subscription).watch({
    owner: run.owner,
    cluster: run.cluster.arm.id,
    kind: run.kind,
    elapsed: () => Math.max(0, clock.now() - following.startedAt),
    sincePost: () => Math.max(0, clock.now() - submittedAt),
    poll: (signal) => poll(options, following, signal),
  }).stop;
  return following;
}

async function poll(
  { clock, meterOf, ask }: FollowOptions,
  following: Following,
  signal: AbortSignal,
): Promise<Polled> {
  const { run, end } = following;
  const answer = await ask(run, signal);
  const meter = meterOf(run.cluster.arm.subscription);
  if (answer.kind === 'refused') meter.learn(answer);
  if (answer.kind === 'answer') meter.learn({ remaining: answer.remaining });
  const now = clock.now();
  const ended = answer.kind === 'answer' ? heard(following, answer.value, now) : failed(following, answer, now);
  if (ended) {
    end.resolve(ended);
    return 'ended';
  }
  // A 429 has slowed the whole subscription already.
  const throttled = answer.kind === 'refused' && answer.status === 429;
  return answer.kind === 'answer' || throttled ? 'running' : 'lost';
}

/** A state of the run came. */
function heard(following: Following, state: RunState, now: number): Ended | undefined {
  const { run } = following;
  following.failures = 0;
  following.heardAt = now;
  tell(following, undefined);
  if (state.ended) return readOutcome(state, run);
  // Azure's clock may be ahead or behind: its word counts as far as it is possible.
  if (state.startedAt !== undefined) following.startedAt = Math.min(now, Math.max(run.submittedAt, state.startedAt));
  return now > limitOf(run) + OVERDUE_MS ? overdue : undefined;
}

/** None came: for how long that is borne depends on what came in its place. */
function failed(
  following: Following,
  answer: Exclude<Answer<RunState>, { kind: 'answer' }>,
  now: number,
): Ended | undefined {
  const { run, heardAt } = following;
  if (following.failures === 0) following.failingSince = now;
  following.failures += 1;
  const { failingSince, failures } = following;
  const ended = giveUp(answer, { now, heardAt, failingSince, failures, limitAt: limitOf(run) });
  if (!ended) tell(following, troubleOf(answer));
  return ended;
}

const limitOf = ({ submittedAt, timeoutSeconds }: Run): number => submittedAt + timeoutSeconds * 1000;

function tell(following: Following, trouble: string | undefined): void {
  if (following.trouble === trouble) return;
  following.trouble = trouble;
  for (const told of following.listeners) told(trouble);
}
