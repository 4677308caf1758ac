import type { SlotRequest } from '../admission/admission.ts';
import type { FirstRequest, KeyedCommand } from '../admission/idempotency.ts';
import { Problem } from '../errors.ts';
import { describeAttributes } from '../kubernetes/attributes.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { Denied } from '../policy/decision.ts';
import type { ClusterAuthority } from '../relay/relay.ts';
import type { AcceptedRecord, CommandRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import { decideCommand, type DecidedCommand } from './decide-command.ts';
import { deny, limiting, refusing } from './deny.ts';
import type { ActiveCommand } from './lifecycle/context.ts';
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
  if (decided.decision.verdict === 'deny') return denyCommand(context, decided, decided.decision);
  const record = newRecord(context, request, requested, decided, decided.decision);
  const key = await claimKey(context, requested, decided, record, signal);
  if (key?.kind === 'replay') return replay(context, decided, key.record);
  try {
    const { authority, azureMs } = await authorise(context, request, decided, signal);
    const release = await holdSent(context, request, decided);
    const slot = await requestSlot(context, request, decided).catch((error: unknown) => {
      release();
      throw error;
    });
    const active = await start(context, decided, record, authority, releasing(slot, release), key);
    return { record, active, azureMs };
  } catch (error) {
    await key?.release();
    throw error;
  }
}

/** Also the first step of explain. Throws Problem `rate-limited`. */
export const limitRate = ({ trail, admission }: GatewayContext, { caller, facts }: AuthenticatedRequest) =>
  limiting(trail, facts, () => admission.limitRate(caller.principal));

/** The denial names the rule that decided and what it was asked about. */
function denyCommand({ trail }: GatewayContext, { facts, policy }: DecidedCommand, denied: Denied): Promise<never> {
  const { rule, reason, explanation, attributes } = denied;
  const problem = new Problem('policy-denied', explanation, {
    members: {
      reason,
      role: rule?.role ?? null,
      rule: rule?.rule ?? null,
      ...(attributes && { asked: describeAttributes(attributes), attributes: [attributes] }),
    },
  });
  const decision = { decision: 'deny', rule: rule && ruleName(rule), policyDigest: policy.digest } as const;
  return deny(trail, { ...facts, ...decision, event: 'command.denied', detail: explanation }, problem);
}

async function claimKey(
  { trail, idempotency }: GatewayContext,
  requested: RequestedCommand,
  { facts }: DecidedCommand,
  { id: commandId, owner, cluster }: CommandRecord,
  signal: AbortSignal | undefined,
): Promise<KeyedCommand | undefined> {
  const { idempotency: given } = requested;
  if (!given) return undefined;
  return refusing(trail, facts, () => idempotency.claim({ owner, cluster, ...given, commandId }, signal));
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

/** What Azure has to say before anything is sent: can the cluster run commands, and as whom. */
async function authorise(
  { trail, relay, clock }: GatewayContext,
  { caller }: AuthenticatedRequest,
  { cluster, facts }: DecidedCommand,
  signal: AbortSignal | undefined,
): Promise<{ readonly authority: ClusterAuthority; readonly azureMs: number }> {
  const began = clock.monotonic();
  return refusing(trail, facts, async () => {
    await relay.preflight(cluster, signal);
    const authority = await relay.authorise(cluster, caller, signal);
    return { authority, azureMs: clock.monotonic() - began };
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

/** From here on the lifecycle has the command: record, intent, POST, end. The slot is given back when it is over. */
async function start(
  { trail, lifecycle, onError }: GatewayContext,
  { cluster, sent, facts, policy }: DecidedCommand,
  record: AcceptedRecord,
  authority: ClusterAuthority,
  slot: SlotRequest,
  key: FirstRequest | undefined,
): Promise<ActiveCommand> {
  const ready = async (): Promise<void> => {
    if (key && !(await key.confirm())) throw new Problem('gateway-busy', KEY_TAKEN, { retryAfter: 1 });
    await slot.granted;
  };
  const command = { record, cluster, authority, sent, facts, policyDigest: policy.digest, ready };
  const active = await refusing(trail, facts, () => lifecycle.start(command)).catch((error: unknown) => {
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

const KEY_TAKEN = 'Another request with this Idempotency-Key came first.';
