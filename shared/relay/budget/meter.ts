import { after, type Clock } from '../../clock.ts';
import { Problem } from '../../errors.ts';
import { linkedAbort, untilAborted } from '../../lib/abort.ts';
import { createFairQueue } from '../../lib/fair-queue.ts';
import { createBucket, type Bucket } from './bucket.ts';
import { createMembership } from './membership.ts';
import { dueIn, isYoung, nextOverdue, PLENTY, type Candidate, type Watched } from './plan.ts';
import type { Leases } from './shares.ts';
import { createUsual, type Usual } from './usual.ts';

/** What a poll came to. `lost` is an answer that was not read: the next one waits longer. */
export type Polled = 'ended' | 'running' | 'lost';

interface Watch {
  readonly owner: string;
  readonly cluster: string;
  /** What commands are of one kind and take about as long, such as the verb. */
  readonly kind?: string | undefined;
  /** ms since the command started, as far as is known. */
  elapsed(): number;
  /** ms since it was sent, where that was before it is watched. */
  sincePost?(): number;
  /** Never rejects. */
  poll(signal: AbortSignal): Promise<Polled>;
}

/** Leave for one request, with a first look reserved for what it starts. */
interface Turn {
  /** To be called once the request was answered: a look is kept for what it `started`; `unsent`, it costs nothing. */
  release(outcome: 'started' | 'not-started' | 'unsent'): void;
}

/**
 * The budget of one subscription: every request to Azure goes through it. Deterministic over the clock; nothing here sleeps while
 * there is nothing to do.
 */
export interface Meter {
  /** Resolves when one request may go out. Throws Problem `azure-throttled` when that would take too long. */
  pass(owner: string, signal?: AbortSignal): Promise<Turn>;
  /** Polls until the run has ended or `stop` is called. */
  watch(watch: Watch): { readonly stop: () => void };
  /** What an answer told about the budget. */
  learn(answer: {
    readonly status?: number | undefined;
    readonly retryAfter?: number | undefined;
    readonly remaining?: number | undefined;
  }): void;
  /** Stops everything and hands the share back. */
  close(): Promise<void>;
}

interface MeterOptions {
  readonly clock: Clock;
  readonly subscription: string;
  readonly holder: string;
  readonly leases?: Leases | undefined;
  /** An owner who comes after all others, unless it has waited for long. */
  readonly last?: string | undefined;
  readonly log: (message: string) => void;
}

/** A POST costs two tokens, its own and its first look's: what was started is never kept waiting by what was not. */
const POST_COST = 2;
/** Where both want the tokens, so many further looks go between two POSTs. */
const LOOKS_PER_POST = 2;
/** While Azure refuses everything for longer than this, a caller is sent away with Retry-After. */
const MOST_BLOCKED_MS = 20_000;
/** A caller who would stand in the queue for longer than this is sent away as well. */
const MOST_QUEUE_MS = 600_000;
/** Without work for this long (ms) the part in the budget is given up. */
const IDLE_MS = 10_000;
/** An owner whose last POST was longer ago than this comes before those who have something running. */
const LATELY_MS = 10_000;
/** Who comes last waits for no longer than this. */
const LAST_MS = 30_000;
/** Seconds over which tokens that abound are spent. */
const HORIZON_S = 10;
/** The plan is made again at least this often while something runs: tokens that come back bring looks forward. */
const REPLAN_MS = 1_000;
/** What a request started is watched within this time. */
const STARTS_MS = 2_000;
/** Steps of the golden ratio are spread evenly, however many there are. */
const GOLDEN = 0.618_033_988_749_895;

interface Waiter {
  readonly owner: string;
  /** Monotonic ms. */
  readonly since: number;
  readonly go: (turn: Turn) => void;
}

interface Task {
  readonly watch: Watch;
  readonly kind: string;
  readonly spread: number;
  readonly begunAt: number;
  /** Monotonic ms of the last look. */
  lastLook: number | undefined;
  /** The age at the last look that found it running. */
  runningAt: number | undefined;
  failures: number;
  polling: boolean;
  readonly abort: AbortController;
}

interface Budget {
  readonly clock: Clock;
  readonly log: (message: string) => void;
  readonly last: string | undefined;
  readonly bucket: Bucket;
  readonly usual: Usual;
  readonly tasks: Set<Task>;
  readonly queue: ReturnType<typeof createFairQueue<Waiter>>;
  /** When an owner, or one of its clusters, had its last look, by count. */
  readonly served: Map<string, number>;
  /** When an owner's last POST went out. */
  readonly postedAt: Map<string, number>;
  readonly closing: AbortController;
  membership: ReturnType<typeof createMembership>;
  /** Requests under way that will want a first look. */
  turns: number;
  /** Of runs that were started and are not watched yet: each cancels its end of patience. */
  readonly starting: (() => void)[];
  /** Tokens for each run that nothing waits for, by the last plan. */
  spare: number;
  looks: number;
  looksSincePost: number;
  begun: number;
  busyAt: number;
  timer: { readonly at: number; readonly cancel: () => void } | undefined;
}

export function createMeter({ clock, subscription, holder, leases, last, log }: MeterOptions): Meter {
  const bucket = createBucket(clock.monotonic());
  const budget: Budget = {
    clock,
    log,
    last,
    bucket,
    usual: createUsual(),
    tasks: new Set(),
    queue: createFairQueue<Waiter>(),
    served: new Map(),
    postedAt: new Map(),
    closing: new AbortController(),
    membership: { joined: () => false, join: () => undefined, close: () => Promise.resolve() },
    turns: 0,
    starting: [],
    spare: 0,
    looks: 0,
    looksSincePost: 0,
    begun: 0,
    busyAt: clock.monotonic(),
    timer: undefined,
  };
  budget.membership = createMembership({
    clock,
    bucket,
    leases,
    subscription,
    holder,
    log,
    hasWork: () => hasWork(budget) || clock.monotonic() - budget.busyAt < IDLE_MS,
    load: () => budget.tasks.size + budget.queue.size(),
    changed: () => pump(budget),
  });
  return {
    pass: (owner, signal) => pass(budget, owner, signal),
    watch: (watch) => begin(budget, watch),
    learn: ({ status, retryAfter, remaining }) => {
      const now = clock.monotonic();
      if (status === 429) bucket.throttled(retryAfter, now);
      if (remaining !== undefined) bucket.atMost(remaining, now);
    },
    close: async () => {
      budget.closing.abort(new Problem('gateway-busy', 'The gateway is stopping. Nothing ran.', { retryAfter: 5 }));
      budget.timer?.cancel();
      for (const cancel of budget.starting) cancel();
      for (const task of budget.tasks) end(budget, task);
      await budget.membership.close();
    },
  };
}

const hasWork = ({ tasks, queue }: Budget): boolean => tasks.size > 0 || queue.size() > 0;

/** Lets go whatever may go now, and sees to it that the next look at the plan comes in time. */
function pump(budget: Budget): void {
  if (budget.closing.signal.aborted) return;
  if (!budget.membership.joined()) {
    if (hasWork(budget)) budget.membership.join();
    return;
  }
  for (;;) {
    const now = budget.clock.monotonic();
    const step = nextStep(budget, now);
    if (step.kind === 'post') post(budget, now);
    else if (step.kind === 'look') look(budget, step.task, now);
    else {
      wake(budget, step.at);
      return;
    }
  }
}

type Step =
  | { readonly kind: 'post' }
  | { readonly kind: 'look'; readonly task: Task }
  | { readonly kind: 'wait'; readonly at: number };

type Look = Watched & { readonly task: Task };

/**
 * Looks at runs that may end any moment go first: a token is kept for each. Then looks at long ones that are overdue and POSTs take
 * turns, an owner who has nothing running coming before both.
 */
function nextStep(budget: Budget, now: number): Step {
  const { bucket, tasks, queue } = budget;
  const level = bucket.level(now);
  const idle = [...tasks].filter(({ polling }) => !polling).map((task) => ({ ...watched(budget, task, now), task }));
  const young = idle.filter(isYoung);
  const owed = budget.turns + budget.starting.length + young.length;
  const kept = budget.turns + budget.starting.length + tasks.size + (queue.size() > 0 ? POST_COST : 0);
  const perRun = (level - kept) / Math.max(1, tasks.size);
  budget.spare = perRun;
  // What lies in the bucket is spent over some time: a burst helps short commands and then fades.
  const pace = (1000 * Math.max(1, tasks.size)) / (bucket.rate(now) + Math.max(0, level - owed) / HORIZON_S);
  const served = (owner: string, cluster?: string): number => budget.served.get(keyOf(owner, cluster)) ?? 0;
  const candidates = (runs: readonly Look[]): Candidate<Look>[] =>
    runs
      .map((run) => ({ run, due: dueIn(run, perRun, pace) }))
      .map((each) => ({ ...each, last: each.run.owner === budget.last && each.due > -LAST_MS }));

  const first = candidates(perRun >= PLENTY ? young : young.filter(({ task }) => !isProbed(budget, task)));
  const next = nextOverdue(first, served);
  if (next && level >= 1) return { kind: 'look', task: next.task };

  const others = candidates(idle.filter((run) => !isYoung(run)));
  const old = nextOverdue(others, served);
  const postFirst =
    queue.size() > 0 &&
    (old === undefined ||
      budget.looksSincePost >= LOOKS_PER_POST ||
      queue.owners(({ owner }) => isNew(budget, owner, now)) > 0);
  if (postFirst && level >= POST_COST + owed) return { kind: 'post' };
  if (!postFirst && old && level >= 1 + owed) return { kind: 'look', task: old.task };

  const at = idle.length > 0 ? now + REPLAN_MS : Number.POSITIVE_INFINITY;
  return {
    kind: 'wait',
    at: Math.min(
      at,
      ...(postFirst
        ? [bucket.when(POST_COST + owed, now)]
        : others.map(({ due }) => Math.max(now + due, bucket.when(1 + owed, now)))),
      ...first.map(({ due }) => Math.max(now + due, bucket.when(1, now))),
    ),
  };
}

/** While it is not known how long a kind takes, and tokens are scarce, one look at a time finds out for all. */
const isProbed = ({ tasks, usual }: Budget, { kind }: Task): boolean =>
  !usual.holds(kind) && [...tasks].some((other) => other.polling && other.kind === kind);

function watched({ usual }: Budget, task: Task, now: number): Watched {
  const { watch, kind, lastLook, failures, spread } = task;
  return {
    owner: watch.owner,
    cluster: watch.cluster,
    age: watch.elapsed(),
    sincePost: sincePost(task, now),
    sinceLook: lastLook === undefined ? undefined : now - lastLook,
    failures,
    usual: usual.of(kind),
    spread,
  };
}

const sincePost = ({ watch, begunAt }: Task, now: number): number => Math.max(watch.sincePost?.() ?? 0, now - begunAt);

const keyOf = (owner: string, cluster?: string): string => (cluster === undefined ? owner : `${owner} ${cluster}`);

function runningOf({ tasks }: Budget, owner: string): number {
  let count = 0;
  for (const { watch } of tasks) if (watch.owner === owner) count += 1;
  return count;
}

/** An owner who has had nothing of the budget lately. */
const isNew = (budget: Budget, owner: string, now: number): boolean =>
  owner !== budget.last &&
  runningOf(budget, owner) === 0 &&
  now - (budget.postedAt.get(owner) ?? Number.NEGATIVE_INFINITY) > LATELY_MS;

function post(budget: Budget, now: number): void {
  const { queue } = budget;
  const hasTurn = (owner: string, [first]: readonly Waiter[]): boolean =>
    owner !== budget.last || (first !== undefined && now - first.since > LAST_MS);
  const waiter =
    queue.next((owner) => (isNew(budget, owner, now) ? 0 : -1)) ??
    queue.next((owner, waiters) => (hasTurn(owner, waiters) ? 0 : -1)) ??
    queue.next();
  if (!waiter) return;
  budget.bucket.take(now);
  budget.postedAt.set(waiter.owner, now);
  for (const [other, at] of budget.postedAt) if (now - at > LATELY_MS) budget.postedAt.delete(other);
  budget.looksSincePost = 0;
  budget.turns += 1;
  let held = true;
  const release: Turn['release'] = (outcome) => {
    if (!held) return;
    held = false;
    budget.turns -= 1;
    if (outcome === 'started') return expectWatch(budget);
    if (outcome === 'unsent') budget.bucket.giveBack(budget.clock.monotonic());
    pump(budget);
  };
  waiter.go({ release });
}

/** The look that was kept goes over to the run that is watched next; if none is, it is free again. */
function expectWatch(budget: Budget): void {
  const cancel = after(budget.clock, STARTS_MS, () => {
    budget.starting.shift();
    pump(budget);
  });
  budget.starting.push(cancel);
}

function look(budget: Budget, task: Task, now: number): void {
  const { bucket, served, log } = budget;
  bucket.take(now);
  budget.looksSincePost += 1;
  budget.looks += 1;
  served.set(keyOf(task.watch.owner), budget.looks);
  served.set(keyOf(task.watch.owner, task.watch.cluster), budget.looks);
  const age = sincePost(task, now);
  const isFirst = task.lastLook === undefined;
  task.lastLook = now;
  task.polling = true;
  const lost = (error: unknown): Polled => {
    log(`A poll failed in the gateway itself: ${error instanceof Error ? error.message : 'unknown error'}`);
    return 'lost';
  };
  void task.watch
    .poll(task.abort.signal)
    .catch(lost)
    .then((polled) => {
      task.polling = false;
      seen(budget, task, polled, age, isFirst);
      pump(budget);
      return undefined;
    });
}

function seen(budget: Budget, task: Task, polled: Polled, age: number, isFirst: boolean): void {
  task.failures = polled === 'lost' ? task.failures + 1 : 0;
  if (polled === 'ended') {
    budget.usual.ended(task.kind, age, task.runningAt);
    end(budget, task);
  } else if (polled === 'running') {
    task.runningAt = age;
    if (isFirst || !budget.usual.holds(task.kind)) budget.usual.tooEarly(task.kind, age, budget.spare);
  }
}

function begin(budget: Budget, watch: Watch): { readonly stop: () => void } {
  budget.begun += 1;
  const begunAt = budget.clock.monotonic();
  const task: Task = {
    watch,
    begunAt,
    kind: `${watch.cluster} ${watch.kind ?? ''}`,
    spread: (budget.begun * GOLDEN) % 1,
    lastLook: undefined,
    runningAt: undefined,
    failures: 0,
    polling: false,
    abort: new AbortController(),
  };
  budget.tasks.add(task);
  budget.starting.shift()?.();
  budget.busyAt = begunAt;
  pump(budget);
  return { stop: () => end(budget, task) };
}

function end(budget: Budget, task: Task): void {
  task.abort.abort(watchOver);
  if (!budget.tasks.delete(task)) return;
  budget.busyAt = budget.clock.monotonic();
  const { owner } = task.watch;
  if (runningOf(budget, owner) > 0) return;
  // Nothing of this owner is left: its turns are forgotten, so that the map stays as small as what runs.
  for (const key of budget.served.keys()) if (key === owner || key.startsWith(`${owner} `)) budget.served.delete(key);
}

function wake(budget: Budget, at: number): void {
  const { clock, timer } = budget;
  if (timer && timer.at <= at && timer.at > clock.monotonic()) return;
  timer?.cancel();
  budget.timer = undefined;
  if (at === Number.POSITIVE_INFINITY) return;
  const cancel = after(clock, Math.max(1, at - clock.monotonic()), () => {
    budget.timer = undefined;
    pump(budget);
  });
  budget.timer = { at, cancel };
}

async function pass(budget: Budget, owner: string, signal: AbortSignal | undefined): Promise<Turn> {
  const { clock, queue, closing } = budget;
  signal?.throwIfAborted();
  closing.signal.throwIfAborted();
  budget.busyAt = clock.monotonic();
  refuseLongWait(budget, owner);
  const granted = Promise.withResolvers<Turn>();
  const waiter: Waiter = { owner, since: budget.busyAt, go: granted.resolve };
  queue.add(owner, waiter);
  pump(budget);
  const tooLong = Promise.withResolvers<'too-long'>();
  const cancel = after(clock, 2 * MOST_QUEUE_MS, () => tooLong.resolve('too-long'), { unref: true });
  const either = linkedAbort(signal, closing.signal);
  try {
    const turn = await untilAborted(Promise.race([granted.promise, tooLong.promise]), either.signal);
    if (turn === 'too-long') throw throttled(MOST_QUEUE_MS);
    return turn;
  } catch (error) {
    // A turn that came at the same moment is not lost.
    granted.promise.then((turn) => turn.release('unsent')).catch(() => undefined);
    throw error;
  } finally {
    cancel();
    either.unlink();
    queue.remove(owner, waiter);
  }
}

/** Throws Problem `azure-throttled` for a caller who would have to wait too long. */
function refuseLongWait({ clock, bucket, queue, membership }: Budget, owner: string): void {
  if (!membership.joined()) return;
  const now = clock.monotonic();
  const blocked = bucket.when(1, now) - now;
  if (blocked > MOST_BLOCKED_MS) throw throttled(blocked);
  const queued = blocked + ((queue.ahead(owner) * POST_COST) / bucket.rate(now)) * 1000;
  if (queued > MOST_QUEUE_MS) throw throttled(queued);
}

/** Made once: an abort without a reason makes an error with a stack for each. */
const watchOver = new Error('nobody watches this run any more');

const throttled = (ms: number): Problem =>
  new Problem('azure-throttled', "The subscription's budget of requests to Azure is used up. Nothing ran.", {
    retryAfter: Math.min(300, Math.max(1, Math.ceil(ms / 1000))),
  });
