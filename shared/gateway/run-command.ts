import type { SlotRequest } from '../admission/admission.ts';
import type { FirstRequest, KeyedCommand } from '../admission/idempotency.ts';
import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { BatchId } from '../lib/ids.ts';
import { refuse } from '../lib/refuse.ts';
import type { AcceptedRecord, CommandRecord, OnError } from '../store/records.ts';
import { atStep, stepsOf } from './batch-steps.ts';
import type { GatewayContext } from './context.ts';
import { answerCommand } from './answer-command.ts';
import { assertInForce, decideAgain, type AllowedCommand } from './decide-again.ts';
import { decideCommand } from './decide-command.ts';
import { denyCommand } from './deny-command.ts';
import { limiting, refuseCommand, refusing } from './deny.ts';
import type { ActiveCommand } from './lifecycle/context.ts';
import type { CommandToSend, NewCommand } from './lifecycle/start.ts';
import { newRecord } from './new-record.ts';
import { guardedOf, readAgainIfChanged } from './scope-changed.ts';
import { ownerOf, type AuthenticatedRequest, type RequestedBatch, type RequestedCommand } from './request.ts';

/** What a caller gets at once: the record so far, and the command if this process carries it. */
export interface StartedCommand {
  /** Of a batch: its first step's. */
  readonly record: CommandRecord;
  readonly active: ActiveCommand | undefined;
  /** Milliseconds that Azure took before the command could start: the cluster's state, the caller's token for it. */
  readonly azureMs: number;
  /** Whether it is the one that an idempotency key stood for already. */
  readonly replayed: boolean;
}

/**
 * The corridor, the only way to start a command. Starts it, or finds the one that an idempotency key stands for. Throws Problem:
 * then nothing was started, and the trail says why. `signal` is the caller's connection; it counts until the command has started.
 */
export const runCommand = (
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
  signal?: AbortSignal,
): Promise<StartedCommand> => run(context, request, { steps: [requested], onError: undefined }, signal);

/**
 * The same for several commands that run one after the other in one pod: judged as a whole, before any of them. A Problem about one of
 * them has its number, from 0, as `step`.
 */
export const runBatch = async (
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedBatch,
  signal?: AbortSignal,
): Promise<StartedCommand> =>
  run(context, request, { steps: await stepsOf(context, request, requested), onError: requested.onError }, signal);

/** One command, or the steps of a batch. */
interface Asked {
  readonly steps: readonly RequestedCommand[];
  /** Of a batch. */
  readonly onError: OnError | undefined;
}

async function run(
  context: GatewayContext,
  request: AuthenticatedRequest,
  asked: Asked,
  signal: AbortSignal | undefined,
): Promise<StartedCommand> {
  await limitRate(context, request, asked.steps.length);
  const allowed = await decideAll(context, request, asked, signal);
  const records = recordsOf(context, request, asked, allowed);
  const key = await claimKey(context, asked, allowed, records[0], signal);
  if (key?.kind === 'replay') return replay(context, allowed, key.record);
  try {
    await limitStored(context, request, allowed);
    const own = answeredHere(asked, allowed);
    if (own) return startedAs(await answerCommand(context, request, own, records[0], key));
    const azureMs = await authorise(context, request, allowed, signal);
    const release = await holdFiles(context, request, asked, allowed);
    const slot = await requestSlot(context, request, allowed).catch((error: unknown) => {
      release();
      throw error;
    });
    const waiting = { request, asked, allowed, release };
    const active = await start(context, waiting, records, releasing(slot, release), key);
    void readAgainIfChanged(context, guardedOf(allowed, records), active.finished);
    return { ...startedAs(records[0]), active, azureMs };
  } catch (error) {
    await key?.release();
    throw error;
  }
}

const startedAs = (record: CommandRecord): StartedCommand => ({
  record,
  active: undefined,
  azureMs: 0,
  replayed: false,
});

/** A question that the gateway answers itself, where it is asked alone. */
function answeredHere({ onError }: Asked, [decided]: OneOrMore<AllowedCommand>) {
  const { invocation } = decided;
  const { answer } = invocation;
  return onError === undefined && answer ? { ...decided, invocation: { ...invocation, answer } } : undefined;
}

/** Also the first step of explain. Throws Problem `rate-limited`. */
export const limitRate = ({ trail, admission }: GatewayContext, request: AuthenticatedRequest, commands: number) =>
  limiting(trail, request.facts, () => admission.limitRate(ownerOf(request), commands));

type OneOrMore<T> = readonly [T, ...T[]];

/** Each of them, in order. Throws the Problem of the first that may not run. */
async function decideAll(
  context: GatewayContext,
  request: AuthenticatedRequest,
  { steps, onError }: Asked,
  signal: AbortSignal | undefined,
): Promise<OneOrMore<AllowedCommand>> {
  const allowed: AllowedCommand[] = [];
  for (const [index, requested] of steps.entries()) {
    const deciding = async (): Promise<AllowedCommand> => {
      const decided = await decideCommand(context, request, requested, signal);
      const { decision } = decided;
      if (decided.invocation.answer && (onError !== undefined || requested.job))
        return refuseCommand(context.trail, decided.facts, notAlone(decided.invocation.verb));
      return decision.verdict === 'deny' ? denyCommand(context, decided, decision) : { ...decided, decision };
    };
    allowed.push(await (onError === undefined ? deciding() : atStep(index, deciding)));
  }
  return oneOrMore(allowed);
}

function recordsOf(
  context: GatewayContext,
  request: AuthenticatedRequest,
  { steps, onError }: Asked,
  allowed: readonly AllowedCommand[],
): OneOrMore<AcceptedRecord> {
  const id = context.entropy.uuid() as BatchId;
  const records = allowed.map((decided, step) => {
    const batch = onError && { id, step, of: allowed.length, onError };
    return newRecord(context, request, steps[step] ?? none(), decided, decided.decision, batch);
  });
  return oneOrMore(records);
}

async function claimKey(
  { trail, idempotency }: GatewayContext,
  { steps: [requested] }: Asked,
  [{ facts }]: OneOrMore<AllowedCommand>,
  { id: commandId, owner, armId }: CommandRecord,
  signal: AbortSignal | undefined,
): Promise<KeyedCommand | undefined> {
  const given = requested?.idempotency;
  if (!given) return undefined;
  return refusing(trail, facts, () => idempotency.claim({ owner, armId, ...given, commandId }, signal));
}

/** A replay was decided like any command; it runs nothing. */
async function replay(
  { trail, lifecycle }: GatewayContext,
  [{ facts }]: OneOrMore<AllowedCommand>,
  record: CommandRecord,
): Promise<StartedCommand> {
  await trail.record({ ...facts, event: 'command.replayed', commandId: record.id });
  return { ...startedAs(record), active: lifecycle.active(record.id), replayed: true };
}

/**
 * What Azure has to say before a caller is kept waiting: can the cluster run commands, and as whom. The credential is got again when it is
 * needed. Returns the milliseconds that it took.
 */
async function authorise(
  { trail, relay, clock }: GatewayContext,
  { caller, requester }: AuthenticatedRequest,
  [{ cluster, facts }]: OneOrMore<AllowedCommand>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const began = clock.monotonic();
  return refusing(trail, facts, async () => {
    await relay.preflight(cluster, signal);
    await relay.authorise(cluster, requester ?? caller, signal);
    return clock.monotonic() - began;
  });
}

/** None runs while there is no room for what it may print: nobody knows how much that is before it ran. */
const limitStored = (
  { trail, results }: GatewayContext,
  request: AuthenticatedRequest,
  [{ facts }]: OneOrMore<AllowedCommand>,
): Promise<void> => limiting(trail, facts, () => results.admit(ownerOf(request)));

/** A batch is one pod, so it takes one. */
const requestSlot = (
  { trail, admission }: GatewayContext,
  request: AuthenticatedRequest,
  [{ cluster, facts }]: OneOrMore<AllowedCommand>,
): Promise<SlotRequest> => limiting(trail, facts, () => admission.requestSlot(ownerOf(request), cluster.name));

/** What came, which may have to be decided again, and what is sent stay in memory until the command was sent. */
const holdFiles = (
  { trail, traffic }: GatewayContext,
  request: AuthenticatedRequest,
  { steps }: Asked,
  allowed: OneOrMore<AllowedCommand>,
): Promise<() => void> => {
  const sent = allowed.map((one) => one.sent);
  const files = [...steps, ...sent].flatMap((one) => one.files.map((file) => file.bytes));
  // Each piece of memory once: a file that is sent as it came is the same.
  const held = new Set([...files, ...sent.flatMap(({ stdin }) => stdin ?? [])]);
  const bytes = held.values().reduce((sum, { byteLength }) => sum + byteLength, 0);
  return limiting(trail, allowed[0].facts, () => traffic.hold(ownerOf(request), bytes));
};

const releasing = (slot: SlotRequest, release: () => void): SlotRequest => ({
  granted: slot.granted,
  release: () => {
    release();
    slot.release();
  },
});

/** A command that waits, or a batch, and what it takes to decide it again. */
interface Waiting {
  readonly request: AuthenticatedRequest;
  readonly asked: Asked;
  readonly allowed: OneOrMore<AllowedCommand>;
  /** Of the memory that it holds; more than once is once. */
  readonly release: () => void;
}

/** From here on the lifecycle has the command: record, turn, intent, POST, end. The slot is given back when it is over. */
async function start(
  context: GatewayContext,
  waiting: Waiting,
  [record, ...followers]: OneOrMore<AcceptedRecord>,
  slot: SlotRequest,
  key: FirstRequest | undefined,
): Promise<ActiveCommand> {
  const { trail, lifecycle, relay, onError } = context;
  const { request, allowed } = waiting;
  const command = {
    record,
    followers,
    batchFacts: { ...request.facts, cluster: allowed[0].facts.cluster },
    ready: () => readyToGo(slot, key),
    ...decider(context, waiting),
    authorise: (cluster: Cluster) => relay.authorise(cluster, request.requester ?? request.caller),
  };
  const active = await refusing(trail, allowed[0].facts, () => lifecycle.start(command)).catch((error: unknown) => {
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
  { request, asked: { steps, onError }, allowed, release }: Waiting,
): Pick<NewCommand, 'decide' | 'assertDecided' | 'sent'> {
  const last = [...allowed];
  const came = [...steps];
  return {
    decide: async () => {
      for (const [index, accepted] of last.entries()) {
        const deciding = () => decideAgain(context, request, came[index] ?? none(), accepted);
        last[index] = await (onError === undefined ? deciding() : atStep(index, deciding));
      }
      return oneOrMore(last.map(toSend));
    },
    assertDecided: () => assertInForce(context, last),
    sent: () => {
      last.length = 0;
      came.length = 0;
      release();
    },
  };
}

const toSend = ({ cluster, sent, facts, decision, policy, config }: AllowedCommand): CommandToSend => ({
  cluster,
  sent,
  facts,
  decision: decision.rule,
  policyDigest: policy.digest,
  configDigest: config.digest,
});

function oneOrMore<T>([first = none(), ...rest]: readonly T[]): OneOrMore<T> {
  return [first, ...rest];
}

const none = (): never => {
  throw new TypeError('there is no such step');
};

const KEY_TAKEN = 'Another request with this Idempotency-Key came first.';

const notAlone = (verb: string): Problem =>
  refuse(verb, 'is answered by the gateway and starts no pod: ask for it by itself, not in a batch or a job');
