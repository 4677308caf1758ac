import { randomInt, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { startArm, type EmulatedArm, type PollFault, type PostFault } from '../../infra/local/arm.ts';
import { openAuditTrail } from '../../shared/audit/write/open-trail.ts';
import { eventCodes, outcomeEvents, type EventName } from '../../shared/audit/events.ts';
import { loadLocalRootKey } from '../../shared/audit/keys.ts';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import { outcomesOf } from '../../shared/audit/read/outcome.ts';
import type { AuditTrail } from '../../shared/audit/trail.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock, systemEntropy } from '../../shared/clock.ts';
import { createLifecycle, type Lifecycle } from '../../shared/gateway/lifecycle/lifecycle.ts';
import type { NewCommand } from '../../shared/gateway/lifecycle/start.ts';
import type { Relay } from '../../shared/relay/relay.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createBlobLog } from '../../shared/store/blob-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { isFinished, type CommandRecord, type CommandStatus, type Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { openAzuriteRecords } from '../../shared/store/table-records.ts';
import { cluster, relayTo } from '../relay/support/fixtures.ts';
import { fastClock } from '../support/fast-clock.ts';
import { newCommand } from '../support/new-command.ts';
import * as azurite from '../support/azurite.ts';
import { anyResults } from '../support/results.ts';

const BATCHES = Number(process.env['AT_MOST_ONCE_BATCHES'] ?? 3);
const RUNS_A_BATCH = 100;
/** The gateway's clock runs this much faster than the wall's. */
const SPEED = 50;
/** How long the relay waits for the answer to a POST (shared/relay/arm.ts). */
const POST_MS = 90_000;
/** No power is cut here, and a disk that others keep busy lets a sync wait for longer than a lease lasts. */
const inMemory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** By the gateway's clock: on the wall ten minutes, so that no live process loses its lease however busy the machine is. */
const LEASE_MS = 30_000_000;

type Finished = 'completed' | 'failed' | 'unknown';

/** What Azure does with the POST that it does not throttle, and what the caller must be told if nobody crashes. */
interface Taking {
  readonly faults: readonly PostFault[];
  /** Azure really runs it. */
  readonly runs: boolean;
  readonly end: Finished;
}
const runs = (end: Finished, ...faults: PostFault[]): Taking => ({ faults, runs: true, end });
const runsNot = (end: Finished, ...faults: PostFault[]): Taking => ({ faults, runs: false, end });
const takings = {
  'as it should': runs('completed'),
  'slow answer': runs('completed', { kind: 'slow', ms: 30 }),
  'no Location': runs('completed', { kind: 'location', location: undefined }),
  'Location elsewhere': runs('completed', {
    kind: 'location',
    location: (right) => right.replace(/^http:\/\/[^/]+/, 'https://attacker.example'),
  }),
  'reset before': runsNot('unknown', { kind: 'resetBefore' }),
  'reset after': runs('unknown', { kind: 'resetAfter' }),
  'slow, then reset after': runs('unknown', { kind: 'slow', ms: 20 }, { kind: 'resetAfter' }),
  'answer too late': runs('unknown', { kind: 'slow', ms: POST_MS / SPEED + 300 }),
  '500': runsNot('unknown', { kind: 'status', status: 500 }),
  '502, running': runs('unknown', { kind: 'status', status: 502, accepted: true }),
  '503': runsNot('unknown', { kind: 'status', status: 503, retryAfter: 1 }),
  '504, running': runs('unknown', { kind: 'status', status: 504, accepted: true }),
  '404, running': runs('unknown', { kind: 'status', status: 404, code: 'NotFound', accepted: true }),
  'did not start, running': runs('unknown', {
    kind: 'status',
    status: 400,
    code: 'KubernetesPerformanceError',
    message: 'did not start within 30s',
    accepted: true,
  }),
  '400 that nobody knows, running': runs('unknown', { kind: 'status', status: 400, code: 'WhoKnows', accepted: true }),
  '403': runsNot('failed', { kind: 'status', status: 403, code: 'AuthorizationFailed' }),
  'no image': runsNot('failed', { kind: 'failed', reason: 'ImagePullBackoff' }),
} satisfies Record<string, Taking>;
type TakingName = keyof typeof takings;

const pollFaults = {
  'reset before': { kind: 'resetBefore' },
  'reset after': { kind: 'resetAfter' },
  '500': { kind: 'status', status: 500 },
  '503': { kind: 'status', status: 503, retryAfter: 1 },
  '429': { kind: 'status', status: 429, retryAfter: 1 },
  '404': { kind: 'status', status: 404, code: 'NotFound' },
  slow: { kind: 'slow', ms: 20 },
} satisfies Record<string, PollFault>;

/** A process lives, dies at its n-th durable step, or stands still there until others have taken over, and then goes on. */
type Fate =
  | { readonly kind: 'lives' }
  | { readonly kind: 'dies' | 'stalls'; readonly at: number; readonly after: boolean };

interface Plan {
  /** POSTs answered 429 before one is taken; the relay sends three. */
  readonly throttled: number;
  readonly taking: TakingName;
  readonly polls: readonly (keyof typeof pollFaults)[];
  /** The gateway may not read results: the answer is lost for good. */
  readonly hidden: boolean;
  readonly first: Fate;
  readonly second: Exclude<Fate, { kind: 'stalls' }>;
  /** The recovering process has a rival on the other connection. */
  readonly contested: boolean;
}

const at = fc.integer({ min: 1, max: 11 });
const after = fc.boolean();
const lives = fc.constant<{ kind: 'lives' }>({ kind: 'lives' });
const dies = fc.record({ kind: fc.constant('dies' as const), at, after });
const stalls = fc.record({ kind: fc.constant('stalls' as const), at, after });
const plans: fc.Arbitrary<Plan> = fc.record({
  throttled: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
  ),
  taking: fc.oneof(
    fc.constantFrom<TakingName>('as it should', 'slow answer'),
    fc.constantFrom(...(Object.keys(takings) as TakingName[])),
  ),
  polls: fc.array(fc.constantFrom(...(Object.keys(pollFaults) as (keyof typeof pollFaults)[])), { maxLength: 2 }),
  hidden: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  first: fc.oneof({ weight: 3, arbitrary: lives }, { weight: 5, arbitrary: dies }, { weight: 2, arbitrary: stalls }),
  second: fc.oneof(
    lives,
    dies.map((fate) => ({ ...fate, at: 1 + (fate.at % 5) })),
  ),
  contested: fc.boolean(),
});

/** What the caller must be told when no process fails. */
function undisturbed({ throttled, taking, hidden }: Plan): Finished {
  if (throttled >= 3) return 'failed';
  const { end, runs: ran } = takings[taking];
  const accepted = end === 'completed' || (end === 'failed' && taking === 'no image') || (ran && end !== 'unknown');
  return hidden && accepted ? 'unknown' : end;
}

/** What the record must come to when the process that drove it was lost at `status`, with `told` in the trail. */
function expectedAfter(status: CommandStatus | undefined, told: string | undefined, plan: Plan): Finished | 'nothing' {
  switch (status) {
    case undefined:
      // It died before anything was durable; one that stood still goes on as if nothing had been.
      return plan.first.kind === 'dies' ? 'nothing' : undisturbed(plan);
    case 'accepted':
      return 'failed';
    case 'submitting':
      // Azure's answer was lost with the process, unless the trail has it.
      return told === 'command.rejected' ? 'failed' : 'unknown';
    case 'running':
    case 'completed':
    case 'failed':
    case 'unknown':
      return undisturbed(plan);
  }
}

/** The deadline of a POST keeps the wall's time unless it is meant to be missed: a slow machine must not look like a lost answer. */
function clockOf({ taking, throttled }: Plan): ReturnType<typeof fastClock> {
  const late = taking === 'answer too late' && throttled < 3;
  return fastClock(SPEED, (ms) => ms === POST_MS && !late);
}

/** One process's durable steps in order, each of which it may not survive. */
function mortal(fate: Fate) {
  let steps = 0;
  const gone = Promise.withResolvers<'gone'>();
  const woken = Promise.withResolvers<void>();
  const never = new Promise<never>(() => undefined);
  const until = fate.kind === 'stalls' ? woken.promise : never;
  const reaches = fate.kind === 'lives' ? Number.POSITIVE_INFINITY : fate.at;
  return {
    gone: gone.promise,
    wake: () => woken.resolve(),
    /**
     * `append`: a line of the trail. Nothing can fence an append-only log, so a process that stands still does so after a line,
     * never between its last look at the lease and the line; a dead one may be cut off before.
     */
    async step<T>(effect: () => Promise<T>, append = false): Promise<T> {
      const now = ++steps;
      const before = now > reaches || (fate.kind !== 'lives' && now === reaches && !fate.after);
      const skips = append && fate.kind === 'stalls';
      if (before && !skips) {
        if (now === reaches) gone.resolve('gone');
        await until;
      }
      try {
        return await effect();
      } finally {
        if (now === reaches && fate.kind !== 'lives' && (fate.after || skips)) {
          gone.resolve('gone');
          await until;
        }
      }
    },
  };
}
type Mortal = ReturnType<typeof mortal>;

/** Who carries, who takes over, who does so at the same moment, and who comes last: a process each. */
type Role = 'first' | 'second' | 'rival' | 'third';

/** One store, opened twice, and one trail, with a stream for each process. */
interface House {
  readonly records: Readonly<Record<Role, Records>>;
  readonly trails: Readonly<Record<Role, AuditTrail>>;
  readonly log: AppendLog;
}

interface Done {
  readonly id: string;
  readonly plan: Plan;
  readonly status: CommandStatus | 'nothing';
  /** The first process stood still when the outcome was decided in the record. */
  readonly stoodDecided: boolean;
}

let arm: EmulatedArm;
const plansById = new Map<string, Plan>();
/** Executions by the text of the command. */
const executions = new Map<string, number>();
const tally = new Map<string, number>();
const count = (what: string): unknown => tally.set(what, (tally.get(what) ?? 0) + 1);

/** With a time limit that no clock here comes near: how long Azure is asked for a result is not what is tested. */
const patient = (command: NewCommand): NewCommand => ({
  ...command,
  record: { ...command.record, timeoutSeconds: 30 * 86_400 },
});

const unfinished = (record: CommandRecord | undefined): readonly CommandRecord[] =>
  record === undefined || isFinished(record) ? [] : [record];

const idIn = (command: string): string => /run-[0-9a-f-]{36}/.exec(command)?.[0] ?? '';
const postsOf = (id: string) => arm.posts.filter(({ command }) => idIn(command) === id);

beforeAll(async () => {
  arm = await startArm({
    clusters: [{ resourceId: cluster.arm.id }],
    runner: async ({ command }) => {
      const id = idIn(command);
      executions.set(id, (executions.get(id) ?? 0) + 1);
      return { exitCode: 3, logs: `deleted ${id}` };
    },
  });
  arm.faults.post(({ command }) => {
    const id = idIn(command);
    const plan = plansById.get(id);
    if (!plan) throw new Error(`a POST that nobody planned: ${command}`);
    if (postsOf(id).length <= plan.throttled) return { kind: 'status', status: 429, retryAfter: 1 };
    return takings[plan.taking].faults;
  });
  const polled = new Map<string, number>();
  arm.faults.poll(({ commandId }) => {
    const post = arm.posts.find((one) => one.commandId === commandId);
    const plan = plansById.get(idIn(post?.command ?? ''));
    if (plan?.hidden) return { kind: 'status', status: 403, code: 'AuthorizationFailed' };
    const nth = polled.get(commandId) ?? 0;
    polled.set(commandId, nth + 1);
    const name = plan?.polls[nth];
    return name === undefined ? [] : pollFaults[name];
  });
});
afterAll(() => arm.close());

async function oneRun({ records, trails, log }: House, id: string, plan: Plan): Promise<Done> {
  const clock = clockOf(plan);
  const errors: unknown[] = [];
  const relays: { close(): Promise<void> }[] = [];

  const process = (role: Role, { step }: Mortal): Lifecycle => {
    const [store, trail] = [records[role], trails[role]];
    const relay = relayTo(arm.url, { clock, holder: randomUUID() });
    relays.push(relay);
    return createLifecycle({
      results: anyResults,
      records: {
        ...store,
        create: (record) => step(() => store.create(record)),
        replace: (record) => step(() => store.replace(record)),
        putOutput: (of, output) => step(() => store.putOutput(of, output)),
        // A hundred runs, each with a clock of its own, share the store; each is listed its own record alone.
        unfinished: async () => ({ records: [await store.get(id)].flatMap(unfinished), unreadable: [] }),
      },
      trail: { ...trail, record: (event) => step(() => trail.record(event), true) },
      relay: {
        ...relay,
        submit: (...args: Parameters<Relay['submit']>) => step(() => relay.submit(...args)),
        follow: (...args: Parameters<Relay['follow']>) => step(() => relay.follow(...args)),
      },
      clock,
      holder: randomUUID(),
      leaseMs: LEASE_MS,
      clusterOf: () => cluster,
      entropy: systemEntropy,
      outcomesOf: ([orphan]) => outcomesOf(createStreamIndex(log), new Set([id]), orphan?.submittedAt ?? 0),
      onError: (error) => errors.push(error),
    });
  };

  try {
    const one = mortal(plan.first);
    const first = process('first', one);
    const ended = first
      .start(patient(newCommand(id, clock, cluster)))
      .then(({ finished }) => finished)
      .then(
        () => 'ended' as const,
        () => 'ended' as const,
      );
    // Another process sweeps all the while: what is alive is not its to take.
    const two = mortal(plan.second);
    const second = process('second', two);
    const bystander = process('rival', mortal({ kind: 'lives' }));
    let how: 'ended' | 'gone' | 'still' = 'still';
    while (how === 'still') {
      await bystander.recover(10);
      expect(bystander.active(id)).toBeUndefined();
      how = await Promise.race([ended, one.gone, delay(100, 'still' as const)]);
    }

    const lost = await records.second.get(id);
    const told = (await outcomesOf(createStreamIndex(log), new Set([id]), clock.now() - LEASE_MS)).get(id);
    count(`first ${how === 'gone' ? plan.first.kind : 'ends'} at ${lost?.status ?? 'nothing'}`);
    const ending = how === 'gone' && lost && !isFinished(lost) ? lost.ending : undefined;
    const left = ending?.outcome.status ?? expectedAfter(lost?.status, told, plan);
    const expected = how === 'ended' ? undisturbed(plan) : left;

    if (how === 'gone') {
      // Who takes over has to have seen the record stand still.
      const rival = plan.contested ? bystander : undefined;
      await Promise.all([second.recover(10), rival?.recover(10)]);
      clock.forward(LEASE_MS + 1);
      const rivalsTurn = rival?.recover(10);
      await Promise.race([Promise.all([second.recover(10), rivalsTurn]), two.gone]);
      await rivalsTurn; // it lives, and may be slower than the other is to die
      // A record has one driver, whichever of the two was quicker.
      expect([second, rival].filter((one) => one?.active(id)).length).toBeLessThanOrEqual(1);
      await Promise.race([two.gone, Promise.allSettled([second.active(id)?.finished, rival?.active(id)?.finished])]);
      await rival?.active(id)?.finished;
      const third = process('third', mortal({ kind: 'lives' }));
      await third.recover(10);
      for (let sweeps = 0; sweeps < 3; sweeps++) {
        clock.forward(LEASE_MS + 1);
        await third.recover(10);
        await third.active(id)?.finished;
      }
    }
    const before = await records.first.get(id);
    if (how === 'gone' && plan.first.kind === 'stalls') {
      one.wake();
      await ended;
      if (before) expect((await records.first.get(id))?.status).toBe(before.status);
    } else expect(errors).toEqual([]);

    const record = await records.first.get(id);
    const status: CommandStatus | 'nothing' = record?.status ?? 'nothing';
    expect(status).toBe(expected);
    if (record) expect(isFinished(record)).toBe(true);
    if (status === 'completed') {
      expect(record).toMatchObject({ exitCode: 3 });
      expect(Buffer.from((await records.second.getOutput(id))?.stdout ?? []).toString()).toBe(`deleted ${id}`);
    }
    return { id, plan, status, stoodDecided: ending !== undefined && plan.first.kind === 'stalls' };
  } finally {
    await Promise.all(relays.map((relay) => relay.close()));
  }
}

const eventOfCode = new Map<string, EventName>(
  Object.entries(eventCodes).map(([event, code]) => [code, event as EventName]),
);
const outcomes: ReadonlySet<string> = new Set(outcomeEvents);

/** The events of each command, from the trail's own lines. */
async function eventsIn(log: AppendLog): Promise<ReadonlyMap<string, readonly EventName[]>> {
  const events = new Map<string, EventName[]>();
  for (const stream of await log.streams())
    for await (const { text } of log.read(stream)) {
      const { code, commandId } = JSON.parse(text) as { code: string; commandId?: string };
      const event = eventOfCode.get(code);
      if (commandId !== undefined && event !== undefined)
        events.set(commandId, [...(events.get(commandId) ?? []), event]);
    }
  return events;
}

const outcomeThatTells: Record<Finished, readonly string[]> = {
  completed: ['command.completed'],
  failed: ['command.failed', 'command.rejected', 'command.interrupted'],
  unknown: ['command.unknown'],
};

/** After everything has come to rest: what Azure did, what the trail says, and that both fit the record. */
function examine(
  { id, plan, status, stoodDecided }: Done,
  events: readonly EventName[],
): { readonly toldTwice: boolean } {
  const ran = executions.get(id) ?? 0;
  const posts = postsOf(id);
  const told = events.filter((event) => outcomes.has(event));
  const intents = events.filter((event) => event === 'command.intended').length;
  count(status);

  expect(ran).toBeLessThanOrEqual(1);
  expect(posts.filter(({ started }) => started).length).toBeLessThanOrEqual(1);
  // Only a 429, which says that nothing was taken, is followed by another POST.
  expect(posts.length).toBeLessThanOrEqual(Math.min(3, plan.throttled + 1));
  expect(posts.slice(0, -1).every(({ status: answer }) => answer === 429)).toBe(true);

  if (status === 'nothing') {
    expect({ posts: posts.length, events }).toEqual({ posts: 0, events: [] });
    return { toldTwice: false };
  }
  // Nothing can fence an append-only log: who stood still after the outcome was decided in the record tells it again, alike.
  expect(told.length).toBeLessThanOrEqual(stoodDecided ? 2 : 1);
  expect(new Set(told).size).toBe(1);
  if (told.length === 2) count('told twice');
  expect(outcomeThatTells[status as Finished]).toContain(told[0]);
  expect(intents).toBeLessThanOrEqual(1);
  if (posts.length > 0 || told[0] !== 'command.interrupted') expect(intents).toBe(1);
  if (status === 'completed') expect(ran).toBe(1);
  if (status === 'failed') expect(ran).toBe(0);
  return { toldTwice: told.length === 2 };
}

/** Two connections to one store of records, and the place of one trail. */
interface Stores {
  readonly connections: readonly [Records, Records];
  readonly log: AppendLog;
}

async function onSqlite(folder: string): Promise<Stores> {
  const connect = () => openSqliteRecords(join(folder, 'gateway.sqlite'), { clock: systemClock });
  return {
    connections: [await connect(), await connect()],
    log: createFileLog({ folder: join(folder, 'audit') }),
  };
}

async function onAzurite({ tableUrl, blobUrl }: azurite.Azurite): Promise<Stores> {
  const connect = () => openAzuriteRecords(tableUrl, { blobs: blobUrl, clock: systemClock });
  const container = new ContainerClient(
    `${blobUrl}/once-${randomUUID()}`,
    new StorageSharedKeyCredential(azurite.account, azurite.accountKey),
  );
  await container.create();
  return { connections: [await connect(), await connect()], log: createBlobLog({ container, clock: systemClock }) };
}

async function batch(batchPlans: readonly Plan[], open: (folder: string) => Promise<Stores>): Promise<void> {
  const folder = mkdtempSync(join(inMemory, 'aksgw-once-'));
  try {
    const { connections, log } = await open(folder);
    const [one, other] = connections;
    const records = { first: one, second: other, rival: one, third: other };
    const key = await loadLocalRootKey(join(folder, 'signing.jwk'));
    const openTrail = () => openAuditTrail({ log, key, clock: systemClock, entropy: systemEntropy, build: 'test' });
    const trails = {
      first: await openTrail(),
      second: await openTrail(),
      rival: await openTrail(),
      third: await openTrail(),
    };
    const planned = batchPlans.map((plan) => ({ id: `run-${randomUUID()}`, plan }));
    for (const { id, plan } of planned) plansById.set(id, plan);

    const ended = await Promise.allSettled(
      planned.map(({ id, plan }) => naming(plan, () => oneRun({ records, trails, log }, id, plan))),
    );
    // Azure takes some commands long after the gateway has given up.
    const deadline = performance.now() + 10_000;
    while (planned.some(({ id }) => postsOf(id).some(stillTaking)) && performance.now() < deadline) await delay(20);
    await Promise.all([...Object.values(trails), ...connections].map((one) => one.close()));

    const events = await eventsIn(log);
    let toldTwice = 0;
    for (const one of ended) {
      if (one.status === 'rejected') throw one.reason;
      const examined = await naming(one.value.plan, async () => examine(one.value, events.get(one.value.id) ?? []));
      if (examined.toldTwice) toldTwice += 1;
    }
    const report = await verifyTrail(log, { rootKeys: [key.keyId], graceMs: 0, now: Date.UTC(9999, 0, 1) });
    const repeated = report.findings.filter(({ kind }) => kind === 'outcome-repeated');
    // Who stood still between Azure's answer and its line writes it late.
    const stood = planned.filter(({ plan }) => plan.first.kind === 'stalls').map(({ id }) => id);
    const late = report.findings.filter(
      ({ kind, message }) => kind === 'sent-noted-late' && stood.some((id) => message.includes(id)),
    );
    const others = report.findings.filter((finding) => !repeated.includes(finding) && !late.includes(finding));
    expect({ verdict: report.verdict, repeated: repeated.length, others, open: report.commands.open }).toEqual({
      verdict: 'INTACT',
      repeated: toldTwice,
      others: [],
      open: [],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A POST that waits in the emulation: neither taken nor answered. */
const stillTaking = ({ command, started, status }: EmulatedArm['posts'][number]): boolean =>
  !started && status === 0 && plansById.get(idIn(command))?.taking === 'answer too late';

const SIDE_BY_SIDE = 3;

function batchesOf(seed: number, count: number, size: number): readonly (readonly (readonly Plan[])[])[] {
  const batches = fc.sample(fc.array(plans, { minLength: size, maxLength: size }), { seed, numRuns: count });
  return Array.from({ length: Math.ceil(count / SIDE_BY_SIDE) }, (_, at) =>
    batches.slice(at * SIDE_BY_SIDE, (at + 1) * SIDE_BY_SIDE),
  );
}

/** So that one run of a hundred can be told from the others. */
async function naming<T>(plan: Plan, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${JSON.stringify(plan)}\n${why}`, { cause: error });
  }
}

describe('at most once', () => {
  // AT_MOST_ONCE_SEED=… runs the same plans again.
  const seed = Number(process.env['AT_MOST_ONCE_SEED'] ?? randomInt(2 ** 31));

  test('whatever Azure, the network and the processes do, a command runs never twice, ends in a record and in a pair of events', async () => {
    // They wait far more than they work, so a few batches go side by side.
    for (const some of batchesOf(seed, BATCHES, RUNS_A_BATCH))
      await Promise.all(some.map((one) => batch(one, onSqlite)));
    const seen = Object.fromEntries([...tally].sort(([a], [b]) => a.localeCompare(b)));
    console.log(`at most once: ${BATCHES * RUNS_A_BATCH} runs, seed ${seed}: ${JSON.stringify(seen)}`);
    // The faults were really there: every end, and losses in every state.
    for (const end of ['completed', 'failed', 'unknown']) expect(seen[end]).toBeGreaterThan(20);
    for (const fate of ['dies', 'stalls'])
      for (const state of ['accepted', 'submitting', 'running'])
        expect([fate, state, seen[`first ${fate} at ${state}`] ?? 0]).not.toEqual([fate, state, 0]);
    // Few stall so early that by chance none may.
    expect((seen['first dies at nothing'] ?? 0) + (seen['first stalls at nothing'] ?? 0)).toBeGreaterThan(0);
  }, 300_000);
});

azurite.describeAzurite('at most once, on one Azurite', () => {
  const seed = Number(process.env['AT_MOST_ONCE_SEED'] ?? randomInt(2 ** 31));
  let running: azurite.Azurite;
  beforeAll(async () => {
    running = await azurite.startAzurite();
  }, 60_000);
  afterAll(() => running.close());

  // A sample: AT_MOST_ONCE_AZURITE=300 are as many as on SQLite.
  test('the same is true of records in tables, output in blobs and a trail in append blobs', async () => {
    const runsOfIt = Number(process.env['AT_MOST_ONCE_AZURITE'] ?? 3);
    const before = new Map(tally);
    const size = Math.min(runsOfIt, RUNS_A_BATCH);
    for (const some of batchesOf(seed, Math.ceil(runsOfIt / size), size))
      await Promise.all(some.map((one) => batch(one, () => onAzurite(running))));
    const seen = [...tally].map(([what, times]) => [what, times - (before.get(what) ?? 0)] as const);
    const shown = JSON.stringify(Object.fromEntries(seen.filter(([, times]) => times > 0)));
    console.log(`at most once on Azurite: ${runsOfIt} runs, seed ${seed}: ${shown}`);
  }, 300_000);
});
