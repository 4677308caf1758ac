import { Problem } from '../errors.ts';
import { principalKey } from '../identity/principal.ts';
import { decideForBoth } from '../policy/decide-both.ts';
import { decideNonResource } from '../policy/decide.ts';
import { decideOnJob } from './decide-on-job.ts';
import type { Policy } from '../policy/policy.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import { isFinished, notSent, type CommandOutput, type CommandRecord, type CommandStatus } from '../store/records.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import { askerOf, ownerKey, type AuthenticatedRequest, type Wait } from './request.ts';
import type { StartedCommand } from './run-command.ts';
import { waitForCommand } from './wait.ts';

export interface CommandResult {
  readonly record: CommandRecord;
  /** Of a completed command only. */
  readonly output?: CommandOutput | undefined;
  /** Why a completed command has none. */
  readonly lost?: LostOutput | undefined;
  /** In the answer to an idempotency key that came before. */
  readonly replayed?: boolean;
}

interface LostOutput {
  readonly code: 'result-expired' | 'result-missing';
  readonly message: string;
}

export interface OwnCommandsQuery {
  readonly cluster?: string;
  readonly status?: CommandStatus;
  readonly limit: number;
  readonly cursor?: string;
}

const purged: LostOutput = {
  code: 'result-expired',
  message: 'The output of this command was purged at the end of its retention.',
};
const missing: LostOutput = {
  code: 'result-missing',
  message:
    'The command ran, but its output is missing: it was lost before it was stored, or removed by something other than the gateway.',
};

/**
 * The result of a command that the caller has just started, or its record so far. Throws Problem when nothing was started; what may have been
 * is a record, whatever became of its output or of the caller since.
 */
export async function awaitResult(
  context: GatewayContext,
  request: AuthenticatedRequest,
  started: Pick<StartedCommand, 'record' | 'active' | 'replayed'>,
  wait: Wait,
): Promise<CommandResult> {
  const result = await resultFor(context, request, await waitForCommand(context, started, wait), wait);
  return { ...result, replayed: started.replayed };
}

/** With its output, if the caller may have it still. Never a problem. */
export async function resultFor(
  context: GatewayContext,
  request: AuthenticatedRequest,
  record: CommandRecord,
  wait: Wait,
): Promise<CommandResult> {
  try {
    await admitCaller(context, request); // the wait was long enough to be blocked meanwhile
    return await withOutput(context, record, wait);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // It may have run, so no problem may say otherwise; and without its output it must not look like empty success. The caller asks again.
    return withoutOutputYet(record);
  }
}

/**
 * One command's record and output, for its owner, for who ran it as a job by hand, for who may `get` its job, and for auditors (a rule with
 * nonResourceURLs /v1/commands/…). That a finished result was read is in the trail before it is given out. Throws Problem `command-not-found` (also for the commands of others), `result-expired` and
 * `result-missing`.
 */
export async function readResult(
  context: GatewayContext,
  request: AuthenticatedRequest,
  id: string,
  wait: Wait,
): Promise<CommandResult> {
  const { policy } = await admitCaller(context, request);
  const record = await findRecord(context, request, policy, id);
  const ended = await endOf(context, record, wait);
  if (!isFinished(ended)) {
    // That its owner reads it is not news; that someone else does is an event.
    if (ended.owner !== ownerKey(request))
      await context.trail.record({ ...request.facts, event: 'result.read', commandId: id });
    return { record: ended };
  }
  if (wait.ms > 0) await assertMayStillRead(context, request, ended);
  await context.trail.record({ ...request.facts, event: 'result.read', commandId: id });
  const found = await withOutput(context, ended, wait);
  if (found.lost) throw resultLost(found.record, found.lost);
  return found;
}

/** The caller's own commands, newest first, without output. */
export async function listOwnCommands(context: GatewayContext, request: AuthenticatedRequest, query: OwnCommandsQuery) {
  await admitCaller(context, request);
  const { cluster, status, limit } = query;
  const detail = `commands${cluster === undefined ? '' : ` of ${cluster}`}${status === undefined ? '' : `, ${status}`}, ${limit} at most`;
  await context.trail.record({ ...request.facts, event: 'list.read', detail });
  return context.records.list({ ...query, owner: ownerKey(request) });
}

async function findRecord(
  { records, trail }: GatewayContext,
  request: AuthenticatedRequest,
  policy: Policy,
  id: string,
): Promise<CommandRecord> {
  const record = await records.get(id);
  if (record && mayRead(policy, request, record)) return record;
  return denyPrincipal(trail, request.facts, notFound, `reading command ${id}: ${notFound.message}`);
}

/** After a wait: the caller may have been blocked meanwhile, or have lost the rule that let it read. */
async function assertMayStillRead(
  context: GatewayContext,
  request: AuthenticatedRequest,
  record: CommandRecord,
): Promise<void> {
  const { policy } = await admitCaller(context, request);
  if (mayRead(policy, request, record)) return;
  await denyPrincipal(context.trail, request.facts, notFound, `reading command ${record.id}: ${notFound.message}`);
}

const notFound = new Problem('command-not-found', 'There is no command with this id that you may see.');

/** An application reads for the person behind it what both of them own: not what it ran for another person, nor by itself. */
export function mayRead(
  policy: Policy,
  request: AuthenticatedRequest,
  { id, cluster, owner, requester, startedBy, job }: CommandRecord,
): boolean {
  const asker = askerOf(request);
  const key = ownerKey(request);
  if (owner === key || startedBy === key) return true;
  // With a token of their own.
  if (requester && principalKey(requester) === key) return true;
  if (job && decideOnJob(policy, { asker, verb: 'get', name: job.name, cluster }).verdict === 'allow') return true;
  const path = `/v1/commands/${id}`;
  return (
    decideForBoth(asker, (principal) => decideNonResource(policy, { principal, verb: 'get', path, cluster }))
      .verdict === 'allow'
  );
}

/** A command that was not started is a problem for the caller who tried to start it; for a reader it is a record that says so. */
export async function endOf(context: GatewayContext, record: CommandRecord, wait: Wait): Promise<CommandRecord> {
  const active = context.lifecycle.active(record.id);
  const ended = waitForCommand(context, { record, active }, wait);
  return active ? ended.catch(async () => (await context.records.get(record.id)) ?? record) : ended;
}

/** Throws Problem when there is no memory for the output. */
export async function withOutput(
  { records }: GatewayContext,
  record: CommandRecord,
  { hold }: Wait,
): Promise<CommandResult> {
  if (record.status !== 'completed') return { record };
  if (record.outputPurged) return { record, lost: purged };
  hold?.(record.outputBytes.stdout + record.outputBytes.stderr);
  try {
    const output = await records.getOutput(record.id);
    if (output) return { record, output };
    // It may have been purged since the record was read.
    const now = await records.get(record.id);
    return { record, lost: now?.outputPurged === false ? missing : purged };
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
    return withoutOutputYet(record);
  }
}

const withoutOutputYet = (record: CommandRecord): CommandResult =>
  record.status === 'completed'
    ? { record: { ...record, azure: record.azure ?? notSent, status: 'running' } }
    : { record };

/** Output that is gone must not look like empty output. */
const resultLost = (record: CommandRecord, { code, message }: LostOutput): Problem =>
  new Problem(code, message, {
    members: { status: record.status, exitCode: record.status === 'completed' ? record.exitCode : null },
  });
