import { noTelemetry } from '../../shared/telemetry/no-telemetry.ts';
import { setImmediate as turn } from 'node:timers/promises';
import type { AuditEvent } from '../../shared/audit/events.ts';
import type { Config } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';
import type { StartedCommand } from '../../shared/gateway/run-command.ts';
import type { RequestedCommand } from '../../shared/gateway/request.ts';
import { principalKey } from '../../shared/identity/principal.ts';
import { compiledOnce, type JobsContext } from '../../shared/jobs/context.ts';
import { createJobs } from '../../shared/jobs/jobs.ts';
import type { Looked } from '../../shared/jobs/health-look.ts';
import type { BatchId } from '../../shared/lib/ids.ts';
import type { Delivery } from '../../shared/store/delivery.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import { stepId } from '../../shared/store/derived-ids.ts';
import { isFinished, isFollower, type CommandRecord } from '../../shared/store/records.ts';
import { commandRecord } from '../support/records.ts';
import { env, parse, withSections } from '../config/valid.ts';

const DAY = 86_400_000;

/** What a process does to the world at its n-th effect. */
export interface Fault {
  readonly at: number;
  readonly kind: 'kill before' | 'kill after' | 'stop';
  /** Of a stop. */
  readonly minutes: number;
}

/** Of a look. */
const READS = 3;

class Killed extends Error {}

interface Accepted {
  record: CommandRecord;
  readonly carrier: Process;
  readonly sendAt: number;
  readonly endAt: number;
}

interface Process {
  alive: boolean;
  effects: number;
  readonly skew: () => number;
  readonly faults: readonly Fault[];
}

/** A person who may run the job by hand. */
export const runner = '55555555-5555-4555-8555-555555555555';
const RUNNER = `policy: { roles: { runner: { allow: [{ verbs: [run], resources: [jobs.aksgw], names: [nightly], namespaces: ['*'] }] } },\
  bindings: [{ role: runner, clusters: [demo], subjects: [{ user: ${runner} }] }] }`;
export const SECRET = `whsec_${Buffer.alloc(32).toString('base64')}`;

const configured = (command: string, job: string, webhooks: string): Config =>
  parse(
    withSections({
      policy: RUNNER,
      jobs: `jobs: [{ name: nightly, cluster: demo, ${command}, ${job} }]\nwebhooks: { ${webhooks} }`,
    }),
    { env: { ...env, HOOK: SECRET } },
  );

/** A store, a trail and a gateway in memory, in virtual time, with processes that are killed and stopped in the middle of what they do. */
export class World {
  now: number;
  /** May the job run what it wants to? */
  allowed = true;
  readonly sent: number[] = [];
  readonly events: AuditEvent[] = [];
  readonly errors: unknown[] = [];
  /** What is to be told, by its id. */
  readonly deliveries = new Map<string, Delivery>();
  /** What every look sees; undefined where its output is gone. */
  looked: Looked | undefined;
  /** How every command ends. */
  exitCode = 0;
  readonly notes = new Map<string, { version: number; text: string }>();
  readonly #leases = new Map<string, { holder: string; until: number }>();
  readonly #commands: Accepted[] = [];
  readonly #keys = new Map<string, { command: Accepted; at: number }>();
  readonly #stopped: { readonly until: number; readonly go: () => void }[] = [];
  config: Config;
  readonly #runMs: number;
  readonly #webhooks: string;
  /** Whether a command goes out before its starter hears of it. */
  sendsAtOnce = false;
  #ids = 0;

  constructor(start: number, job: string, runMs = 1_000, command = 'argv: [kubectl, get, pods]', webhooks = '') {
    this.now = start;
    this.#runMs = runMs;
    this.#webhooks = webhooks;
    this.config = configured(command, job, webhooks);
  }

  /** Another configuration is in force from now on. */
  configure(job: string, command = 'argv: [kubectl, get, pods]'): void {
    this.config = configured(command, job, this.#webhooks);
  }

  /** Goes on to an instant: what is under way happens, and processes that stood still go on. */
  async goTo(instant: number): Promise<void> {
    this.now = instant;
    for (const stopped of this.#stopped.splice(0)) {
      if (stopped.until <= instant) stopped.go();
      else this.#stopped.push(stopped);
    }
    for (const command of this.#commands) {
      const { record, carrier } = command;
      if (record.status === 'accepted' && command.sendAt <= instant) {
        if (carrier.alive) {
          if (!isFollower(record)) this.sent.push(record.job?.slot ?? Number.NaN);
          command.record = { ...record, status: 'running' } as CommandRecord;
        } else {
          command.record = {
            ...record,
            status: 'failed',
            failure: { code: 'interrupted', message: 'nothing was run' },
            finishedAt: instant,
          };
        }
      }
      if (command.record.status === 'running' && command.endAt <= instant)
        command.record = {
          ...command.record,
          status: 'completed',
          exitCode: this.exitCode,
          finishedAt: instant,
        } as CommandRecord;
    }
    await turn();
  }

  /** A process that looks at the jobs when it is told to. */
  process(skew: () => number = () => 0, faults: readonly Fault[] = []) {
    const process: Process = { alive: true, effects: 0, skew, faults };
    const effect = async <T>(apply: () => T): Promise<T> => {
      if (!process.alive) throw new Killed();
      const due = faults.find(({ at }) => at === process.effects);
      process.effects += 1;
      if (due?.kind === 'kill before') this.#kill(process);
      if (due?.kind === 'stop')
        await new Promise<void>((go) => this.#stopped.push({ until: this.now + due.minutes * 60_000, go }));
      await Promise.resolve();
      const result = apply();
      if (due?.kind === 'kill after') this.#kill(process);
      return result;
    };
    const clock = { now: () => this.now + skew(), monotonic: () => this.now, sleep: () => Promise.resolve() };
    const context: JobsContext = {
      config: {
        current: () => this.config,
        fresh: async () => this.config,
        isFresh: () => true,
        problem: () => undefined,
      },
      jobsOf: compiledOnce(clock),
      gateway: {
        admitCaller: async () => ({ config: this.config, policy: compilePolicy(this.config) }),
        limitRate: async () => undefined,
        runCommand: (_request, requested) => effect(() => this.#run(process, clock.now(), requested, 0)),
        runBatch: (_request, requested) =>
          effect(() => this.#run(process, clock.now(), requested, requested.steps.length)),
      },
      health: {
        start: (_request, _cluster, about) =>
          effect(() => {
            if (about.notify) throw new Error('a look tells what it found, not that it ended');
            return this.#run(process, clock.now(), about, READS);
          }),
        note: () =>
          effect(() => {
            if (!this.looked) throw new Error('what it printed is gone');
            return this.looked;
          }),
      },
      records: {
        get: (id) => effect(() => this.#commands.find(({ record }) => record.id === id)?.record),
        list: ({ limit }) =>
          effect(() => ({
            items: this.#commands
              .map(({ record }) => record)
              .toReversed()
              .slice(0, limit),
          })),
        getNote: (name) => effect(() => this.notes.get(name)),
        addDelivery: (delivery) =>
          effect(() => void (this.deliveries.has(delivery.id) || this.deliveries.set(delivery.id, delivery))),
        putNote: (name, { version, text }) =>
          effect(() => {
            if ((this.notes.get(name)?.version ?? 0) !== version) return false;
            this.notes.set(name, { version: version + 1, text });
            return true;
          }),
        lease: (name, holder, until, now) =>
          effect(() => {
            const held = this.#leases.get(name);
            if (held && held.holder !== holder && held.until > now) return false;
            this.#leases.set(name, { holder, until });
            return true;
          }),
        releaseLease: (name, holder) =>
          effect(() => void (this.#leases.get(name)?.holder === holder && this.#leases.delete(name))),
      },
      trail: {
        record: (event) =>
          effect(() => {
            this.events.push(event);
            return { stream: 's', seq: 1, hash: '', receipt: async () => '' };
          }),
        check: async () => undefined,
        close: async () => undefined,
      },
      clock,
      entropy: { bytes: (count) => new Uint8Array(count), uuid: () => `id-${(this.#ids += 1)}` },
      holder: `process-${(this.#ids += 1)}`,
      telemetry: noTelemetry,
      onError: (error) => {
        if (!(error instanceof Killed)) this.errors.push(error);
      },
    };
    const jobs = createJobs(context);
    let looking = false;
    return {
      jobs,
      get alive() {
        return process.alive;
      },
      kill: () => {
        process.alive = false;
      },
      /** Not while it still looks: it may stand still. */
      look: async (): Promise<void> => {
        if (looking || !process.alive) return;
        looking = true;
        await jobs.tick().finally(() => (looking = false));
      },
    };
  }

  #kill(process: Process): never {
    process.alive = false;
    throw new Killed();
  }

  /** As the corridor does it: one command, or one batch of `steps`, for one key for a day, unless it ended before it was sent. */
  #run(
    carrier: Process,
    now: number,
    { job, idempotency }: Pick<RequestedCommand, 'job' | 'idempotency'>,
    steps: number,
  ): StartedCommand {
    const key = idempotency?.key ?? '';
    const known = this.#keys.get(key);
    if (!this.allowed) throw new Problem('policy-denied', 'No rule allows it.');
    if (known && now - known.at < DAY && known.command.record.status !== 'failed')
      return { record: known.command.record, active: undefined, azureMs: 0, replayed: true };
    const id = `command-${(this.#ids += 1)}`;
    const batchId = `batch-of-${id}` as BatchId;
    const accept = (step: number): Accepted => {
      const record = {
        ...commandRecord(steps > 0 ? stepId(batchId, step) : id),
        owner: principalKey({ kind: 'job', tid: '', oid: 'nightly' }),
        submittedAt: now,
        ...(job && { job }),
        ...(steps > 0 && { batch: { id: batchId, step, of: steps, onError: 'stop' } }),
        status: this.sendsAtOnce ? 'running' : 'accepted',
      } as CommandRecord;
      return { record, carrier, sendAt: this.now + 500, endAt: this.now + 500 + this.#runMs };
    };
    const command = accept(0);
    this.#commands.push(command, ...Array.from({ length: Math.max(0, steps - 1) }, (_, index) => accept(index + 1)));
    if (this.sendsAtOnce) this.sent.push(job?.slot ?? Number.NaN);
    this.#keys.set(key, { command, at: now });
    return { record: command.record, active: undefined, azureMs: 0, replayed: false };
  }

  /** Whether nothing is under way any more. */
  get quiet(): boolean {
    return this.#commands.every(({ record }) => isFinished(record));
  }
}
