import { Problem } from '../errors.ts';
import { principalKey } from '../identity/principal.ts';
import { decideNonResource } from '../policy/decide.ts';
import type { Policy } from '../policy/policy.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import { isFinished, type CommandOutput, type CommandRecord, type CommandStatus } from '../store/records.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import type { AuthenticatedRequest, Wait } from './request.ts';
import type { StartedCommand } from './run-command.ts';
import { waitForCommand } from './wait.ts';

export interface CommandResult {
  readonly record: CommandRecord;
  /** Of a completed command only. */
  readonly output?: CommandOutput | undefined;
}

export interface OwnCommandsQuery {
  readonly cluster?: string;
  readonly status?: CommandStatus;
  readonly limit: number;
  readonly cursor?: string;
}

const PURGED = 'The output of this command was purged at the end of its retention.';

/** The result of a command that the caller has just started, or its record so far. Throws Problem when nothing was started. */
export async function awaitResult(
  context: GatewayContext,
  started: Pick<StartedCommand, 'record' | 'active'>,
  wait: Wait,
): Promise<CommandResult> {
  const record = await waitForCommand(context, started, wait);
  try {
    return await withOutput(context, record, wait);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // It has run, so no problem may say otherwise; and without its output it must not look like empty success. The caller asks again.
    return withoutOutputYet(record);
  }
}

/**
 * One command's record and output, for its owner and for auditors (a rule with nonResourceURLs /v1/commands/…). That a finished
 * result was read is in the trail before it is given out. Throws Problem `command-not-found` (also for the commands of others) and
 * `result-expired`.
 */
export async function readResult(
  context: GatewayContext,
  request: AuthenticatedRequest,
  id: string,
  wait: Wait,
): Promise<CommandResult> {
  const policy = await admitCaller(context, request);
  const record = await findRecord(context, request, policy, id);
  const result = await currentResult(context, record, wait);
  if (!isFinished(result.record)) return result;
  await context.trail.record({ ...request.facts, event: 'result.read', commandId: id });
  if (result.record.outputPurged) throw resultExpired(result.record);
  return result;
}

/** The caller's own commands, newest first, without output. */
export async function listOwnCommands(context: GatewayContext, request: AuthenticatedRequest, query: OwnCommandsQuery) {
  await admitCaller(context, request);
  return context.records.list({ ...query, owner: principalKey(request.caller.principal) });
}

async function findRecord(
  { records, trail }: GatewayContext,
  { caller, facts }: AuthenticatedRequest,
  policy: Policy,
  id: string,
): Promise<CommandRecord> {
  const { principal } = caller;
  const record = await records.get(id);
  if (record && (record.owner === principalKey(principal) || mayAudit(policy, principal, record))) return record;
  const problem = new Problem('command-not-found', 'There is no command with this id that you may see.');
  return denyPrincipal(trail, facts, problem, `reading command ${id}: ${problem.message}`);
}

function mayAudit(
  policy: Policy,
  principal: AuthenticatedRequest['caller']['principal'],
  { id, cluster }: CommandRecord,
): boolean {
  const question = { principal, verb: 'get', path: `/v1/commands/${id}`, cluster };
  return decideNonResource(policy, question).verdict === 'allow';
}

async function currentResult(context: GatewayContext, record: CommandRecord, wait: Wait): Promise<CommandResult> {
  const active = context.lifecycle.active(record.id);
  const current = await waitForCommand(context, { record, active }, wait).catch(async (error: unknown) => {
    // A command that was not started is a problem for the caller who tried to start it; for a reader it is a record that says so.
    if (!active) throw error;
    return (await context.records.get(record.id)) ?? record;
  });
  return withOutput(context, current, wait);
}

/** Throws Problem when there is no memory for the output. */
async function withOutput({ records }: GatewayContext, record: CommandRecord, { hold }: Wait): Promise<CommandResult> {
  if (record.outputPurged) return { record: { ...record, warnings: [...record.warnings, PURGED] } };
  if (record.status !== 'completed') return { record };
  hold?.(record.outputBytes.stdout + record.outputBytes.stderr);
  try {
    return { record, output: await records.getOutput(record.id) };
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
    return withoutOutputYet(record);
  }
}

const withoutOutputYet = (record: CommandRecord): CommandResult =>
  record.status === 'completed' ? { record: { ...record, status: 'running' } } : { record };

/** Output that is gone must not look like empty output. */
const resultExpired = (record: CommandRecord): Problem => {
  const exitCode = record.status === 'completed' ? record.exitCode : null;
  return new Problem('result-expired', PURGED, { members: { status: record.status, exitCode } });
};
