import type { CommandFacts, RequestFacts } from '../../audit/events.ts';
import type { SentCommand } from '../../command/invocation.ts';
import type { Cluster } from '../../config/config.ts';
import { Problem } from '../../errors.ts';
import { untilAborted } from '../../lib/abort.ts';
import { ruleName } from '../../config/rule-reference.ts';
import type { ClusterAuthority, Submitted } from '../../relay/relay.ts';
import type { AcceptedRecord, AzureRun, CommandRecord, Failure } from '../../store/records.ts';
import type { ActiveCommand, LifecycleContext } from './context.ts';
import { carry, NotStarted, timed, type Progress } from './active-command.ts';
import { finishWithoutOutput, subjectOf } from './finish.ts';
import { followToEnd } from './follow.ts';
import { toFailed, toRunning, toSubmitting } from './transitions.ts';
import { ensureLease, LeaseLost, newLease, updateRecord } from './leased-record.ts';

/** A command that may run: decided, and with everything that is sent. */
export interface NewCommand {
  readonly record: AcceptedRecord;
  readonly cluster: Cluster;
  readonly authority: ClusterAuthority;
  readonly sent: SentCommand;
  readonly facts: RequestFacts & CommandFacts;
  readonly policyDigest: string;
  /** Resolves when the command may go ahead. Nothing is recorded as intended before; rejects with a Problem when it may not. */
  readonly ready: () => Promise<void>;
}

/** Resolves once the record is durable, so that no id is given out which a kill could undo. Rejects as Records.create. */
export async function startCommand(context: LifecycleContext, command: NewCommand): Promise<ActiveCommand> {
  const record = { ...command.record, lease: newLease(context) };
  await context.records.create(record);
  return carry(context, record, (progress, signal) => runToEnd(context, progress, command, signal));
}

/** Each step is durable before the next. Throws NotStarted, and only while nothing was started. */
async function runToEnd(
  context: LifecycleContext,
  progress: Progress,
  command: NewCommand,
  signal: AbortSignal,
): Promise<CommandRecord> {
  await waitUntilReady(context, progress, command, signal);
  await recordIntent(context, progress, command);
  const submitted = await submit(context, progress, command);
  switch (submitted.kind) {
    case 'not-started':
      return reject(context, progress, submitted.problem);
    case 'lost':
      return finishWithoutOutput(context, progress, 'command.unknown', failureOf(submitted));
    case 'accepted':
      return followAccepted(context, progress, command.cluster, submitted, signal);
  }
}

async function waitUntilReady(
  context: LifecycleContext,
  progress: Progress,
  { ready }: NewCommand,
  signal: AbortSignal,
): Promise<void> {
  try {
    await timed(context.clock, progress.spent, 'queue', () => untilAborted(ready(), signal));
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    const reason = signal.aborted && error === signal.reason ? stopping : error;
    await failUnsent(context, progress, reason, { intended: false });
    throw new NotStarted(reason);
  }
}

/** No record, no run: the intent is durable, and the record says `submitting`, before Azure hears of the command. */
async function recordIntent(context: LifecycleContext, progress: Progress, command: NewCommand): Promise<void> {
  const { id, decision } = progress.record;
  try {
    await ensureLease(context, progress); // a process that slept past its lease must not record an intent that another has closed
    const intent = await context.trail.record({
      ...command.facts,
      event: 'command.intended',
      commandId: id,
      decision: 'allow',
      rule: ruleName(decision),
      policyDigest: command.policyDigest,
    });
    await updateRecord(context, progress, toSubmitting(await intent.receipt()));
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    await failUnsent(context, progress, error, { intended: true });
    throw new NotStarted(error);
  }
}

/** Takes no signal: a POST that is under way is seen to its end, so that a stop makes no `unknown`. The relay bounds its time. */
function submit(context: LifecycleContext, progress: Progress, command: NewCommand): Promise<Submitted> {
  const { cluster, authority, sent } = command;
  const { nonce, owner, timeoutSeconds } = progress.record;
  return timed(context.clock, progress.spent, 'azure', () =>
    context.relay.submit({ cluster, authority, sent, nonce, timeoutSeconds, owner }),
  );
}

async function reject(context: LifecycleContext, progress: Progress, problem: Problem): Promise<never> {
  await finishWithoutOutput(context, progress, 'command.rejected', failureOf(problem)).catch((error: unknown) =>
    context.onError(error, progress.record.id),
  );
  throw new NotStarted(problem);
}

async function followAccepted(
  context: LifecycleContext,
  progress: Progress,
  cluster: Cluster,
  { commandId, requestId }: Extract<Submitted, { kind: 'accepted' }>,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const azure = { commandId, requestId };
  const stored = updateRecord(context, progress, toRunning(azure));
  const noted = noteAccepted(context, progress.record, azure);
  const finished = await followToEnd(context, progress, { azure, cluster, stored, audited: false }, signal);
  await noted;
  return finished;
}

/** For readers of the trail only. Should it fail, the outcome's event still comes before anything is given out. */
async function noteAccepted(context: LifecycleContext, record: CommandRecord, azure: AzureRun): Promise<void> {
  const { commandId: azureCommandId, requestId: azureRequestId } = azure;
  await context.trail
    .record({ event: 'command.accepted', ...subjectOf(record), azureCommandId, azureRequestId })
    .catch((error: unknown) => context.onError(error, record.id));
}

/** Nothing was sent: the record says so, and the trail too where it may hold an intent. */
async function failUnsent(
  context: LifecycleContext,
  progress: Progress,
  error: unknown,
  { intended }: { readonly intended: boolean },
): Promise<void> {
  const failure = error instanceof Problem ? failureOf(error) : mistake;
  try {
    if (intended) await finishWithoutOutput(context, progress, 'command.interrupted', failure);
    else await updateRecord(context, progress, toFailed(failure, context.clock.now()));
  } catch (second) {
    context.onError(second, progress.record.id); // the sweep closes it once its lease has run out
  }
}

const failureOf = ({ code, message }: Failure): Failure => ({ code, message });

const mistake: Failure = {
  code: 'internal-error',
  message: 'The gateway made a mistake before anything was sent.',
};

const stopping = new Problem('gateway-busy', 'The gateway is stopping. Nothing was run.', { retryAfter: 5 });
