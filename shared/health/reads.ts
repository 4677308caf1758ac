import type { PartName } from './status.ts';
import { templates, type TemplateName } from './templates.ts';

/** One thing that a look asks of a cluster. Each is judged by itself; those of one step go out as one command. */
export interface Read {
  readonly name: ReadName;
  readonly part: PartName;
  readonly step: StepName;
  /** Of a list: the resource as kubectl is given it, and the kind of its items, by which answers are told apart. */
  readonly list?: { readonly resource: string; readonly kind: string };
}

/** The commands of a look, smallest answer first: what a step leaves of the room for output is passed on to the next ones. */
const steps = {
  version: { words: ['kubectl', 'version', '-o', 'json'] },
  readyz: { words: ['kubectl', 'get', '--raw', '/readyz?verbose'] },
  livez: { words: ['kubectl', 'get', '--raw', '/livez'] },
  tunnel: { template: 'tunnel', scope: 'kube-system' },
  storage: { template: 'storage', scope: 'namespaces' },
  workloads: { template: 'workloads', scope: 'namespaces' },
  events: { template: 'events', scope: 'namespaces', selector: 'type=Warning' },
  nodeMetrics: { template: 'nodeMetrics', scope: 'cluster' },
  nodes: { template: 'nodes', scope: 'cluster' },
  podMetrics: { template: 'podMetrics', scope: 'namespaces' },
  pods: { template: 'pods', scope: 'namespaces' },
} as const satisfies Record<string, Step>;

type StepName = keyof typeof steps;

type Step =
  | { readonly words: readonly string[] }
  | {
      readonly template: TemplateName;
      readonly scope: 'cluster' | 'namespaces' | 'kube-system';
      readonly selector?: string;
    };

const list = (step: StepName, part: PartName, resource: string, kind: string) => ({
  part,
  step,
  list: { resource, kind },
});

const all = {
  version: { part: 'controlPlane', step: 'version' },
  readyz: { part: 'controlPlane', step: 'readyz' },
  livez: { part: 'controlPlane', step: 'livez' },
  tunnel: list('tunnel', 'tunnel', 'deployments.apps', 'Deployment'),
  persistentVolumeClaims: list('storage', 'storage', 'persistentvolumeclaims', 'PersistentVolumeClaim'),
  horizontalPodAutoscalers: list(
    'storage',
    'scaling',
    'horizontalpodautoscalers.autoscaling',
    'HorizontalPodAutoscaler',
  ),
  podDisruptionBudgets: list('storage', 'scaling', 'poddisruptionbudgets.policy', 'PodDisruptionBudget'),
  deployments: list('workloads', 'workloads', 'deployments.apps', 'Deployment'),
  statefulSets: list('workloads', 'workloads', 'statefulsets.apps', 'StatefulSet'),
  daemonSets: list('workloads', 'workloads', 'daemonsets.apps', 'DaemonSet'),
  jobs: list('workloads', 'workloads', 'jobs.batch', 'Job'),
  cronJobs: list('workloads', 'workloads', 'cronjobs.batch', 'CronJob'),
  events: list('events', 'events', 'events', 'Event'),
  nodeMetrics: list('nodeMetrics', 'nodes', 'nodes.metrics.k8s.io', 'NodeMetrics'),
  nodes: list('nodes', 'nodes', 'nodes', 'Node'),
  persistentVolumes: list('nodes', 'storage', 'persistentvolumes', 'PersistentVolume'),
  podMetrics: list('podMetrics', 'pods', 'pods.metrics.k8s.io', 'PodMetrics'),
  pods: list('pods', 'pods', 'pods', 'Pod'),
} as const satisfies Record<string, Omit<Read, 'name'>>;

export type ReadName = keyof typeof all;

const named = ([name, read]: [string, Omit<Read, 'name'>]): Read => ({ name: name as ReadName, ...read });

/** Everything that a look asks, in the order of its steps. */
export const reads: readonly Read[] = Object.entries(all).map(named);

/** What is about the cluster as a whole, also in a look at one namespace. */
export const clusterWide: ReadonlySet<PartName> = new Set(['controlPlane', 'tunnel', 'nodes']);

/** What a look asks: at one namespace it leaves volumes out, which are in none. */
export const readsIn = (namespace: string | undefined): readonly Read[] =>
  namespace === undefined ? reads : reads.filter(({ name }) => name !== 'persistentVolumes');

/** A command of a look, and the reads that it answers. */
interface LookStep {
  readonly words: readonly string[];
  readonly reads: readonly Read[];
}

/** The commands for some reads. `namespace` undefined stands for all. */
export function stepsFor(wanted: readonly Read[], namespace: string | undefined): readonly LookStep[] {
  return [...Map.groupBy(wanted, ({ step }) => step)]
    .sort(([a], [b]) => order(a) - order(b))
    .map(([name, together]) => ({ words: wordsOf(steps[name], together, namespace), reads: together }));
}

/** Some reads as the one command that a person would type for them; a raw path stands for itself. */
export function wordsFor(names: readonly ReadName[], namespace: string | undefined): readonly string[] {
  const wanted = reads.filter(({ name }) => names.includes(name));
  const resources = new Set(wanted.flatMap(({ list: asked }) => asked?.resource ?? []));
  if (resources.size === 0) return wanted[0] ? wordsOf(steps[wanted[0].step], [], namespace) : [];
  return ['kubectl', 'get', [...resources].join(','), ...(namespace === undefined ? ['-A'] : ['-n', namespace])];
}

const order = (name: StepName): number => Object.keys(steps).indexOf(name);

function wordsOf(step: Step, together: readonly Read[], namespace: string | undefined): readonly string[] {
  if ('words' in step) return step.words;
  const resources = together.flatMap((read) => read.list?.resource ?? []).join(',');
  const where = {
    cluster: [],
    'kube-system': ['-n', 'kube-system'],
    namespaces: namespace === undefined ? ['-A'] : ['-n', namespace],
  }[step.scope];
  const selector = step.selector === undefined ? [] : ['--field-selector', step.selector];
  return ['kubectl', 'get', resources, ...where, ...selector, '-o', `go-template=${templates[step.template]}`];
}

/** The reads that a command of a look answers; none for another command. */
export function readsOf(argv: readonly string[]): readonly Read[] {
  for (const [name, step] of Object.entries(steps) as [StepName, Step][]) {
    if ('words' in step) {
      if (argv.join(' ') === step.words.join(' ')) return reads.filter((read) => read.step === name);
    } else if (argv.at(-1) === `go-template=${templates[step.template]}`) {
      const resources = new Set((argv[2] ?? '').split(','));
      return reads.filter((read) => read.step === name && resources.has(read.list?.resource ?? ''));
    }
  }
  return [];
}
