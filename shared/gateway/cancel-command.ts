import type { RequestFacts } from '../audit/events.ts';
import { Problem } from '../errors.ts';
import type { BatchId, CommandId } from '../lib/ids.ts';
import { decideForBoth } from '../policy/decide-both.ts';
import { decide } from '../policy/decide.ts';
import { isBlocked, type Policy } from '../policy/policy.ts';
import { stepId } from '../store/derived-ids.ts';
import { isFinished, isFollower, wasCancelled, type CommandRecord } from '../store/records.ts';
import { admitCaller } from './admit-caller.ts';
import { cancelRunning } from './cancel-running.ts';
import { inForce, type GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import { policyDenied } from './policy-denied.ts';

import { batchResult, type BatchResult } from './read-batch.ts';
import { mayRead, withOutput, type CommandResult } from './read-results.ts';
import { askerOf, ownerKey, type AuthenticatedRequest, type Wait } from './request.ts';

const noWait: Wait = { ms: 0 };

/**
 * Cancels a command: at once where nothing was sent, else by a signal to its pod, which takes a while; the result is then the record so far.
 * Asking again changes nothing. Throws Problem `command-not-found`, `policy-denied`, `command-finished` and `cancel-unavailable`.
 */
export async function cancelCommand(
  context: GatewayContext,
  request: AuthenticatedRequest,
  id: string,
): Promise<CommandResult> {
  const found = await findCancellable(context, request, await context.records.get(id), commandNotFound, id);
  const record = await cancel(context, found, found.id, wishOf(request));
  return withOutput(context, record, noWait);
}

/** The same for a batch: the step that runs ends, and the rest is not started. Throws `batch-not-found` where there is none. */
export async function cancelBatch(
  context: GatewayContext,
  request: AuthenticatedRequest,
  id: string,
): Promise<BatchResult> {
  const leader = await context.records.get(stepId(id as BatchId, 0));
  const found = await findCancellable(context, request, leader, batchNotFound, id);
  return batchResult(context, await cancel(context, found, id as BatchId, wishOf(request)));
}

const wishOf = (request: AuthenticatedRequest): Wish => ({ onBehalfOf: ownerKey(request), facts: request.facts });

const commandNotFound = new Problem('command-not-found', 'There is no command with this id that you may see.');
const batchNotFound = new Problem('batch-not-found', 'There is no batch with this id that you may see.');

/** What the caller may cancel. One that it may only read is denied by policy; any other does not exist for it. */
async function findCancellable(
  context: GatewayContext,
  request: AuthenticatedRequest,
  record: CommandRecord | undefined,
  notFound: Problem,
  id: string,
): Promise<CommandRecord> {
  const { policy } = await admitCaller(context, request);
  if (record && mayCancel(policy, request, record)) return record;
  const problem =
    record && mayRead(policy, request, record)
      ? policyDenied(
          {
            reason: 'no-rule',
            explanation: 'Only its owner, or who has the verb cancel on commands.aksgw, cancels a command.',
          },
          `cancel commands.aksgw ${id}`,
        )
      : notFound;
  return denyPrincipal(context.trail, request.facts, problem, `cancelling ${id}: ${problem.message}`);
}

function mayCancel(policy: Policy, request: AuthenticatedRequest, { id, owner, cluster }: CommandRecord): boolean {
  if (owner === ownerKey(request)) return true;
  const asked = { verb: 'cancel', group: 'aksgw', resource: 'commands', subresource: '', namespace: '', name: id };
  return (
    decideForBoth(askerOf(request), (principal, parties) =>
      decide(policy, { principal, ...parties, cluster, attributes: [asked], podSecurity: noPods, charts: [] }),
    ).verdict === 'allow'
  );
}

const noPods = { beyondBaseline: [], beyondRestricted: [], serviceAccounts: [] };

/** Changes of the record that come between are looked at again, so often. */
const TRIES = 5;

/** Who wants it, and what the trail says about that. */
interface Wish {
  readonly onBehalfOf: string;
  readonly facts: RequestFacts;
}

async function cancel(
  context: GatewayContext,
  first: CommandRecord,
  target: CommandId | BatchId,
  { facts, onBehalfOf }: Wish,
): Promise<CommandRecord> {
  if (wasCancelled(first)) return first;
  refuseEnded(first);
  await context.trail.record({ ...facts, event: 'command.cancel-asked', commandId: first.id });
  let record = first;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const result = await cancelOnce(context, record, target, onBehalfOf);
    if (result) return result;
    record = (await context.records.get(record.id)) ?? record;
    if (wasCancelled(record)) return record;
    refuseEnded(record);
  }
  throw new Problem('cancel-unavailable', 'The command changes too fast to be cancelled now. Ask again.');
}

/** Undefined when the record changed meanwhile. */
async function cancelOnce(
  context: GatewayContext,
  record: CommandRecord,
  target: CommandId | BatchId,
  onBehalfOf: string,
): Promise<CommandRecord | undefined> {
  if (record.status !== 'accepted') {
    await cancelRunning(context, record, target, onBehalfOf);
    return record;
  }
  // Nothing of a batch is sent alone: cancelled before that, a step takes the others with it.
  const leader = await leaderOf(context, record);
  const closed = leader && (await context.lifecycle.cancelUnsent(leader));
  return closed && (await context.records.get(record.id));
}

const leaderOf = async ({ records }: GatewayContext, record: CommandRecord) =>
  record.batch && record.batch.step > 0 ? records.get(stepId(record.batch.id, 0)) : record;

function refuseEnded(record: CommandRecord): void {
  if (record.status === 'unknown')
    throw new Problem(
      'cancel-unavailable',
      'Nobody knows whether the command runs, or where: there is nothing to signal.',
    );
  if (isFinished(record)) throw new Problem('command-finished', `The command is ${record.status}.`);
}

const isBlockedRecord = (policy: Policy, { principal, requester }: CommandRecord): boolean =>
  isBlocked(policy, principal) || (requester !== undefined && isBlocked(policy, requester));

/** Unfinished commands that are looked at in one go. */
const MOST_LOOKED_AT = 1_000;

/** Of callers who are blocked: what runs is cancelled, what waits is closed. */
export async function cancelBlocked(context: GatewayContext): Promise<void> {
  const { policy } = await inForce(context);
  if (policy.blocked.size === 0) return;
  const { records } = await context.records.unfinished(MOST_LOOKED_AT);
  const blocked = records.filter((record) => !isFollower(record) && isBlockedRecord(policy, record));
  for (const record of blocked) {
    const wish = { onBehalfOf: 'the policy, which blocks its caller', facts: { requestId: context.entropy.uuid() } };
    await cancel(context, record, record.batch?.id ?? record.id, wish).catch((error: unknown) => {
      // It ended meanwhile, or cannot be cancelled: its time limit ends it.
      if (!(error instanceof Problem)) context.onError(error);
    });
  }
}
