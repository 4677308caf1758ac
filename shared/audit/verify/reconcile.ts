import { type EventName, eventCodes, outcomeEvents } from '../events.ts';
import { startMerge } from '../read/merge.ts';
import type { StreamIndex } from '../read/stream-index.ts';
import { type ActivityRun, plainId } from './activity-run.ts';

interface ReconcileOptions {
  /** Epoch ms: both sides are compared from `since` on, before `until`. */
  readonly since: number;
  readonly until: number;
  /** Names of the gateway's own identity in Azure: object id, client id, or the caller as the log shows it. Empty: not told. */
  readonly identities: readonly string[];
}

/** A command that the trail says was sent, or may have been. */
interface SentCommand {
  readonly commandId: string;
  /** Lower case. */
  readonly armId: string;
  /** Epoch ms of its intent. */
  readonly time: number;
  readonly runAs: string;
  /** The principal's object id, lower case. */
  readonly oid: string;
  readonly ids: ReadonlySet<string>;
  /** The commands of a batch are one run in Azure. */
  readonly batchId?: string | undefined;
  /** `accepted`: Azure took it. `unknown`: nobody can say. `not-sent`: nothing ran. */
  readonly state: 'accepted' | 'unknown' | 'not-sent';
}

export interface Reconciliation {
  /** Runs by the gateway (or, on a cluster with runAs: caller, by the intent's principal) with an id that the trail knows. */
  readonly matched: number;
  /** Runs that Azure knows and the trail does not: around the gateway, or left out of its trail. */
  readonly aroundGateway: readonly ActivityRun[];
  /** Runs by the gateway's own identity, near a command of which nobody can say whether it ran; one command each. */
  readonly possiblyOurs: readonly { readonly run: ActivityRun; readonly commandId: string }[];
  /** Commands that the trail says Azure accepted and the Activity Log does not have (it may lag by some minutes). */
  readonly notInAzure: readonly SentCommand[];
  /** What Azure turned away, or what failed: nothing says that it ran. */
  readonly failed: readonly ActivityRun[];
  /** Who was taken for the gateway, and whether somebody said so. */
  readonly identity: { readonly names: readonly string[]; readonly told: boolean };
  /** Whether the Activity Log carries an id that the trail knows (relay/azure-assumptions.ts, activity-log-id); undefined when nothing tells. */
  readonly idsCarried: boolean | undefined;
  /** A side with nothing to compare. Agreement with nothing is not agreement. */
  readonly empty: readonly ('azure' | 'trail')[];
}

/** A POST may take a minute; clocks differ by little. */
const WINDOW_MS = 2 * 60_000;

interface Context {
  readonly commands: readonly SentCommand[];
  readonly free: Set<SentCommand>;
  readonly identities: ReadonlySet<string>;
}

/**
 * Compares what Azure says ran with what the trail says: the one check that finds omissions, and people going around the gateway.
 * Operations and commands are matched one to one, by id and caller; time is never a match. Rejects with StorageUnavailable.
 */
export async function reconcile(
  index: StreamIndex,
  activity: readonly ActivityRun[],
  options: ReconcileOptions,
): Promise<Reconciliation> {
  const { since, until } = options;
  const within = ({ time }: { readonly time: number }): boolean => time >= since && time < until;
  // Near the edges the other half may lie outside; what is told lies inside.
  const near = ({ time }: { readonly time: number }): boolean => time >= since - WINDOW_MS && time < until + WINDOW_MS;
  const commands = (await sentCommands(index, since - WINDOW_MS, until + WINDOW_MS)).filter(near);
  const runs = activity.filter((run) => near(run) && !run.failed);
  const told = options.identities.length > 0;
  const names = told ? options.identities : inferIdentity(runs, commands);
  const context: Context = {
    commands,
    free: new Set(commands),
    identities: new Set(names.map((name) => name.toLowerCase())),
  };
  const matched = new Set([...matchBy(context, runs, operationIds), ...matchBy(context, runs, correlationIds)]);
  const left = runs.filter((run) => !matched.has(run));
  const possiblyOurs = matchUnknown(context, left);
  const explained = new Set(possiblyOurs.map(({ run }) => run));
  const ours = runs.filter((run) => isGateway(context, run));
  return {
    matched: [...matched].filter(within).length,
    aroundGateway: left.filter((run) => within(run) && !explained.has(run)),
    possiblyOurs: possiblyOurs.filter(({ run }) => within(run)),
    notInAzure: [...context.free].filter((command) => within(command) && command.state === 'accepted'),
    failed: activity.filter((run) => within(run) && run.failed),
    identity: { names, told },
    idsCarried: matched.size > 0 ? true : ours.length > 0 && commands.some(isAccepted) ? false : undefined,
    empty: [
      ...(activity.some(within) ? [] : (['azure'] as const)),
      ...(commands.some(within) ? [] : (['trail'] as const)),
    ],
  };
}

const isAccepted = ({ state }: SentCommand): boolean => state === 'accepted';
const operationIds = ({ ids }: ActivityRun): ReadonlySet<string> => ids;
/** Chosen by the client: it comes second, and takes what no operation's own id took. */
const correlationIds = ({ correlationId }: ActivityRun): ReadonlySet<string> => new Set([plainId(correlationId)]);

function matchBy(
  context: Context,
  runs: readonly ActivityRun[],
  idsOf: (run: ActivityRun) => ReadonlySet<string>,
): readonly ActivityRun[] {
  return runs.filter((run) => {
    const ids = idsOf(run);
    return take(context, (command) => isCaller(context, run, command) && overlaps(command.ids, ids)) !== undefined;
  });
}

const overlaps = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...a].some((id) => b.has(id));

/** Whether the run was called by who calls for that command. */
function isCaller(context: Context, run: ActivityRun, { armId, runAs, oid }: SentCommand): boolean {
  if (run.armId !== armId) return false;
  return runAs === 'caller' ? run.identities.has(oid) : isGateway(context, run);
}

const isGateway = ({ identities }: Context, run: ActivityRun): boolean => overlaps(run.identities, identities);

/** One to one, the nearest first. */
function matchUnknown(context: Context, runs: readonly ActivityRun[]): Reconciliation['possiblyOurs'] {
  return runs.flatMap((run) => {
    const distance = ({ time }: SentCommand): number => Math.abs(time - run.time);
    const nearest = [...context.free]
      .filter(
        (command) => command.state === 'unknown' && isCaller(context, run, command) && distance(command) <= WINDOW_MS,
      )
      .toSorted((a, b) => distance(a) - distance(b))[0];
    if (!nearest) return [];
    context.free.delete(nearest);
    return [{ run, commandId: nearest.commandId }];
  });
}

function take(context: Context, fits: (command: SentCommand) => boolean): SentCommand | undefined {
  for (const command of context.free) {
    if (!fits(command)) continue;
    context.free.delete(command);
    return command;
  }
  return undefined;
}

/** Nobody said who the gateway is: it is the one caller of all runs whose ids the trail knows, if there is one. */
function inferIdentity(runs: readonly ActivityRun[], commands: readonly SentCommand[]): readonly string[] {
  const known = new Set(commands.filter(({ runAs }) => runAs !== 'caller').flatMap(({ ids }) => [...ids]));
  const callers = new Set(
    runs.filter((run) => overlaps(run.ids, known) || overlaps(correlationIds(run), known)).map(({ caller }) => caller),
  );
  return callers.size === 1 ? [...callers] : [];
}

interface Line {
  readonly code?: string;
  readonly commandId?: string;
  readonly batchId?: string;
  readonly cluster?: { readonly armId?: string; readonly runAs?: string };
  readonly principal?: { readonly oid?: string };
  readonly azure?: { readonly commandId?: string; readonly requestId?: string };
}

const telling = (['command.intended', 'command.accepted', 'command.settled', ...outcomeEvents] as const).map(
  (event: EventName) => `"${eventCodes[event]}"`,
);
const notSent = new Set<string>([
  eventCodes['command.rejected'],
  eventCodes['command.interrupted'],
  eventCodes['command.cancelled'],
]);

async function sentCommands(index: StreamIndex, since: number, until: number): Promise<readonly SentCommand[]> {
  const commands = new Map<string, SentCommand>();
  const merge = await startMerge(index, { since, until });
  try {
    for (let found = await merge.next(); found; found = await merge.next()) {
      const { text } = found.line;
      if (!telling.some((code) => text.includes(code))) continue;
      const line = JSON.parse(text) as Line;
      const { commandId } = line;
      const before = commandId === undefined ? undefined : commands.get(commandId);
      const after = commandId === undefined ? undefined : follow(before, commandId, line, found.time);
      if (after) commands.set(after.commandId, after);
    }
    return oneForEachBatch([...commands.values()]);
  } finally {
    await merge.close();
  }
}

/** Of the commands of a batch the first stands for all: they have Azure's ids in common, and Azure has one run. */
function oneForEachBatch(commands: readonly SentCommand[]): readonly SentCommand[] {
  const batches = new Map<string, SentCommand>();
  return commands.filter((command) => {
    const { batchId } = command;
    if (batchId === undefined) return true;
    const first = batches.get(batchId);
    if (!first) batches.set(batchId, command);
    return !first;
  });
}

/** A command after one more line about it; undefined for one whose intent lies before the range. */
function follow(
  before: SentCommand | undefined,
  commandId: string,
  { code, batchId, cluster, principal, azure }: Line,
  time: number,
): SentCommand | undefined {
  if (code === eventCodes['command.intended'])
    return {
      commandId,
      armId: (cluster?.armId ?? '').toLowerCase(),
      time,
      runAs: cluster?.runAs ?? 'gateway',
      oid: (principal?.oid ?? '').toLowerCase(),
      ids: new Set(),
      batchId,
      state: 'unknown',
    };
  if (!before) return undefined;
  if (code === eventCodes['command.accepted'] || code === eventCodes['command.settled'])
    return {
      ...before,
      state: 'accepted',
      ids: new Set([azure?.commandId, azure?.requestId].map(plainId).filter(Boolean)),
    };
  return before.state !== 'accepted' && notSent.has(code ?? '') ? { ...before, state: 'not-sent' } : before;
}
