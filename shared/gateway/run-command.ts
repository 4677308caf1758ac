import type { SlotRequest } from '../admission/admission.ts';
import type { FirstRequest, KeyedCommand } from '../admission/idempotency.ts';
import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { AcceptedRecord, CommandRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import { decideAgain, type AllowedCommand } from './decide-again.ts';
import { decideCommand, type DecidedCommand } from './decide-command.ts';
import { denyCommand } from './deny-command.ts';
import { limiting, refusing } from './deny.ts';
import type { ActiveCommand } from './lifecycle/context.ts';
import type { CommandToSend } from './lifecycle/start.ts';
import { newRecord } from './new-record.ts';
import type { AuthenticatedRequest, RequestedCommand } from './request.ts';

/** What a caller gets at once: the record so far, and the command if this process carries it. */
export interface StartedCommand {
  readonly record: CommandRecord;
  readonly active: ActiveCommand | undefined;
  /** Milliseconds that Azure took before the command could start: the cluster's state, the caller's token for it. */
  readonly azureMs: number;
}

/**
 * The corridor, the only way to start a command. Starts it, or finds the one that an idempotency key stands for. Throws Problem:
 * then nothing was started, and the trail says why. `signal` is the caller's connection; it counts until the command has started.
 */
export async function runCommand(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
  signal?: AbortSignal,
): Promise<StartedCommand> {
  await limitRate(context, request);
  const decided = await decideCommand(context, request, requested);
  const { decision } = decided;
  if (decision.verdict === 'deny') return denyCommand(context, decided, decision);
  const record = newRecord(context, request, requested, decided, decision);
  const key = await claimKey(context, requested, decided, record, signal);
  if (key?.kind === 'replay') return replay(context, decided, key.record);
  try {
    const azureMs = await authorise(context, request, decided, signal);
    const release = await holdSent(context, request, decided);
    const slot = await requestSlot(context, request, decided).catch((error: unknown) => {
      release();
      throw error;
    });
    const waiting = { request, requested, accepted: { ...decided, decision } };
    const active = await start(context, waiting, record, releasing(slot, release), key);
    return { record, active, azureMs };
  } catch (error) {
    await key?.release();
    throw error;
  }
}

/** Also the first step of explain. Throws Problem `rate-limited`. */
export const limitRate = ({ trail, admission }: GatewayContext, { caller, facts }: AuthenticatedRequest) =>
  limiting(trail, facts, () => admission.limitRate(caller.principal));

async function claimKey(
  { trail, idempotency }: GatewayContext,
  requested: RequestedCommand,
  { facts }: DecidedCommand,
  { id: commandId, owner, armId }: CommandRecord,
  signal: AbortSignal | undefined,
): Promise<KeyedCommand | undefined> {
  const { idempotency: given } = requested;
  if (!given) return undefined;
  return refusing(trail, facts, () => idempotency.claim({ owner, armId, ...given, commandId }, signal));
}

/** A replay was decided like any command; it runs nothing. */
async function replay(
  { trail, lifecycle }: GatewayContext,
  { facts }: DecidedCommand,
  record: CommandRecord,
): Promise<StartedCommand> {
  await trail.record({ ...facts, event: 'command.replayed', commandId: record.id });
  return { record, active: lifecycle.active(record.id), azureMs: 0 };
}

/**
 * What Azure has to say before a caller is kept waiting: can the cluster run commands, and as whom. The credential is got again when it is
 * needed. Returns the milliseconds that it took.
 */
async function authorise(
  { trail, relay, clock }: GatewayContext,
  { caller }: AuthenticatedRequest,
  { cluster, facts }: DecidedCommand,
  signal: AbortSignal | undefined,
): Promise<number> {
  const began = clock.monotonic();
  return refusing(trail, facts, async () => {
    await relay.preflight(cluster, signal);
    await relay.authorise(cluster, caller, signal);
    return clock.monotonic() - began;
  });
}

const requestSlot = (
  { trail, admission }: GatewayContext,
  { caller }: AuthenticatedRequest,
  { cluster, facts }: DecidedCommand,
): Promise<SlotRequest> => limiting(trail, facts, () => admission.requestSlot(caller.principal, cluster.name));

/** What is sent stays in memory for as long as the command is queued or runs. */
const holdSent = (
  { trail, traffic }: GatewayContext,
  { caller }: AuthenticatedRequest,
  { facts, sent: { files, stdin } }: DecidedCommand,
): Promise<() => void> => {
  const bytes = files.reduce((sum, file) => sum + file.bytes.byteLength, stdin?.byteLength ?? 0);
  return limiting(trail, facts, () => traffic.hold(caller.principal, bytes));
};

const releasing = (slot: SlotRequest, release: () => void): SlotRequest => ({
  granted: slot.granted,
  release: () => {
    release();
    slot.release();
  },
});

/** A command that waits, and what it takes to decide it again. */
interface WaitingCommand {
  readonly request: AuthenticatedRequest;
  readonly requested: RequestedCommand;
  readonly accepted: AllowedCommand;
}

/** From here on the lifecycle has the command: record, turn, intent, POST, end. The slot is given back when it is over. */
async function start(
  context: GatewayContext,
  waiting: WaitingCommand,
  record: AcceptedRecord,
  slot: SlotRequest,
  key: FirstRequest | undefined,
): Promise<ActiveCommand> {
  const { trail, lifecycle, relay, onError } = context;
  const { request, accepted } = waiting;
  const command = {
    record,
    ready: () => readyToGo(slot, key),
    decide: decider(context, waiting),
    authorise: (cluster: Cluster) => relay.authorise(cluster, request.caller),
  };
  const active = await refusing(trail, accepted.facts, () => lifecycle.start(command)).catch((error: unknown) => {
    slot.release();
    throw error;
  });
  active.finished
    .then(slot.release, async () => {
      slot.release();
      await key?.release(); // nothing was started: the key is free again
    })
    .catch(onError);
  return active;
}

async function readyToGo(slot: SlotRequest, key: FirstRequest | undefined): Promise<void> {
  if (key && !(await key.confirm())) throw new Problem('gateway-busy', KEY_TAKEN, { retryAfter: 1 });
  await slot.granted;
}

/** Decides again each time it is called, from where it was left: what did not change since costs nothing. */
function decider(
  context: GatewayContext,
  { request, requested, accepted }: WaitingCommand,
): () => Promise<CommandToSend> {
  let last = accepted;
  return async () => {
    last = await decideAgain(context, request, requested, last);
    const { cluster, sent, facts, decision, policy, config } = last;
    return { cluster, sent, facts, decision: decision.rule, policyDigest: policy.digest, configDigest: config.digest };
  };
}

const KEY_TAKEN = 'Another request with this Idempotency-Key came first.';
