import { Problem } from '../../errors.ts';

/** An operation as the Azure Activity Log tells it (learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema). */
export interface ActivityRun {
  /** Epoch ms of its first event. */
  readonly time: number;
  /** Lower case. */
  readonly armId: string;
  /** As the log shows it. */
  readonly caller: string;
  /** Every name of who called: the caller's, its object id and its application id; lower case. */
  readonly identities: ReadonlySet<string>;
  readonly operationId: string;
  readonly correlationId: string;
  /** The ids of this very operation, without dashes, lower case. A client chooses its correlation id, which is not among them. */
  readonly ids: ReadonlySet<string>;
  /** Azure turned it away, or it failed: nothing says that it ran. */
  readonly failed: boolean;
}

const ACTION = 'microsoft.containerservice/managedclusters/runcommand/action';

/** An id in the form that ids are compared in. */
export const plainId = (id: unknown): string => (typeof id === 'string' ? id.replaceAll('-', '').toLowerCase() : '');

const named = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : typeof value === 'object' && value !== null && 'value' in value
      ? String(value.value)
      : '';

/** The claims of the token that the caller came with, by the names of the log. */
const OBJECT_ID = 'http://schemas.microsoft.com/identity/claims/objectidentifier';

type Entry = Readonly<Record<string, unknown>>;

/**
 * The run commands among Activity Log entries, as `az monitor activity-log list` or the REST API gives them: one for each
 * operation, of which there are several entries. Throws Problem `request-invalid`.
 */
export function readActivityLog(document: unknown): readonly ActivityRun[] {
  const list: unknown = Array.isArray(document) ? document : (document as { value?: unknown } | null)?.value;
  if (!Array.isArray(list))
    throw new Problem(
      'request-invalid',
      'The Activity Log has to be a JSON array, or an object with one under "value"',
    );
  const runs = new Map<string, ActivityRun>();
  for (const entry of list as readonly unknown[]) {
    if (typeof entry !== 'object' || entry === null)
      throw new Problem('request-invalid', 'An Activity Log entry is not an object');
    const run = readEntry(entry as Entry);
    if (!run) continue;
    const key = `${run.operationId} ${run.armId} ${run.caller}`;
    const before = runs.get(key);
    runs.set(key, before ? join(before, run) : run);
  }
  return [...runs.values()].sort((a, b) => a.time - b.time);
}

function readEntry(entry: Entry): ActivityRun | undefined {
  if (named(entry['operationName']).toLowerCase() !== ACTION) return undefined;
  const time = Date.parse(named(entry['eventTimestamp']));
  const correlationId = named(entry['correlationId']);
  const operationId = named(entry['operationId']) || correlationId;
  if (Number.isNaN(time) || operationId === '')
    throw new Problem(
      'request-invalid',
      'An Activity Log entry has no eventTimestamp or no operationId and correlationId',
    );
  const properties = (entry['properties'] ?? {}) as Entry;
  const claims = (entry['claims'] ?? {}) as Entry;
  const caller = named(entry['caller']);
  const own = [entry['operationId'], entry['eventDataId'], properties['serviceRequestId']].map(plainId);
  return {
    time,
    armId: named(entry['resourceId']).toLowerCase(),
    caller,
    identities: filled(
      [caller, claims['appid'], claims[OBJECT_ID], claims['oid']].map((name) => named(name).toLowerCase()),
    ),
    operationId,
    correlationId,
    ids: filled(own),
    failed: named(entry['status']).toLowerCase() === 'failed',
  };
}

const filled = (words: readonly string[]): ReadonlySet<string> => new Set(words.filter((word) => word !== ''));

const join = (a: ActivityRun, b: ActivityRun): ActivityRun => ({
  ...a,
  time: Math.min(a.time, b.time),
  correlationId: a.correlationId || b.correlationId,
  identities: new Set([...a.identities, ...b.identities]),
  ids: new Set([...a.ids, ...b.ids]),
  failed: a.failed || b.failed,
});
