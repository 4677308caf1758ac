import type { CommandFacts, RequestFacts } from '../../audit/events.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import type { Clock } from '../../clock.ts';
import type { SentCommand } from '../../command/invocation.ts';
import type { Cluster } from '../../config/config.ts';
import { Problem } from '../../errors.ts';
import { about, createEnding, INTERRUPTED, LOST, REJECTED } from './finish.ts';
import { holdRecord, leaseFor, LeaseLost } from './leased-record.ts';
import type { ClusterAuthority, Relay } from '../../relay/relay.ts';
import type { CommandRecord, Records } from '../../store/records.ts';

/**
 * The durable steps of one command (DESIGN): record `accepted` → audit intent → compare-and-set to `submitting` → POST →
 * `running` → outcome audited → finished. Every step is on disk before the next begins, so a kill or a power cut between any
 * two leaves a record that tells what may have happened; whoever holds the record's lease drives it, the sweep takes the orphans.
 * Two may be late without harm: `running`, while the first poll is out, and the last, which the trail has already.
 */
export interface Lifecycle {
  /** Starts driving a command whose record is created here. Never rejects by itself: see the Drive. */
  begin(order: Order): Drive;
  /** The drive of a command in this process, if it has one. */
  driving(id: string): Drive | undefined;
  /** Takes up to `limit` records whose driver is gone and brings each to its end. Gives how many were taken. */
  recover(limit: number): Promise<number>;
  /** Resolves when every drive of this moment has ended. */
  idle(): Promise<void>;
  /** Aborts when the gateway stops: nobody need wait any longer. */
  readonly closing: AbortSignal;
  /** Stops driving: running commands keep running in Azure, their leases are given back for the next process. */
  close(): Promise<void>;
}

export interface Order {
  readonly record: CommandRecord;
  readonly cluster: Cluster;
  readonly authority: ClusterAuthority;
  readonly sent: SentCommand;
  readonly facts: RequestFacts & CommandFacts;
  readonly policyDigest: string;
  /** Waits for its turn before anything is recorded as intended; rejects with a Problem when it will not get one. */
  readonly turn: () => Promise<void>;
}

/** Milliseconds a command spent outside the gateway's hands. */
export interface Elsewhere {
  /** With Azure: the POST, the run, the polls. */
  azure: number;
  /** In line for a slot. */
  queue: number;
}

/** One command being driven in this process. */
export interface Drive {
  /** The record as last stored. */
  current(): CommandRecord;
  /** What was not the gateway's own time, so far (ms). */
  readonly elsewhere: Elsewhere;
  /** Resolves with the record once nothing more will happen to it here; rejects with a Problem when nothing was started. */
  readonly finished: Promise<CommandRecord>;
}

export interface LifecycleOptions {
  readonly records: Records;
  readonly trail: AuditTrail;
  readonly relay: Relay;
  readonly clock: Clock;
  /** Names this process in leases. */
  readonly holder: string;
  /** How long a driver may be silent before others take over. */
  readonly leaseMs?: number;
  readonly clusterOf: (record: CommandRecord) => Cluster | undefined;
  /** The outcome that the trail already holds for a command, looked for when a crash may have come between audit and record. */
  readonly outcomeOf: (record: CommandRecord) => Promise<string | undefined>;
  readonly onError: (error: unknown, commandId: string) => void;
}

const LEASE_MS = 60_000;

/** Nothing was started, and the caller is to hear why. Only this reaches a waiter as a Problem: what may have run is a record. */
class NotStarted extends Error {
  override readonly name = 'NotStarted';
  readonly why: unknown;
  constructor(why: unknown) {
    super('nothing was started');
    this.why = why;
  }
}

export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const { records, trail, relay, clock, holder, leaseMs = LEASE_MS } = options;
  const holding = { records, clock, holder, leaseMs };
  const drives = new Map<string, Drive>();
  const closing = new AbortController();

  const { close, finish } = createEnding({ records, trail, clock });

  const hold = (record: CommandRecord) => ({ ...holdRecord(record, holding), ...countElsewhere(clock) });
  type Held = ReturnType<typeof hold>;

  /** From Azure's acceptance to the end: one shared poll. `stored` is the record's own way to `running`, which need not hold it up. */
  async function follow(
    held: Held,
    { azure, cluster, audited }: { azure: CommandRecord['azure']; cluster: Cluster; audited: boolean },
    signal: AbortSignal,
    stored?: Promise<unknown>,
  ): Promise<CommandRecord> {
    const { nonce, owner, timeoutSeconds, submittedAt } = held.current();
    if (!azure) throw new Error('a running record has the id that Azure gave it');
    const run = { cluster, commandId: azure.commandId, nonce, owner, timeoutSeconds, submittedAt };
    const following = held.spend('azure', () => relay.follow(run, signal));
    following.catch(() => undefined); // awaited below: a stop ends it at once, but not before the record has Azure's id
    await stored;
    return finish(held, await following, audited);
  }

  /** The whole way of a new command. Throws NotStarted only while nothing was started. */
  async function execute(held: Held, order: Order, signal: AbortSignal): Promise<CommandRecord> {
    const { id } = held.current();
    try {
      await held.spend('queue', () => Promise.race([order.turn(), aborted(signal)]));
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      await settleUnsent(held, error, false);
      throw new NotStarted(error);
    }
    try {
      await held.assure(); // a process that slept past its lease must not tell of an intent that another has closed
      const { decision } = held.current();
      const rule = `${decision.role}/${decision.rule}`;
      const intent = await trail.record({
        ...order.facts,
        event: 'command.intended',
        commandId: id,
        decision: 'allow',
        rule,
        policyDigest: order.policyDigest,
      });
      await held.move({ status: 'submitting', receipt: await intent.receipt() });
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      await settleUnsent(held, error, true);
      throw new NotStarted(error);
    }
    const { nonce, owner, timeoutSeconds } = held.current();
    // No signal: a POST that is under way is seen to its end, so that a stop makes no `unknown`. The relay bounds it.
    const { cluster, authority, sent } = order;
    const submission = { cluster, authority, sent, nonce, timeoutSeconds, owner };
    const submitted = await held.spend('azure', () => relay.submit(submission));
    switch (submitted.kind) {
      case 'not-started': {
        const { code, message } = submitted.problem;
        await close(held, 'command.rejected', { code, message }).catch((error: unknown) => options.onError(error, id));
        throw new NotStarted(submitted.problem);
      }
      case 'lost':
        return close(held, 'command.unknown', { code: submitted.code, message: submitted.message });
      case 'accepted': {
        const { commandId, requestId } = submitted;
        const azure = { commandId, requestId };
        const stored = held.move({ status: 'running', azure });
        // Informational: should the trail fail here, the outcome's event holds the line before anything is released.
        const noted = trail
          .record({
            event: 'command.accepted',
            ...about(held.current()),
            azureCommandId: commandId,
            azureRequestId: requestId,
          })
          .catch((error: unknown) => options.onError(error, id));
        const done = await follow(held, { azure, cluster, audited: false }, signal, stored);
        await noted;
        return done;
      }
    }
  }

  /** Nothing was sent: the record says so; the trail too, where an intent may stand in it. */
  async function settleUnsent(held: Held, error: unknown, intended: boolean): Promise<void> {
    const failure =
      error instanceof Problem
        ? { code: error.code, message: error.message }
        : { code: 'internal-error', message: 'The gateway made a mistake before anything was sent.' };
    try {
      if (intended) await close(held, 'command.interrupted', failure);
      else await held.move({ status: 'failed', failure, finishedAt: clock.now() });
    } catch (second) {
      options.onError(second, held.current().id); // the sweep closes it once its lease has run out
    }
  }

  /** What an orphan's status says about what may have happened (DESIGN, "The way of a request"). */
  async function resume(held: Held, signal: AbortSignal): Promise<CommandRecord> {
    const record = held.current();
    const told = await options.outcomeOf(record);
    const audited = told !== undefined;
    switch (record.status) {
      case 'accepted':
        return audited
          ? held.move({ status: 'failed', failure: INTERRUPTED, finishedAt: clock.now() })
          : close(held, 'command.interrupted', INTERRUPTED);
      case 'submitting':
        // The trail has learnt what the record had not yet: nothing ran, so it is no `unknown`.
        if (told === 'command.rejected' || told === 'command.interrupted')
          return held.move({ status: 'failed', failure: REJECTED, finishedAt: clock.now() });
        return audited
          ? held.move({ status: 'unknown', failure: LOST, finishedAt: clock.now() })
          : close(held, 'command.unknown', LOST);
      case 'running': {
        const cluster = options.clusterOf(record);
        if (cluster) return follow(held, { azure: record.azure, cluster, audited }, signal);
        return close(held, 'command.unknown', {
          code: 'cluster-not-configured',
          message: 'The cluster was taken out of the configuration while the command ran; its end was not learnt.',
        });
      }
      case 'completed':
      case 'failed':
      case 'unknown':
        return record;
    }
  }

  function drive(held: Held, steps: (signal: AbortSignal) => Promise<CommandRecord>): Drive {
    const { id } = held.current();
    const finished = held
      .keeping(closing.signal, steps)
      .catch(async (error: unknown) => {
        if (error instanceof NotStarted) throw error.why;
        if (!(error instanceof LeaseLost) && !closing.signal.aborted) options.onError(error, id);
        // Never a rejection from here on: it may have been started, and only NotStarted may say otherwise.
        return (await records.get(id).catch(() => undefined)) ?? held.current();
      })
      .finally(() => drives.delete(id));
    finished.catch(() => undefined); // whoever waits sees it; nobody need wait
    const entry = { current: held.current, elsewhere: held.elsewhere, finished };
    drives.set(id, entry);
    return entry;
  }

  return {
    begin(order) {
      const held = hold({ ...order.record, lease: leaseFor(holding) });
      return drive(held, async (signal) => {
        await records.create(held.current()).catch((error: unknown) => {
          throw new NotStarted(error);
        });
        return execute(held, order, signal);
      });
    },
    driving: (id) => drives.get(id),
    closing: closing.signal,
    async recover(limit) {
      const orphans = (await records.orphans(clock.now(), limit)).filter(({ id }) => !drives.has(id));
      const taken = await Promise.all(
        orphans.map(async (orphan) => {
          const mine = await records.replace({ ...orphan, lease: leaseFor(holding) });
          if (!mine) return 0;
          const held = hold(mine);
          drive(held, (signal) => resume(held, signal));
          return 1;
        }),
      );
      return taken.reduce<number>((sum, one) => sum + one, 0);
    },
    async idle() {
      await Promise.allSettled([...drives.values()].map(({ finished }) => finished));
    },
    async close() {
      closing.abort(new Error('the gateway is stopping'));
      const left = [...drives.values()];
      await Promise.allSettled(left.map(({ finished }) => finished));
      for (const { current } of left) {
        const record = current();
        if (record.status !== 'running') continue;
        // A lease that cannot be given back runs out by itself; the rest of the gateway's end must not wait for that.
        await records
          .replace({ ...record, lease: { holder, until: 0 } })
          .catch((error: unknown) => options.onError(error, record.id));
      }
    },
  };
}

/** Counts what was not the gateway's own time. */
function countElsewhere(clock: Clock) {
  const elsewhere: Elsewhere = { azure: 0, queue: 0 };
  return {
    elsewhere,
    async spend<T>(where: keyof Elsewhere, step: () => Promise<T>): Promise<T> {
      const began = clock.monotonic();
      try {
        return await step();
      } finally {
        elsewhere[where] += clock.monotonic() - began;
      }
    },
  };
}

/** Rejects with the signal's reason; at a stop with a Problem, since nothing was sent. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const stop = (): void => reject(signal.reason instanceof LeaseLost ? signal.reason : STOPPING);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
const STOPPING = new Problem('gateway-busy', 'The gateway is stopping. Nothing was run.', { retryAfter: 5 });
