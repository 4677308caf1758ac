import type { AuditEvent } from '../../audit/events.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import type { Ended } from '../../relay/relay.ts';
import type { CommandRecord, Failure, Records } from '../../store/records.ts';
import { toCompleted, toFailed, toUnknown } from './transitions.ts';
import { ensureLease, updateRecord, type LeaseContext, type LeasedRecord } from './leased-record.ts';

/** What the end of a command needs: audited first, then stored, so that no result is given out before its outcome is durable. */
interface FinishContext extends LeaseContext {
  readonly records: Pick<Records, 'get' | 'replace' | 'putOutput'>;
  readonly trail: AuditTrail;
}

type EndWithoutOutput = 'command.rejected' | 'command.unknown' | 'command.failed' | 'command.interrupted';
type Completed = Extract<Ended, { kind: 'completed' }>;

/**
 * Stores the end that Azure reports. `audited`: a process before this one has it in the trail already. A store or a trail that fails
 * leaves the record running, for the sweep to try again. A value that cannot be recorded would throw each time, so it ends the record
 * as unknown.
 */
export async function finish(
  context: FinishContext,
  leased: LeasedRecord,
  ended: Ended,
  audited: boolean,
): Promise<CommandRecord> {
  try {
    return await finishAsReported(context, leased, ended, audited);
  } catch (error) {
    if (!isOfTheValue(error)) throw error;
    const failure = { code: 'internal-error', message: UNRECORDABLE };
    if (audited) return updateRecord(context, leased, toUnknown(failure, context.clock.now()));
    return finishWithoutOutput(context, leased, 'command.unknown', failure);
  }
}

const UNRECORDABLE =
  'The command ended, and the gateway could not record how. Look at the cluster before sending a change again.';

/** Thrown by what takes the value apart (canonical JSON, encodings); stores and networks throw errors of their own. */
const isOfTheValue = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;

async function finishAsReported(
  context: FinishContext,
  leased: LeasedRecord,
  ended: Ended,
  audited: boolean,
): Promise<CommandRecord> {
  if (ended.kind === 'completed') return finishWithOutput(context, leased, ended, audited);
  if (ended.kind === 'unknown' && ended.inconsistent !== undefined && !audited)
    await auditInconsistent(context, leased.record, ended.inconsistent);
  const failure = { code: ended.code, message: ended.message };
  const now = context.clock.now();
  if (audited)
    return updateRecord(context, leased, ended.kind === 'failed' ? toFailed(failure, now) : toUnknown(failure, now));
  return finishWithoutOutput(context, leased, ended.kind === 'failed' ? 'command.failed' : 'command.unknown', failure);
}

export async function finishWithoutOutput(
  context: FinishContext,
  leased: LeasedRecord,
  event: EndWithoutOutput,
  failure: Failure,
): Promise<CommandRecord> {
  await ensureLease(context, leased);
  await context.trail.record({ event, ...subjectOf(leased.record), failure });
  const now = context.clock.now();
  return updateRecord(context, leased, event === 'command.unknown' ? toUnknown(failure, now) : toFailed(failure, now));
}

async function finishWithOutput(
  context: FinishContext,
  leased: LeasedRecord,
  ended: Completed,
  audited: boolean,
): Promise<CommandRecord> {
  await ensureLease(context, leased);
  const { stdout, stderr } = ended;
  const stored = context.records.putOutput(leased.record.id, { stdout, stderr });
  stored.catch(() => undefined); // awaited below; an error of the trail comes first
  if (!audited) await auditCompleted(context, leased.record, ended);
  await stored;
  return updateRecord(context, leased, toCompleted(ended, context.clock.now()));
}

async function auditInconsistent(
  { trail }: Pick<FinishContext, 'trail'>,
  record: CommandRecord,
  detail: string,
): Promise<void> {
  await trail.record({ event: 'command.inconsistent', ...subjectOf(record), detail });
}

async function auditCompleted({ trail }: FinishContext, record: CommandRecord, ended: Completed): Promise<void> {
  const subject = subjectOf(record);
  if (ended.inconsistent !== undefined) await auditInconsistent({ trail }, record, ended.inconsistent);
  const { exitCode, timedOut, truncated, stdout, stderr } = ended;
  const completed: AuditEvent = {
    event: 'command.completed',
    ...subject,
    exitCode,
    timedOut,
    cut: truncated,
    bytes: stdout.length + stderr.length,
    stdout,
  };
  await trail.record(completed);
}

/** Whose command it is, in each of its events, so that a query by principal or cluster finds its end too. */
export const subjectOf = ({ id, principal: { tid, oid }, cluster }: CommandRecord) => ({
  commandId: id,
  whose: { principal: { tid, oid }, cluster: { name: cluster } },
});
