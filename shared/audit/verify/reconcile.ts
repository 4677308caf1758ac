import { Problem } from '../../errors.ts';
import type { AppendLog } from '../../store/append-log.ts';
import { eventCodes } from '../events.ts';
import { startMerge } from '../read/merge.ts';

/** A run as the Azure Activity Log tells it (learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema). */
export interface ActivityRun {
  /** Epoch ms of its first event. */
  readonly time: number;
  /** Lower case. */
  readonly armId: string;
  readonly caller: string;
  readonly correlationId: string;
  /** Every id that the entries of this run carry, without dashes, lower case. */
  readonly ids: ReadonlySet<string>;
}

export interface Reconciliation {
  readonly matched: number;
  /** Runs that Azure knows and the trail does not: around the gateway, or left out of its trail. */
  readonly aroundGateway: readonly ActivityRun[];
  /** Commands that the trail says Azure accepted and the Activity Log does not have (it may lag by some minutes). */
  readonly notInAzure: readonly { readonly commandId: string; readonly armId: string; readonly time: number }[];
}

const ACTION = 'microsoft.containerservice/managedclusters/runcommand/action';
/** A POST may take a minute (facts/run-command.md); clocks differ by little. */
const WINDOW_MS = 2 * 60_000;

const plain = (id: unknown): string => (typeof id === 'string' ? id.replaceAll('-', '').toLowerCase() : '');
const named = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : typeof value === 'object' && value !== null && 'value' in value
      ? String(value.value)
      : '';

/** The runs among Activity Log entries, as `az monitor activity-log list` or the REST API gives them. Throws Problem `request-invalid`. */
export function readActivityLog(document: unknown): readonly ActivityRun[] {
  const list: unknown = Array.isArray(document) ? document : (document as { value?: unknown } | null)?.value;
  if (!Array.isArray(list))
    throw new Problem('request-invalid', 'The Activity Log is a JSON array, or an object with one under "value"');
  const runs = new Map<string, ActivityRun>();
  for (const entry of list as readonly Record<string, unknown>[]) {
    if (named(entry['operationName']).toLowerCase() !== ACTION) continue;
    const time = Date.parse(named(entry['eventTimestamp']));
    const correlationId = named(entry['correlationId'] ?? entry['operationId']);
    if (Number.isNaN(time) || correlationId === '')
      throw new Problem('request-invalid', 'An Activity Log entry has no eventTimestamp or correlationId');
    const properties = (entry['properties'] ?? {}) as Record<string, unknown>;
    const ids = [correlationId, entry['operationId'], entry['eventDataId'], properties['serviceRequestId']]
      .map(plain)
      .filter((id) => id !== '');
    const before = runs.get(correlationId);
    runs.set(correlationId, {
      correlationId,
      time: Math.min(time, before?.time ?? time),
      armId: named(entry['resourceId'] ?? before?.armId).toLowerCase(),
      caller: named(entry['caller'] ?? before?.caller),
      ids: new Set([...(before?.ids ?? []), ...ids]),
    });
  }
  return [...runs.values()].sort((a, b) => a.time - b.time);
}

/**
 * Compares what Azure says ran with what the trail says: the one check that finds omissions, and people going around the gateway.
 * Matched by Azure's ids where the trail has one of them, else one to one by cluster and time within two minutes. That the
 * Activity Log carries the POST's request id is an assumption (unproven); time serves where it does not.
 */
export async function reconcile(
  log: AppendLog,
  activity: readonly ActivityRun[],
  range: { readonly since: number; readonly until: number },
): Promise<Reconciliation> {
  const commands = await sentCommands(log, range);
  const free = new Set(commands.keys());
  const around: ActivityRun[] = [];
  let matched = 0;
  const take = (fits: (commandId: string) => boolean): boolean => {
    for (const commandId of free) {
      if (!fits(commandId)) continue;
      free.delete(commandId);
      matched += 1;
      return true;
    }
    return false;
  };
  const inRange = activity.filter(({ time }) => time >= range.since && time < range.until);
  const left = inRange.filter(
    (run) => !take((id) => [...(commands.get(id)?.ids ?? [])].some((own) => run.ids.has(own))),
  );
  for (const run of left) {
    const near = (id: string): boolean => {
      const command = commands.get(id);
      return command !== undefined && command.armId === run.armId && Math.abs(command.time - run.time) <= WINDOW_MS;
    };
    if (!take(near)) around.push(run);
  }
  const notInAzure = [...free].flatMap((commandId) => {
    const command = commands.get(commandId);
    return command?.accepted ? [{ commandId, armId: command.armId, time: command.time }] : [];
  });
  return { matched, aroundGateway: around, notInAzure };
}

interface SentCommand {
  readonly armId: string;
  readonly time: number;
  readonly ids: ReadonlySet<string>;
  readonly accepted: boolean;
}

async function sentCommands(
  log: AppendLog,
  { since, until }: { readonly since: number; readonly until: number },
): Promise<ReadonlyMap<string, SentCommand>> {
  const commands = new Map<string, SentCommand>();
  const merge = await startMerge(log, { since: since - WINDOW_MS, until: until + WINDOW_MS });
  try {
    for (let found = await merge.next(); found; found = await merge.next()) {
      const { text } = found.line;
      if (
        !text.includes(`"${eventCodes['command.intended']}"`) &&
        !text.includes(`"${eventCodes['command.accepted']}"`)
      )
        continue;
      const { code, commandId, cluster, azure } = JSON.parse(text) as {
        readonly code?: string;
        readonly commandId?: string;
        readonly cluster?: { readonly armId?: string };
        readonly azure?: { readonly commandId?: string; readonly requestId?: string };
      };
      if (commandId === undefined) continue;
      const before = commands.get(commandId);
      if (code === eventCodes['command.intended'])
        commands.set(commandId, {
          armId: (cluster?.armId ?? '').toLowerCase(),
          time: found.time,
          ids: new Set(),
          accepted: false,
          ...before,
        });
      else if (code === eventCodes['command.accepted'] && before)
        commands.set(commandId, {
          ...before,
          accepted: true,
          ids: new Set([azure?.commandId, azure?.requestId].map(plain).filter((id) => id !== '')),
        });
    }
    return commands;
  } finally {
    await merge.close();
  }
}
