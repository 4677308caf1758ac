import type { Cluster } from '../../config/config.ts';
import { isTrouble } from '../../relay/patience.ts';
import type { Ended, Told } from '../../relay/relay.ts';
import { isFinished, type AzureRun, type CommandOutput, type CommandRecord } from '../../store/records.ts';
import { eachMember, membersOf, timed, type Progress } from './active-command.ts';
import { recordBatchEnd } from './batch-events.ts';
import type { LifecycleContext } from './context.ts';
import { finish, finishAs } from './finish.ts';
import { updateRecord, type LeasedRecord } from './leased-record.ts';
import { withWarnings } from './transitions.ts';

interface AcceptedByAzure {
  readonly azure: AzureRun;
  readonly cluster: Cluster;
  /** True of a command whose outcome the trail has already. */
  readonly audited: (id: string) => boolean;
  /** Resolves when the record says `running`. The first poll does not wait for it. */
  readonly stored?: Promise<unknown>;
}

/** From Azure's acceptance to the end. Rejects when `signal` aborts, but not before the record has Azure's id. */
export async function followToEnd(
  context: LifecycleContext,
  progress: Progress,
  { azure, cluster, audited, stored }: AcceptedByAzure,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const told = showTrouble(context, progress);
  const ended = timed(context.clock, progress.spent, 'azure', () =>
    endsOf(context, progress, { azure, cluster }, signal, told),
  );
  ended.catch(() => undefined); // awaited after `stored`
  await stored;
  const ends = await ended;
  await Promise.all(membersOf(progress).map(({ lastChange }) => lastChange));
  return finishAll(context, progress, ends, audited);
}

/** What became of each command that was sent with this one, in their order. */
export async function endsOf(
  { relay }: LifecycleContext,
  progress: Progress,
  { azure, cluster }: Pick<AcceptedByAzure, 'azure' | 'cluster'>,
  signal: AbortSignal,
  told?: Told,
): Promise<readonly Ended[]> {
  const records = membersOf(progress).map(({ record }) => record);
  const { nonce, owner, submittedAt, argv, batch } = progress.record;
  const timeoutSeconds = records.reduce((sum, record) => sum + record.timeoutSeconds, 0);
  const run = { cluster, commandId: azure.commandId, owner, timeoutSeconds, submittedAt };
  if (!batch) return [await relay.follow({ ...run, nonce, kind: argv.slice(0, 2).join(' ') }, signal, told)];
  return relay.followSteps({ ...run, nonces: records.map((record) => record.nonce), kind: 'batch' }, signal, told);
}

/** Each that is not finished: what was decided about it before stands, and its output comes from Azure again. */
async function finishAll(
  context: LifecycleContext,
  progress: Progress,
  ends: readonly Ended[],
  audited: (id: string) => boolean,
): Promise<CommandRecord> {
  await eachMember(progress, async (member, index) => {
    const end = ends[index];
    if (!end) throw new Error('a step of a batch has no end');
    if (index === 0) await recordBatchEnd(context, progress, end);
    await finishOrGoOn(context, member, end, audited(member.record.id));
  });
  return progress.record;
}

async function finishOrGoOn(
  context: LifecycleContext,
  member: LeasedRecord,
  end: Ended,
  audited: boolean,
): Promise<CommandRecord> {
  const { record } = member;
  const ending = isFinished(record) ? undefined : record.ending;
  if (!ending) return finish(context, member, end, audited);
  const { outcome } = ending;
  const same = outcome.status === 'completed' && end.kind === 'completed' && end.exitCode === outcome.exitCode;
  return finishAs(context, member, ending, { audited, ...(same && { output: asLongAs(end, outcome.outputBytes) }) });
}

/** What was decided before may have been less than Azure has, by the caller's quota. */
const asLongAs = ({ stdout, stderr }: CommandOutput, bytes: { stdout: number; stderr: number }): CommandOutput => ({
  stdout: stdout.subarray(0, bytes.stdout),
  stderr: stderr.subarray(0, bytes.stderr),
});

/** Why Azure gives no result yet stands among the record's warnings, for as long as it does. */
function showTrouble(context: LifecycleContext, progress: Progress): Told {
  const usual = progress.record.warnings.filter((warning) => !isTrouble(warning));
  return (trouble) => {
    const warnings = trouble === undefined ? usual : [...usual, trouble];
    // The command is followed anyway; only the reason is not shown.
    updateRecord(context, progress, withWarnings(warnings)).catch((error: unknown) =>
      context.onError(error, progress.record.id),
    );
  };
}
