import type { Clock } from '../clock.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Health } from './assess.ts';
import { partNames, type Status } from './status.ts';

/** The numbers of the last look at each cluster, as metrics. */
export interface HealthMetrics {
  /** `until`: epoch ms, from when on they say nothing of now: a job that no longer runs must not leave a cluster green. */
  set(health: Health, until: number): void;
}

/** Namespaces told apart, of each cluster; the others are told as one, called ''. */
const MOST_NAMESPACES = 30;

/** What a status is as a number. What was not seen is worse than anything that was. */
const level: Readonly<Record<Status, number>> = { ok: 0, degraded: 1, failing: 2, 'not-allowed': 3, unknown: 3 };

/**
 * Gauges over the last look of a health job at each cluster. Labels are clusters of the configuration, words of the code, and at most
 * `MOST_NAMESPACES` namespaces of a cluster at a time.
 */
export function createHealthMetrics(telemetry: Pick<Telemetry, 'gauge'>, clock: Pick<Clock, 'now'>): HealthMetrics {
  const looks = new Map<string, { readonly health: Health; readonly until: number }>();
  const fresh = (): readonly Health[] => {
    for (const [cluster, { until }] of looks) if (clock.now() > until) looks.delete(cluster);
    return [...looks.values()].map(({ health }) => health);
  };
  const one =
    <T>(read: (health: Health) => readonly T[]) =>
    (): readonly T[] =>
      fresh().flatMap(read);

  telemetry.gauge('aksgw.cluster.status', one(statuses));
  telemetry.gauge('aksgw.cluster.findings', one(findings));
  telemetry.gauge('aksgw.cluster.nodes', one(nodes));
  telemetry.gauge('aksgw.cluster.used', one(used));
  telemetry.gauge('aksgw.cluster.replicas', one(replicas));
  telemetry.gauge('aksgw.cluster.pods', one(pods));
  telemetry.gauge(
    'aksgw.cluster.warnings',
    one((health) => single(health, number(health, 'events', 'warnings'))),
  );
  telemetry.gauge(
    'aksgw.cluster.support',
    one((health) => single(health, number(health, 'controlPlane', 'daysOfSupport'))),
  );
  telemetry.gauge(
    'aksgw.cluster.start',
    one((health) => single(health, number(health, 'reachability', 'startSeconds'))),
  );
  telemetry.gauge(
    'aksgw.cluster.age',
    one((health) => single(health, Math.max(0, (clock.now() - health.at) / 1_000))),
  );
  return {
    set: (health, until) => {
      // A look at one namespace is nothing to compare with one at all of them.
      if (health.namespace === undefined) looks.set(health.cluster, { health, until });
    },
  };
}

const number = ({ parts }: Health, part: keyof Health['parts'], name: string): number | undefined => {
  const value = parts[part].numbers[name];
  return typeof value === 'number' ? value : undefined;
};

/** Nothing where it is not known: 0 would be a lie. */
const single = ({ cluster }: Health, value: number | undefined) =>
  value === undefined ? [] : [{ labels: { cluster }, value }];

const statuses = ({ cluster, parts, status }: Health) => [
  { labels: { cluster, aspect: 'whole' as const }, value: level[status] },
  ...partNames.map((aspect) => ({ labels: { cluster, aspect }, value: level[parts[aspect].status] })),
];

const findings = ({ cluster, parts }: Health) => {
  const all = partNames.flatMap((name) => parts[name].findings);
  const counts = Map.groupBy(all, ({ what }) => what);
  return [...counts].map(([what, some]) => ({ labels: { cluster, what }, value: some.length }));
};

const known = <L>(labels: L, value: number | undefined) => (value === undefined ? [] : [{ labels, value }]);

const nodes = (health: Health) => {
  const { cluster, parts } = health;
  if (parts.nodes.checks['nodes']?.status === 'not-allowed' || parts.nodes.checks['nodes']?.status === 'unknown')
    return [];
  return (['ready', 'notReady', 'pressure', 'cordoned'] as const).flatMap((node) =>
    known({ cluster, node }, number(health, 'nodes', node)),
  );
};

const used = (health: Health) =>
  (['cpu', 'memory'] as const).flatMap((resource) => {
    const percent = number(health, 'nodes', `${resource}Percent`);
    return known({ cluster: health.cluster, resource }, percent === undefined ? undefined : percent / 100);
  });

const replicas = (health: Health) =>
  (['desired', 'ready'] as const).flatMap((replica) =>
    known({ cluster: health.cluster, replica }, number(health, 'workloads', replica)),
  );

interface OfNamespace {
  readonly namespace: string;
  readonly pods: number;
  readonly problems: number;
}

function pods({ cluster, parts }: Health) {
  const all = (parts.pods.numbers['namespaces'] ?? []) as readonly OfNamespace[];
  const named = all.filter(({ namespace }) => namespace !== '').slice(0, MOST_NAMESPACES);
  const others = all.filter((one) => !named.includes(one));
  const rest = {
    namespace: '',
    pods: others.reduce((sum, one) => sum + one.pods, 0),
    problems: others.reduce((sum, one) => sum + one.problems, 0),
  };
  return [...named, ...(others.length > 0 ? [rest] : [])].flatMap(({ namespace, pods: count, problems }) => [
    { labels: { cluster, namespace, pod: 'all' as const }, value: count },
    { labels: { cluster, namespace, pod: 'problem' as const }, value: problems },
  ]);
}
