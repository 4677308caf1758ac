import type { Clock } from '../clock.ts';
import type { Answer, RunState } from './arm-answers.ts';
import type { Meter, Polled } from './budget/meter.ts';
import { giveUp, overdue, OVERDUE_MS, troubleOf } from './patience.ts';
import type { Ended, Run, Told } from './relay.ts';
import { untilAborted } from '../lib/abort.ts';

/** Follows runs to their end: one poll at a time for each, however many wait for it. */
type Follow = (run: Followed, signal?: AbortSignal, told?: Told) => Promise<RunEnd>;

/** What is asked about: a run, whatever is in it. */
type Followed = Omit<Run, 'nonce'>;

/** What Azure calls the end, or why there will be none. */
type RunEnd = { readonly state: Extract<RunState, { ended: true }> } | { readonly ended: Ended };

interface FollowOptions {
  readonly clock: Clock;
  readonly meterOf: (subscription: string) => Meter;
  /** When (epoch ms) Azure took a command, if this process sent it. */
  readonly postedAt: (commandId: string) => number | undefined;
  readonly ask: (run: Followed, signal: AbortSignal) => Promise<Answer<RunState>>;
}

/** A command may wait this long for its turn to be sent (budget/meter.ts). */
const LONGEST_QUEUE_MS = 10 * 60_000;

/** One run that is followed, by however many. */
interface Following {
  readonly run: Followed;
  readonly end: PromiseWithResolvers<RunEnd>;
  readonly listeners: Set<Told>;
  followers: number;
  /** Epoch ms: when it was sent, and when its time limit is over. */
  readonly sentAt: number;
  readonly limitAt: number;
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

function begin(options: FollowOptions, run: Followed): Following {
  const { clock, meterOf } = options;
  const postedAt = options.postedAt(run.commandId);
  const sentAt = postedAt ?? run.submittedAt;
  const following: Following = {
    run,
    end: Promise.withResolvers<RunEnd>(),
    listeners: new Set(),
    followers: 0,
    sentAt,
    // Of a run that was found again only its record's time is known; it may have waited after that.
    limitAt: (postedAt ?? run.submittedAt + LONGEST_QUEUE_MS) + run.timeoutSeconds * 1000,
    startedAt: sentAt,
    heardAt: sentAt,
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
    sincePost: () => Math.max(0, clock.now() - sentAt),
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
function heard(following: Following, state: RunState, now: number): RunEnd | undefined {
  following.failures = 0;
  following.heardAt = now;
  tell(following, undefined);
  if (state.ended) return { state };
  // Azure's clock may be ahead or behind: its word counts as far as it is possible.
  if (state.startedAt !== undefined) following.startedAt = Math.min(now, Math.max(following.sentAt, state.startedAt));
  return now > following.limitAt + OVERDUE_MS ? { ended: overdue } : undefined;
}

/** None came: for how long that is borne depends on what came in its place. */
function failed(
  following: Following,
  answer: Exclude<Answer<RunState>, { kind: 'answer' }>,
  now: number,
): RunEnd | undefined {
  const { heardAt, limitAt } = following;
  if (following.failures === 0) following.failingSince = now;
  following.failures += 1;
  const { failingSince, failures } = following;
  const ended = giveUp(answer, { now, heardAt, failingSince, failures, limitAt });
  if (ended) return { ended };
  tell(following, troubleOf(answer));
  return undefined;
}

function tell(following: Following, trouble: string | undefined): void {
  if (following.trouble === trouble) return;
  following.trouble = trouble;
  for (const told of following.listeners) told(trouble);
}
