import { finder, partOf, rowsOf, type Answers } from '../answers.ts';
import { percent, resources, total, type Resources } from '../quantity.ts';
import { count, decoded, items, time, type Row } from '../rows.ts';
import type { Finding, Part, What } from '../status.ts';

const found = finder('pods');
const HOUR_MS = 3_600_000;
/** A pod that waits for less is on its way. */
const PENDING_MS = 120_000;
/** So many restarts, and one of them in this hour. */
const RESTARTS = 5;
/** Percent of a memory limit from which a pod is about to be killed. */
const NEAR_LIMIT = 95;
const HIGHEST = 10;
/** Namespaces told apart in numbers; the others are counted together. */
const MOST_NAMESPACES = 50;

/** Why a container waits, in the words of the kubelet: as long as this lasts it does not start (pkg/kubelet/images, pkg/kubelet/kuberuntime). */
const waitReasons: ReadonlyMap<string, What> = new Map(
  Object.entries({
    CrashLoopBackOff: 'crash-loop',
    ImagePullBackOff: 'image-pull',
    ErrImagePull: 'image-pull',
    InvalidImageName: 'image-pull',
    ErrImageNeverPull: 'image-pull',
    CreateContainerConfigError: 'container-config',
    CreateContainerError: 'container-config',
    RunContainerError: 'container-config',
  } as const),
);

/** Availability of pods, and what they use of their limits. */
export function pods(answers: Answers): Part {
  const counts = { total: 0, running: 0, pending: 0, failed: 0, restartedInHour: 0 };
  const problems: Partial<Record<What, number>> = {};
  const namespaces = new Map<string, { pods: number; problems: number }>();
  const findings: Finding[] = [];
  const limits = new Map<string, Resources>();
  for (const row of rowsOf(answers, 'pods')) {
    const pod = readPod(row);
    const own = findingsOf(row, pod, answers.now);
    counts.total += 1;
    if (pod.phase === 'Running') counts.running += 1;
    if (pod.phase === 'Pending') counts.pending += 1;
    if (pod.phase === 'Failed') counts.failed += 1;
    if (pod.containers.some((container) => restartedInHour(container, answers.now))) counts.restartedInHour += 1;
    const before = namespaces.get(row.namespace) ?? { pods: 0, problems: 0 };
    namespaces.set(row.namespace, {
      pods: before.pods + 1,
      problems: before.problems + (own.length > 0 ? 1 : 0),
    });
    for (const { what } of own) problems[what] = (problems[what] ?? 0) + 1;
    findings.push(...own);
    limits.set(`${row.namespace}/${row.name}`, pod.limits);
  }
  const usage = usageOf(answers, limits);
  const near = usage.flatMap(({ row, memoryPercent }) =>
    memoryPercent !== undefined && memoryPercent >= NEAR_LIMIT
      ? [found('degraded', 'near-memory-limit', row, `${memoryPercent} % of its memory limit is used`)]
      : [],
  );
  const numbers = {
    ...counts,
    problems,
    namespaces: byNamespace(namespaces),
    highest: usage
      .slice(0, HIGHEST)
      .map(({ row: { namespace, name }, ...used }) => ({ namespace, pod: name, ...used })),
  };
  const well = `${counts.running} running of ${counts.total}`;
  return partOf(answers, { pods: findings, podMetrics: near }, numbers, well);
}

/** The largest by themselves, those with problems first, and the rest as one. */
function byNamespace(
  namespaces: ReadonlyMap<string, { readonly pods: number; readonly problems: number }>,
): readonly { readonly namespace: string; readonly pods: number; readonly problems: number }[] {
  const all = [...namespaces]
    .map(([namespace, counts]) => ({ namespace, ...counts }))
    .sort((a, b) => b.problems - a.problems || b.pods - a.pods || (a.namespace < b.namespace ? -1 : 1));
  const rest = all.slice(MOST_NAMESPACES);
  if (rest.length === 0) return all;
  const sum = (of: 'pods' | 'problems') => rest.reduce((count, one) => count + one[of], 0);
  return [...all.slice(0, MOST_NAMESPACES), { namespace: '', pods: sum('pods'), problems: sum('problems') }];
}

interface Container {
  readonly name: string;
  readonly restarts: number;
  readonly ready: boolean;
  readonly waiting: string;
  /** Why it ended last, and when. */
  readonly ended: string;
  readonly endedAt: number | undefined;
}

interface Pod {
  readonly createdAt: number | undefined;
  readonly deleted: boolean;
  readonly phase: string;
  readonly reason: string;
  /** Why no node takes it. */
  readonly unscheduled: string | undefined;
  readonly containers: readonly Container[];
  readonly limits: Resources;
}

function readPod({ fields }: Row): Pod {
  const [created, deletion = '', phase = '', reason = '', unscheduled = '', init = '', main = '', limits = ''] = fields;
  const [waits] = items(unscheduled);
  const each = limits.split(';').slice(0, -1).map(resources);
  return {
    createdAt: time(created),
    deleted: deletion !== '',
    phase,
    reason: decoded(reason),
    unscheduled: waits === undefined ? undefined : decoded(waits.slice(waits.indexOf('=') + 1)),
    containers: items(`${init}${main}`).map(readContainer),
    limits: { cpu: total(each.map(({ cpu }) => cpu)), memory: total(each.map(({ memory }) => memory)) },
  };
}

function readContainer(item: string): Container {
  const [name = '', restarts, ready, waiting = '', now = '', before = ''] = item.split(',');
  const [ended = '', at] = (now === '' ? before : now).split('=');
  return {
    name: decoded(name),
    restarts: count(restarts),
    ready: ready === 'true',
    waiting: decoded(waiting),
    ended: decoded(ended),
    endedAt: time(at),
  };
}

const isWithinHour = (at: number | undefined, now: number): boolean => at !== undefined && now - at < HOUR_MS;

/** What has ended and was not started again, as a job's pod or an init container, has not restarted. */
const restartedInHour = ({ restarts, endedAt }: Container, now: number): boolean =>
  restarts > 0 && isWithinHour(endedAt, now);

/** The first that holds for a container says most; a pod that is being deleted is on its way out. */
function findingsOf(row: Row, pod: Pod, now: number): readonly Finding[] {
  if (pod.deleted) return [];
  if (pod.phase === 'Failed' && pod.reason === 'Evicted') return [found('degraded', 'evicted', row)];
  const waiting = pod.containers.flatMap((container) => {
    const what = waitReasons.get(container.waiting);
    if (what === undefined) return [];
    const ended = container.ended === '' ? '' : `, ended last by ${container.ended}`;
    const restarts = container.restarts === 0 ? '' : `, ${container.restarts} restarts`;
    return [found('failing', what, row, `container ${container.name}: ${container.waiting}${restarts}${ended}`)];
  });
  const killed = pod.containers.flatMap(({ name, ended, endedAt }) =>
    ended === 'OOMKilled' && isWithinHour(endedAt, now)
      ? [found('degraded', 'oom-killed', row, `container ${name} had more memory than its limit`)]
      : [],
  );
  if (waiting.length + killed.length > 0) return [...waiting.slice(0, 1), ...killed.slice(0, 1)];
  if (pod.phase === 'Pending' && (pod.createdAt === undefined || now - pod.createdAt > PENDING_MS)) {
    const why = pod.unscheduled ?? pod.containers.find((container) => container.waiting !== '')?.waiting;
    return [found('degraded', pod.unscheduled === undefined ? 'pending' : 'unschedulable', row, why)];
  }
  const often = pod.containers.find((container) => container.restarts >= RESTARTS && restartedInHour(container, now));
  return often ? [found('degraded', 'restarting', row, `container ${often.name}: ${often.restarts} restarts`)] : [];
}

interface Usage {
  readonly row: Row;
  readonly cpuPercent: number | undefined;
  readonly memoryPercent: number | undefined;
}

/** Of pods with limits, those that use most of them first. */
function usageOf(answers: Answers, limits: ReadonlyMap<string, Resources>): readonly Usage[] {
  const most = ({ cpuPercent = 0, memoryPercent = 0 }: Usage): number => Math.max(cpuPercent, memoryPercent);
  return rowsOf(answers, 'podMetrics')
    .flatMap((row): readonly Usage[] => {
      const limit = limits.get(`${row.namespace}/${row.name}`);
      if (!limit) return [];
      const each = items(row.fields[0] ?? '').map(resources);
      const cpuPercent = percent(total(each.map(({ cpu }) => cpu)), limit.cpu);
      const memoryPercent = percent(total(each.map(({ memory }) => memory)), limit.memory);
      if (cpuPercent === undefined && memoryPercent === undefined) return [];
      return [{ row: { ...row, kind: 'Pod' }, cpuPercent, memoryPercent }];
    })
    .sort((a, b) => most(b) - most(a));
}
