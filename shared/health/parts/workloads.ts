import { finder, partOf, rowsOf, type Answers, type Found } from '../answers.ts';
import type { ReadName } from '../reads.ts';
import { count, decoded, items, type Row } from '../rows.ts';
import type { Finding, Part } from '../status.ts';

const found = finder('workloads');

/** Are applications in their desired state: replicas, rollouts, jobs. */
export function workloads(answers: Answers): Part {
  const numbers = { desired: 0, ready: 0, failedJobs: 0, suspended: 0, stuck: 0 };
  const counts: Record<string, number> = {};
  const findings: Found = {};
  for (const name of ['deployments', 'statefulSets', 'daemonSets', 'jobs', 'cronJobs'] as const satisfies ReadName[]) {
    const rows = rowsOf(answers, name);
    counts[name] = rows.length;
    findings[name] = rows.flatMap((row) => {
      const seen = look(row);
      numbers.desired += seen.desired;
      numbers.ready += Math.min(seen.ready, seen.desired);
      if (seen.suspended) numbers.suspended += 1;
      if (seen.finding?.what === 'job-failed') numbers.failedJobs += 1;
      if (seen.finding?.what === 'rollout-stuck') numbers.stuck += 1;
      return seen.finding ?? [];
    });
  }
  return partOf(answers, findings, { ...counts, ...numbers }, `${numbers.ready} of ${numbers.desired} replicas ready`);
}

interface Seen {
  readonly desired: number;
  readonly ready: number;
  readonly suspended: boolean;
  readonly finding: Finding | undefined;
}

function look(row: Row): Seen {
  const [
    generation,
    observed,
    replicas,
    ready,
    updated,
    scheduled,
    readyThere,
    updatedThere,
    suspend,
    conditions = '',
    strategy = '',
    paused = '',
  ] = row.fields;
  const states = items(conditions).map((item) => item.split('='));
  const suspended = suspend === 'true';
  const nothing = { desired: 0, ready: 0, suspended };
  switch (row.kind) {
    case 'Job': {
      const failed = states.find(([type, state]) => type === 'Failed' && state === 'True');
      return { ...nothing, finding: failed && found('degraded', 'job-failed', row, decoded(failed[2] ?? '')) };
    }
    case 'CronJob':
      return { ...nothing, finding: undefined };
    default: {
      const set = row.kind === 'DaemonSet';
      // `replicas` is filled in by the API server, so that it is always there.
      const state = {
        desired: count(set ? scheduled : replicas),
        ready: count(set ? readyThere : ready),
        updated: count(set ? updatedThere : updated),
        lag: count(generation) - count(observed),
        stopped: states.find(([type, value]) => type === 'Progressing' && value === 'False'),
        hold: holdOf(strategy, paused === 'true'),
      };
      return { desired: state.desired, ready: state.ready, suspended: false, finding: replicasFinding(row, state) };
    }
  }
}

function replicasFinding(
  row: Row,
  state: {
    readonly desired: number;
    readonly ready: number;
    readonly updated: number;
    readonly lag: number;
    readonly stopped: readonly string[] | undefined;
    readonly hold: Hold | undefined;
  },
): Finding | undefined {
  const { desired, ready, updated, lag, stopped, hold } = state;
  const up = `${ready} of ${desired} ready`;
  if (stopped) return found('failing', 'rollout-stuck', row, `${decoded(stopped[2] ?? '')}, ${up}`);
  if (desired > 0 && ready === 0) return found('failing', 'none-ready', row, up);
  if (ready < desired) return found('degraded', 'not-all-ready', row, up);
  if (lag > 0) return found('degraded', 'not-observed', row, 'its controller has not taken up the last change');
  if (updated >= desired) return undefined;
  const has = `${updated} of ${desired} updated`;
  return hold && updated >= desired - hold.keeps
    ? found('degraded', 'rollout-paused', row, `${hold.by}, ${has}`)
    : found('degraded', 'rolling-out', row, has);
}

/** What somebody set so that a rollout does not go on by itself, and how many pods it keeps as they are. */
interface Hold {
  readonly by: string;
  readonly keeps: number;
}

/**
 * A partition keeps the pods with lower ordinals, as `kubectl rollout status` counts them too; OnDelete keeps each pod until somebody deletes it
 * (kubernetes.io/docs/concepts/workloads/controllers/statefulset, "Update strategies"); a deployment can be paused.
 */
function holdOf(strategy: string, paused: boolean): Hold | undefined {
  if (paused) return { by: 'paused', keeps: Infinity };
  const [type, partition] = strategy.split('=');
  if (type === 'OnDelete') return { by: 'waits for its pods to be deleted (OnDelete)', keeps: Infinity };
  const keeps = count(partition);
  return keeps > 0 ? { by: `paused by partition ${keeps}`, keeps } : undefined;
}
