import type { StoredResults, Taken } from '../../admission/stored-results.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import type { Ended } from '../../relay/relay.ts';
import type { CommandOutput, CommandRecord, Ending, Failure, Records } from '../../store/records.ts';
import { cancelId } from '../../store/derived-ids.ts';
import { updateRecord, type LeaseContext, type LeasedRecord } from './leased-record.ts';
import { toEnding, toFinished } from './transitions.ts';

/**
 * The end of a command, in three steps: the outcome is decided in the record, by compare-and-set; audited; and the record finished. So one
 * process decides, and the process that goes on after it tells the same outcome; and no result is given out before its outcome is durable.
 */
interface FinishContext extends LeaseContext {
  readonly records: Pick<Records, 'get' | 'replace' | 'putOutput'>;
  readonly results: Pick<StoredResults, 'take'>;
  readonly trail: AuditTrail;
}

export type EndWithoutOutput = Exclude<Ending['event'], 'command.completed'>;
type Completed = Extract<Ended, { kind: 'completed' }>;

/** Stores the end that Azure reports. `audited`: a process before this one has it in the trail already. */
export async function finish(
  context: FinishContext,
  leased: LeasedRecord,
  ended: Ended,
  audited: boolean,
): Promise<CommandRecord> {
  const { inconsistent } = { inconsistent: undefined, ...ended };
  if (ended.kind === 'completed') {
    const { kept, counted } = await withinQuota(context.results, leased.record, ended);
    const { stdout, stderr } = kept;
    const cancelled = await wasCancelled(context, leased.record, ended);
    const outcome = { ...completedOutcome(context, leased.record, kept), cancelled };
    const ending = { event: 'command.completed', outcome } as const;
    return finishAs(context, leased, ending, { audited, output: { stdout, stderr }, counted, inconsistent });
  }
  const event = ended.kind === 'failed' ? 'command.failed' : 'command.unknown';
  const failure = { code: ended.code, message: ended.message };
  return finishAs(context, leased, withoutOutput(context, event, failure), { audited, inconsistent });
}

export const finishWithoutOutput = (
  context: FinishContext,
  leased: LeasedRecord,
  event: EndWithoutOutput,
  failure: Failure,
  { audited } = { audited: false },
): Promise<CommandRecord> => finishAs(context, leased, withoutOutput(context, event, failure), { audited });

const withoutOutput = ({ clock }: FinishContext, event: EndWithoutOutput, failure: Failure): Ending => ({
  event,
  outcome: { status: event === 'command.unknown' ? 'unknown' : 'failed', failure, finishedAt: clock.now() },
});

function completedOutcome(context: FinishContext, record: CommandRecord, ended: Completed) {
  const { exitCode, streams, truncated, timedOut } = ended;
  const warnings = [...record.warnings, ...ended.warnings];
  const times = timesOf(context, record, ended);
  const outputBytes = { stdout: ended.stdout.byteLength, stderr: ended.stderr.byteLength };
  return { status: 'completed', exitCode, outputBytes, streams, truncated, timedOut, ...times, warnings } as const;
}

/** What a command printed, as far as its caller may have it stored: the beginning of stderr, where errors are, and then of stdout. */
export async function withinQuota(
  results: Pick<StoredResults, 'take'>,
  { owner }: CommandRecord,
  ended: Completed,
): Promise<{ readonly kept: Completed; readonly counted: Promise<void> }> {
  const { stdout, stderr } = ended;
  const { bytes, counted } = await results.take(owner, stdout.byteLength + stderr.byteLength);
  if (bytes >= stdout.byteLength + stderr.byteLength) return { kept: ended, counted };
  const errors = wholeCharacters(stderr, bytes);
  const output = wholeCharacters(stdout, bytes - errors.byteLength);
  const warnings = [...ended.warnings, OVER_QUOTA];
  return { kept: { ...ended, stdout: output, stderr: errors, truncated: true, warnings }, counted };
}

const OVER_QUOTA =
  'The output was cut: more of what your commands printed is not stored at a time (limits.perPrincipal.storedBytes). How the command ended stands.';

/** At most `most` bytes, without a part of a character at the end: a byte that goes on in one is 10xxxxxx (RFC 3629, section 3). */
function wholeCharacters(bytes: Uint8Array, most: number): Uint8Array {
  if (bytes.byteLength <= most) return bytes;
  let end = most;
  while (end > most - 3 && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

/** What the launcher ends with on TERM (128 and the number of the signal). */
const TERMINATED = 143;

/** Whether somebody asked for that end. */
async function wasCancelled(
  { records }: FinishContext,
  { id, batch }: CommandRecord,
  { exitCode }: Completed,
): Promise<true | undefined> {
  if (exitCode !== TERMINATED) return undefined;
  for (const target of [id, batch?.id]) if (target && (await records.get(cancelId(target, 0)))) return true;
  return undefined;
}

/** How far Azure's clock and this one may be apart. */
const SKEW_MS = 10 * 60_000;

/**
 * Azure's times where they can be true, since retention counts from them: not before the command was accepted, not after now. An unset one is
 * the year 1 (learn.microsoft.com/dotnet/api/system.datetime.minvalue). They are whole seconds: one that lies within the second in which the
 * command was accepted is that moment.
 */
export function timesOf(
  { clock }: Pick<FinishContext, 'clock'>,
  { submittedAt }: CommandRecord,
  { startedAt, finishedAt }: Completed,
) {
  const now = clock.now();
  const plausible = (time: number | undefined): number | undefined => {
    if (time === undefined || time < submittedAt - SKEW_MS || time > now + SKEW_MS) return undefined;
    return time > submittedAt - 1_000 ? Math.max(time, submittedAt) : time;
  };
  return { startedAt: plausible(startedAt), finishedAt: plausible(finishedAt) ?? now };
}

interface Details {
  /** The trail has the outcome already. */
  readonly audited: boolean;
  /** Of a completed command, unless it was lost. */
  readonly output?: CommandOutput | undefined;
  /** Of that output. */
  readonly counted?: Taken['counted'] | undefined;
  readonly inconsistent?: string | undefined;
}

/**
 * Decides on the outcome, or makes sure of one that was decided before, and brings the record to its end. A store or a trail that fails leaves
 * the record as it is, for the sweep to try again. A value that cannot be recorded would throw each time, so it ends the record as unknown.
 */
export async function finishAs(
  context: FinishContext,
  leased: LeasedRecord,
  ending: Ending,
  details: Details,
): Promise<CommandRecord> {
  try {
    return await decideAndTell(context, leased, ending, details);
  } catch (error) {
    if (!isOfTheValue(error) || ending.event === 'command.unknown') throw error;
    const failure = { code: 'internal-error', message: UNRECORDABLE };
    return decideAndTell(context, leased, withoutOutput(context, 'command.unknown', failure), {
      audited: details.audited,
    });
  }
}

const UNRECORDABLE =
  'The command ended, and the gateway could not record how. Look at the cluster before sending a change again.';

/** Thrown by what takes the value apart (canonical JSON, encodings); stores and networks throw errors of their own. */
const isOfTheValue = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;

async function decideAndTell(
  context: FinishContext,
  leased: LeasedRecord,
  ending: Ending,
  { audited, output, counted, inconsistent }: Details,
): Promise<CommandRecord> {
  await updateRecord(context, leased, toEnding(ending));
  const stored = output && context.records.putOutput(leased.record.id, output);
  stored?.catch(() => undefined); // awaited below; an error of the trail comes first
  if (!audited) await audit(context, leased.record, ending, output, inconsistent);
  await stored;
  await counted;
  return updateRecord(context, leased, toFinished(ending.outcome));
}

async function audit(
  { trail }: FinishContext,
  record: CommandRecord,
  { event, outcome }: Ending,
  output: CommandOutput | undefined,
  inconsistent: string | undefined,
): Promise<void> {
  const subject = subjectOf(record);
  if (inconsistent !== undefined)
    await trail.record({ event: 'command.inconsistent', ...subject, detail: inconsistent });
  if (outcome.status !== 'completed') {
    await trail.record({ event, ...subject, failure: outcome.failure });
    return;
  }
  const { exitCode, timedOut, truncated: cut } = outcome;
  const bytes = output && output.stdout.length + output.stderr.length;
  await trail.record({ event, ...subject, exitCode, timedOut, cut, bytes, stdout: output?.stdout });
}

/** Whose command it is, in each of its events, so that a query by principal or cluster finds its end too. */
export const subjectOf = ({ id, principal: { tid, oid }, cluster }: CommandRecord) => ({
  commandId: id,
  whose: { principal: { tid, oid }, cluster: { name: cluster } },
});
