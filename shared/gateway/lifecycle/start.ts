import type { AuditEvent, CommandFacts, RequestFacts } from '../../audit/events.ts';
import type { SentCommand } from '../../command/invocation.ts';
import type { Cluster } from '../../config/config.ts';
import { Problem } from '../../errors.ts';
import { untilAborted } from '../../lib/abort.ts';
import { mark } from '../../lib/elapsed.ts';
import { ruleName } from '../../config/rule-reference.ts';
import type { ClusterAuthority, Submitted } from '../../relay/relay.ts';
import type { AcceptedRecord, AzureRun, CommandRecord, Failure } from '../../store/records.ts';
import type { ActiveCommand, LifecycleContext } from './context.ts';
import { carry, eachMember, membersOf, NotStarted, timed, type Progress } from './active-command.ts';
import { recordBatchIntent } from './batch-events.ts';
import { finishEach } from './finish-each.ts';
import { subjectOf } from './finish.ts';
import { followToEnd } from './follow.ts';
import {
  assertLease,
  ensureLease,
  followerOf,
  leaseRecord,
  LeaseLost,
  updateRecord,
  type LeasedRecord,
} from './leased-record.ts';
import { toFailed, toRunning, toSubmitting } from './transitions.ts';

/** A command, or a batch of them, that may run as things stand. Between here and the POST it waits, and is decided again. */
export interface NewCommand {
  readonly record: AcceptedRecord;
  /** The other steps of a batch, in their order; `record` is its first. */
  readonly followers?: readonly AcceptedRecord[];
  /** Whose turn it takes in the subscription's budget, where that is not its owner's. */
  readonly turnOf?: string;
  /** Of a batch: what the trail says of the request. */
  readonly batchFacts?: RequestFacts | undefined;
  /** Resolves when the command may go ahead. Nothing is recorded as intended before; rejects with a Problem when it may not. */
  readonly ready: () => Promise<void>;
  /**
   * Decides by the current configuration, one for each record. Throws Problem, which the trail has by then, when the command may not run now,
   * or not as it was accepted. Asked just before the intent, and once more just before the POST.
   */
  readonly decide: () => Promise<readonly [CommandToSend, ...CommandToSend[]]>;
  /**
   * Throws Problem where what was decided last may hold no longer. Asked when the connection to Azure stands and nothing is left to wait
   * for: a process that stood still in the handshakes may have its lease again by then, and an old decision.
   */
  readonly assertDecided: () => void;
  /** A credential for the cluster, with enough life left. Throws Problem. */
  readonly authorise: (cluster: Cluster) => Promise<ClusterAuthority>;
  /** Told once it was sent: it is not decided or sent again, and its words and files can go while it runs. */
  readonly sent?: () => void;
}

/** Exactly what is sent, where to, and by which rule. */
export interface CommandToSend {
  readonly cluster: Cluster;
  readonly sent: SentCommand;
  readonly facts: RequestFacts & CommandFacts;
  readonly decision: CommandRecord['decision'];
  readonly policyDigest: string;
  readonly configDigest: string;
}

/** Resolves once the record is durable, so that no id is given out which a kill could undo. Rejects as Records.create. */
export async function startCommand(context: LifecycleContext, command: NewCommand): Promise<ActiveCommand> {
  const { records, starting } = context;
  const carried = (record: AcceptedRecord) => ({ ...record, carrier: context.holder });
  const leader = leaseRecord(carried(command.record), mark(context.clock));
  const followers = (command.followers ?? []).map((record) => followerOf(leader, carried(record)));
  const ids = [leader, ...followers].map(({ record }) => record.id);
  for (const id of ids) starting.add(id);
  try {
    await records.create(leader.record);
    // A crash between the two leaves the others to the process that closes the first.
    await Promise.all(followers.map(({ record }) => records.create(record)));
    return carry(context, leader, (progress, signal) => runToEnd(context, progress, command, signal), followers);
  } finally {
    for (const id of ids) starting.delete(id);
  }
}

/** Each step is durable before the next. Throws NotStarted, and only while nothing was started. */
async function runToEnd(
  context: LifecycleContext,
  progress: Progress,
  command: NewCommand,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const { cluster, submitted } = await send(context, progress, command, signal);
  command.sent?.();
  switch (submitted.kind) {
    case 'not-started':
      return reject(context, progress, submitted.problem);
    case 'lost':
      return finishEach(context, progress, 'command.unknown', failureOf(submitted));
    case 'accepted':
      return followAccepted(context, progress, cluster, submitted, signal);
  }
}

/** A step of its own, so that nothing of what was sent is kept for as long as the command runs. */
async function send(
  context: LifecycleContext,
  progress: Progress,
  command: NewCommand,
  signal: AbortSignal,
): Promise<{ readonly cluster: Cluster; readonly submitted: Submitted }> {
  const toSend = await waitUntilReady(context, progress, command, signal);
  await recordIntent(context, progress, command, toSend);
  return { cluster: toSend[0].cluster, submitted: await submit(context, progress, command, toSend) };
}

/** Waits for the command's turn, and decides then: minutes may have passed, and who may do what may have changed. */
async function waitUntilReady(
  context: LifecycleContext,
  progress: Progress,
  { ready, decide }: NewCommand,
  signal: AbortSignal,
): ReturnType<NewCommand['decide']> {
  try {
    await timed(context.clock, progress.spent, 'queue', () => untilAborted(ready(), signal));
    return await untilAborted(decide(), signal);
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    const reason = signal.aborted && error === signal.reason ? stopping : error;
    await failUnsent(context, progress, reason, { intended: false });
    throw new NotStarted(reason);
  }
}

/** No record, no run: the intent is durable, and the record says `submitting`, before Azure hears of the command. */
async function recordIntent(
  context: LifecycleContext,
  progress: Progress,
  { batchFacts }: NewCommand,
  toSend: readonly CommandToSend[],
): Promise<void> {
  try {
    await ensureLease(context, progress); // a process that slept past its lease must not record an intent that another has closed
    if (batchFacts) await recordBatchIntent(context, progress, batchFacts);
    const intents = await Promise.all(
      membersOf(progress).map(({ record }, index) => recordIntentOf(context, record, toSend[index])),
    );
    await eachMember(progress, async (member, index) => {
      const { receipt, decision } = intents[index] ?? noIntent();
      await updateRecord(context, member, toSubmitting(receipt, decision));
    });
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    await failUnsent(context, progress, error, { intended: true });
    throw new NotStarted(error);
  }
}

async function recordIntentOf(
  { trail }: LifecycleContext,
  { id, batch }: CommandRecord,
  toSend: CommandToSend | undefined,
): Promise<{ readonly receipt: string; readonly decision: CommandRecord['decision'] }> {
  const { facts, decision, policyDigest, configDigest } = toSend ?? noIntent();
  const intended: AuditEvent = {
    ...facts,
    event: 'command.intended',
    commandId: id,
    batchId: batch?.id,
    decision: 'allow',
    rule: ruleName(decision),
    policyDigest,
    configDigest,
  };
  const intent = await trail.record(intended, { receipt: true });
  return { receipt: await intent.receipt(), decision };
}

const noIntent = (): never => {
  throw new Error('a step of a batch was not decided');
};

/**
 * Takes no signal: a POST that is under way is seen to its end, so that a stop makes no `unknown`. The relay bounds its time. Throws
 * LeaseLost; then nothing was sent, and another process says what became of the command.
 */
async function submit(
  context: LifecycleContext,
  progress: Progress,
  command: NewCommand,
  toSend: readonly [CommandToSend, ...CommandToSend[]],
): Promise<Submitted> {
  const { cluster } = toSend[0];
  const { owner, batch } = progress.record;
  const sending = {
    cluster,
    owner: command.turnOf ?? owner,
    authorise: () => command.authorise(cluster),
    permit: async () => {
      await command.decide();
      await ensureLease(context, progress);
    },
    fence: () => {
      assertLease(context, progress);
      command.assertDecided();
    },
  };
  const steps = membersOf(progress).map((member, index) => stepOf(member, toSend[index] ?? noIntent()));
  const submitted = await timed(context.clock, progress.spent, 'azure', () =>
    batch
      ? context.relay.submitSteps({ ...sending, steps, onError: batch.onError })
      : context.relay.submit({ ...sending, ...stepOf(progress, toSend[0]) }),
  );
  if (submitted.kind === 'not-started' && progress.lost) throw progress.lost;
  return submitted;
}

const stepOf = ({ record: { nonce, timeoutSeconds } }: LeasedRecord, { sent }: CommandToSend) => ({
  sent,
  nonce,
  timeoutSeconds,
});

async function reject(context: LifecycleContext, progress: Progress, problem: Problem): Promise<never> {
  await finishEach(context, progress, 'command.rejected', failureOf(problem)).catch((error: unknown) => {
    if (error instanceof LeaseLost) throw error;
    context.onError(error, progress.record.id);
  });
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
  const members = membersOf(progress);
  const stored = Promise.all(members.map((member) => updateRecord(context, member, toRunning(azure))));
  stored.catch(() => undefined); // awaited before the end
  // Only by a process that still has the record: what another one has closed is not told to have been sent.
  const noted = stored.then(
    (records) => Promise.all(records.map((record) => noteAccepted(context, record, azure))),
    () => undefined,
  );
  const finished = await followToEnd(context, progress, { azure, cluster, stored, audited: () => false }, signal);
  await noted;
  return finished;
}

/** For readers of the trail only. Should it fail, the outcome's event still comes before anything is given out. */
async function noteAccepted(context: LifecycleContext, record: CommandRecord, azure: AzureRun): Promise<void> {
  const { commandId: azureCommandId, requestId: azureRequestId } = azure;
  await context.trail
    .record({ event: 'command.accepted', ...subjectOf(record), azureCommandId, azureRequestId }, { unhurried: true })
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
    if (intended) await finishEach(context, progress, 'command.interrupted', failure);
    else await eachMember(progress, (member) => updateRecord(context, member, toFailed(failure, context.clock.now())));
  } catch (second) {
    context.onError(second, progress.record.id); // the sweep closes it once it has stood still for long enough
  }
}

const failureOf = ({ code, message }: Failure): Failure => ({ code, message });

const mistake: Failure = {
  code: 'internal-error',
  message: 'The gateway made a mistake before anything was sent.',
};

const stopping = new Problem('gateway-busy', 'The gateway is stopping. Nothing was run.', { retryAfter: 5 });
