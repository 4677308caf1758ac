import { Problem } from '../errors.ts';
import type { BatchId } from '../lib/ids.ts';
import type { Policy } from '../policy/policy.ts';
import { stepsOfBatch } from '../store/batch-steps.ts';
import { batchStatus, type BatchStatus } from '../store/batch-status.ts';
import { stepId } from '../store/derived-ids.ts';
import { isFinished, notSent, type CommandRecord, type OnError } from '../store/records.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import { endOf, mayRead, resultFor, withOutput, type CommandResult } from './read-results.ts';
import type { AuthenticatedRequest, Wait } from './request.ts';
import type { StartedCommand } from './run-command.ts';
import { waitForCommand } from './wait.ts';

export interface BatchResult {
  readonly id: string;
  readonly status: BatchStatus;
  readonly onError: OnError;
  readonly items: readonly CommandResult[];
}

/** Of a batch that the caller has just started; see awaitResult. */
export async function awaitBatch(
  context: GatewayContext,
  request: AuthenticatedRequest,
  started: StartedCommand,
  wait: Wait,
): Promise<BatchResult> {
  const leader = await waitForCommand(context, started, wait);
  const items: CommandResult[] = [];
  // One after the other: each holds memory for its output.
  for (const record of await stepsBehind(context, leader))
    items.push({ ...(await resultFor(context, request, record, wait)), replayed: started.replayed });
  return batchOf(leader, items);
}

/**
 * A batch's steps with their outputs, for its owner and for auditors, who may read its commands. That results were read is in the trail before
 * they are given out. Throws Problem `batch-not-found`, also for the batches of others.
 */
export async function readBatch(
  context: GatewayContext,
  request: AuthenticatedRequest,
  id: string,
  wait: Wait,
): Promise<BatchResult> {
  const { policy } = await admitCaller(context, request);
  const leader = await findLeader(context, request, policy, id);
  const ended = await endOf(context, leader, wait);
  const records = await stepsBehind(context, ended);
  if (!isFinished(ended)) return batchOf(ended, records.map(unread));
  if (wait.ms > 0) await findLeader(context, request, (await admitCaller(context, request)).policy, id);
  const { trail } = context;
  await Promise.all(
    records.map((record) => trail.record({ ...request.facts, event: 'result.read', commandId: record.id })),
  );
  const items: CommandResult[] = [];
  for (const record of records) items.push(await withOutput(context, record, wait));
  return batchOf(ended, items);
}

/** The record of the first step, which says who may read all of them. */
async function findLeader(
  { records, trail }: GatewayContext,
  request: AuthenticatedRequest,
  policy: Policy,
  id: string,
): Promise<CommandRecord> {
  const leader = await records.get(stepId(id as BatchId, 0));
  if (leader && mayRead(policy, request, leader)) return leader;
  return denyPrincipal(trail, request.facts, notFound, `reading batch ${id}: ${notFound.message}`);
}

const notFound = new Problem('batch-not-found', 'There is no batch with this id that you may see.');

function stepsBehind({ records }: GatewayContext, leader: CommandRecord): Promise<readonly CommandRecord[]> {
  const { batch } = leader;
  if (!batch) throw new Error('the command is in no batch');
  return stepsOfBatch(records, { ...leader, batch });
}

/** A step that has ended before the batch has: its output is given out with the others'. */
const unread = (record: CommandRecord): CommandResult => ({
  record: record.status === 'completed' ? { ...record, azure: record.azure ?? notSent, status: 'running' } : record,
});

/** As it stands, without output. */
export const batchResult = async (context: GatewayContext, leader: CommandRecord): Promise<BatchResult> =>
  batchOf(leader, (await stepsBehind(context, leader)).map(unread));

function batchOf({ batch }: CommandRecord, items: readonly CommandResult[]): BatchResult {
  if (!batch) throw new Error('the command is in no batch');
  const { id, onError } = batch;
  return { id, onError, status: batchStatus(items.map(({ record }) => record.status)), items };
}
