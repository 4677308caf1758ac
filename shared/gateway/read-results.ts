import type { AuditTrail } from '../audit/trail.ts';
import { after, type Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import type { Call, Started } from './gateway.ts';
import { principalKey } from '../identity/principal.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';
import { decideNonResource } from '../policy/decide.ts';
import type { Policy } from '../policy/policy.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import {
  isFinished,
  type CommandOutput,
  type CommandRecord,
  type CommandStatus,
  type Records,
} from '../store/records.ts';

/** How long a caller holds on, and the signal of its connection. */
export interface Wait {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Result {
  readonly record: CommandRecord;
  /** Of a completed command only. */
  readonly output?: CommandOutput | undefined;
}

export interface ResultsOptions {
  readonly admit: (call: Call) => Promise<Policy>;
  readonly records: Records;
  readonly lifecycle: Lifecycle;
  readonly trail: AuditTrail;
  readonly clock: Clock;
}

export type Results = ReturnType<typeof createResults>;

const PURGED = 'The output of this command was purged at the end of its retention.';

/** First and longest pause between looks at a record that another process drives: the store's cost, never Azure's. */
const LOOK_MS = { first: 100, most: 2_000 };

/** What came of commands: for their owner, and for auditors (a rule with nonResourceURLs /v1/commands/…). */
export function createResults({ admit, records, lifecycle, trail, clock }: ResultsOptions) {
  /** The record once it is finished, or as it stands when the wait is over. Throws Problem when nothing was started. */
  async function settle({ record, drive }: Pick<Started, 'record' | 'drive'>, wait: Wait): Promise<Result> {
    const settled = await (drive ? withDrive(drive.finished, drive.current, wait) : watched(record, wait));
    if (settled.outputPurged) return { record: { ...settled, warnings: [...settled.warnings, PURGED] } };
    try {
      return await withOutput(settled);
    } catch (error) {
      if (!(error instanceof StorageUnavailable)) throw error;
      // It has run, so no problem may say otherwise; and without its output it must not look like empty success. Ask again.
      return { record: { ...settled, status: 'running' } };
    }
  }

  async function withDrive(finished: Promise<CommandRecord>, current: () => CommandRecord, { ms, signal }: Wait) {
    if (ms <= 0) return current();
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const cancel = after(clock, ms, resolve, { unref: true });
    if (signal?.aborted) resolve();
    else signal?.addEventListener('abort', () => resolve(), { once: true });
    try {
      return (await Promise.race([finished, over])) ?? current();
    } finally {
      cancel();
    }
  }

  /** A record that another process drives (or none, after a crash): looked at in the store, ever more rarely. */
  async function watched(first: CommandRecord, wait: Wait): Promise<CommandRecord> {
    const { ms } = wait;
    const signal = wait.signal ? AbortSignal.any([wait.signal, lifecycle.closing]) : lifecycle.closing;
    const end = clock.monotonic() + ms;
    let record = first;
    for (let pause = LOOK_MS.first; !isFinished(record.status); pause = Math.min(pause * 1.5, LOOK_MS.most)) {
      const left = end - clock.monotonic();
      if (left <= 0 || signal.aborted) break;
      await clock.sleep(Math.min(pause, left), { signal, unref: true }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      try {
        record = (await records.get(record.id)) ?? record;
      } catch (error) {
        if (!(error instanceof StorageUnavailable)) throw error; // the store is away: what is known is the answer
      }
    }
    return record;
  }

  async function withOutput(record: CommandRecord): Promise<Result> {
    if (record.status !== 'completed') return { record };
    return { record, output: await records.getOutput(record.id) };
  }

  /** What is gone must not look like empty output. */
  const expired = ({ status, exitCode }: CommandRecord): Problem =>
    new Problem('result-expired', PURGED, { members: { status, exitCode: exitCode ?? null } });

  /**
   * One command's record and output. Throws Problem `command-not-found` (for what is another's, too) and `result-expired`.
   * That a finished result was read is in the trail before it is given out.
   */
  async function read(call: Call, id: string, wait: Wait): Promise<Result> {
    const policy = await admit(call);
    const record = await records.get(id);
    const { principal } = call.caller;
    const own = record?.owner === principalKey(principal);
    if (
      !record ||
      !(
        own ||
        decideNonResource(policy, { principal, verb: 'get', path: `/v1/commands/${id}`, cluster: record.cluster })
          .verdict === 'allow'
      )
    ) {
      const problem = new Problem('command-not-found', 'There is no command with this id that you may see.');
      await trail.record({
        ...call.facts,
        event: 'principal.denied',
        detail: `reading command ${id}: ${problem.message}`,
      });
      throw problem;
    }
    const drive = lifecycle.driving(id);
    const result = drive
      ? await settle({ record, drive }, wait).catch(async () => withOutput((await records.get(id)) ?? record))
      : await settle({ record, drive: undefined }, wait);
    if (!isFinished(result.record.status)) return result;
    await trail.record({ ...call.facts, event: 'result.read', commandId: id });
    if (result.record.outputPurged) throw expired(result.record);
    return result;
  }

  /** The caller's own commands, newest first, without output. */
  async function list(call: Call, query: { cluster?: string; status?: CommandStatus; limit: number; cursor?: string }) {
    await admit(call);
    return records.list({ ...query, owner: principalKey(call.caller.principal) });
  }

  return { settle, read, list };
}
