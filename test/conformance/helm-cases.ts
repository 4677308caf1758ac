import { charts } from './helm-charts.ts';

/**
 * helm commands that are recorded on a real API server, in each state of helm-states.ts. `shop` is the default namespace; there the releases
 * `web` (two revisions) and `hooked` are.
 */
export interface HelmCase {
  readonly command: string;
  /** The charts that come with it, as folders. */
  readonly uploads: Readonly<Record<string, string>>;
  /** What the release holds, `resource.group namespace/name`: who may install it may do anything with it. */
  readonly holds: readonly string[];
  /** The first helm that knows its flags. */
  readonly since?: string;
  /** The first helm that knows them no more. */
  readonly until?: string;
}

const web: Readonly<Record<string, string>> = {
  'web/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'web/values.yaml': 'color: red\n',
  'web/templates/paint.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-paint\ndata:\n  color: {{ .Values.color }}\n',
  'web/templates/server.yaml': `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-server
spec:
  replicas: 0
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
`,
  'web/templates/test.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-test\n  annotations: {"helm.sh/hook": test}\n',
  'blue.yaml': 'color: blue\n',
};

/** A hook that is a Job: no pod of it ever runs here, so that helm waits until it is ended. */
const hooked: Readonly<Record<string, string>> = {
  'hooked/Chart.yaml': 'apiVersion: v2\nname: hooked\nversion: 1.0.0\n',
  'hooked/templates/before.yaml': `apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-before
  annotations: {"helm.sh/hook": "pre-upgrade,pre-delete,test", "helm.sh/hook-delete-policy": "before-hook-creation,hook-failed"}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: once, image: once}]}
`,
  'hooked/templates/kept.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-kept\n',
};

const ofWeb = (release: string, namespace = 'shop'): string[] => [
  `configmaps. ${namespace}/${release}-paint`,
  `configmaps. ${namespace}/${release}-test`,
  `deployments.apps ${namespace}/${release}-server`,
];
const ofHooked = (release: string): string[] => [
  `jobs.batch shop/${release}-before`,
  `configmaps. shop/${release}-kept`,
];

const onWeb = (command: string, release = 'web', more: Partial<HelmCase> = {}): HelmCase => ({
  command,
  uploads: web,
  holds: ofWeb(release),
  ...more,
});
const onHooked = (command: string, release = 'hooked'): HelmCase => ({
  command,
  uploads: hooked,
  holds: ofHooked(release),
});

/** What each state that has releases was made with, in this order. */
export const story: readonly HelmCase[] = [
  onWeb('install web ./web'),
  onWeb('upgrade web ./web --set color=green'),
  onHooked('install hooked ./hooked'),
];

export const helmCases: readonly HelmCase[] = [
  onWeb('install fresh ./web', 'fresh'),
  onWeb('install fresh ./web -f blue.yaml --set color=green --wait --timeout=1s', 'fresh'),
  onWeb('install fresh ./web --atomic --timeout=1s', 'fresh'),
  onWeb('install fresh ./web -n team --create-namespace', 'fresh', { holds: ofWeb('fresh', 'team') }),
  onWeb('install fresh ./web --dry-run', 'fresh'),
  onWeb('install fresh ./web --dry-run=server', 'fresh', { since: '3.13' }),
  onWeb('install fresh ./web -o json', 'fresh'),
  onWeb('install fresh ./web --replace', 'fresh'),
  onWeb('install web ./web'),
  onWeb('upgrade web ./web'),
  onWeb('upgrade web ./web --reuse-values --cleanup-on-fail'),
  onWeb('upgrade web ./web --history-max=1 --set color=blue'),
  onWeb('upgrade web ./web --force --set color=blue'),
  onWeb('upgrade web ./web --install --no-hooks'),
  onWeb('upgrade fresh ./web --install', 'fresh'),
  onWeb('upgrade web ./web --dry-run --set color=blue'),
  onHooked('upgrade hooked ./hooked --timeout=1s'),
  onHooked('upgrade hooked ./hooked --no-hooks'),
  onWeb('rollback web 1'),
  onWeb('rollback web'),
  onWeb('rollback web 9'),
  onWeb('rollback web 1 --wait --timeout=1s --cleanup-on-fail'),
  onWeb('uninstall web'),
  onWeb('uninstall web --keep-history'),
  onWeb('uninstall web --wait --timeout=1s'),
  onWeb('uninstall web --dry-run'),
  onHooked('uninstall hooked --timeout=1s'),
  onHooked('uninstall hooked --no-hooks'),
  onWeb('test web'),
  onHooked('test hooked --timeout=1s'),
  ...[
    'list',
    'list -A',
    'status web',
    'status web --revision=1',
    'status web -o json',
    'history web',
    'get notes web',
    'get values web',
    'get manifest web',
    'get hooks web',
    'get all web',
  ].map((command) => onWeb(command)),
  onWeb('list --all --filter web', 'web', { until: '4.0' }),
  onWeb('status web --show-resources', 'web', { until: '4.0' }),
  onWeb('get metadata web', 'web', { since: '3.13' }),
  ...['template web ./web', 'lint ./web', 'show values ./web', 'version', 'env HELM_NAMESPACE'].map((command) =>
    onWeb(command),
  ),
  onWeb('template web ./web --validate'),
  // The charts that look up, hook, hold definitions and name other namespaces.
  ...charts.flatMap(({ name, files, holds }) =>
    ['install c ./c', 'upgrade c ./c --install', 'template c ./c --validate'].map((line) => {
      const folder = name.replaceAll(' ', '-');
      return { command: line.replace('./c', `./${folder}`), uploads: moved(files, folder), holds };
    }),
  ),
];

/** Each chart in a folder of its own, so that the commands differ. */
function moved(files: Readonly<Record<string, string>>, folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [path.replace(/^c\//u, `${folder}/`), text]));
}
