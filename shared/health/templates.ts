/**
 * What each read prints: one line an object, its kind first, fields apart by `|`. Go templates (pkg.go.dev/text/template), since they are
 * the one output of kubectl that leaves out what is not of interest. Whatever somebody in the cluster may write freely goes through
 * `urlquery`: no text there can end a line or a field, and so make an object up.
 */
const row = (...fields: readonly string[]): string => `{{range .items}}${fields.join('|')}{{"\\n"}}{{end}}`;

const free = (path: string): string => `{{with ${path}}}{{urlquery .}}{{end}}`;
const plain = (path: string): string => `{{with ${path}}}{{.}}{{end}}`;
const label = (name: string): string => `{{with .metadata.labels}}{{with index . "${name}"}}{{.}}{{end}}{{end}}`;
const object = ['{{.kind}}', plain('.metadata.namespace'), '{{.metadata.name}}'];

/** Type and reason of each condition that is not as it is in good times. */
const conditions = (unless: string): string =>
  `{{range .status.conditions}}{{if ${unless}}}{{urlquery .type}}={{urlquery .status}}=${free('.reason')};{{end}}{{end}}`;

const container = [
  free('.name'),
  '{{.restartCount}}',
  '{{.ready}}',
  '{{with .state}}{{with .waiting}}{{with .reason}}{{urlquery .}}{{end}}{{end}}{{end}}',
  '{{with .state}}{{with .terminated}}{{with .reason}}{{urlquery .}}{{end}}={{.finishedAt}}{{end}}{{end}}',
  '{{with .lastState}}{{with .terminated}}{{with .reason}}{{urlquery .}}{{end}}={{.finishedAt}}{{end}}{{end}}',
].join(',');

export const templates = {
  tunnel: row(...object, plain('.spec.replicas'), plain('.status.readyReplicas')),
  nodes: row(
    ...object,
    plain('.metadata.creationTimestamp'),
    // Of a volume its phase, and nothing after it.
    free('.status.phase'),
    plain('.spec.unschedulable'),
    conditions('or (eq .type "Ready") (ne .status "False")'),
    '{{with .status.nodeInfo}}{{urlquery .kubeletVersion}}{{end}}',
    label('kubernetes.azure.com/agentpool'),
    label('kubernetes.azure.com/node-image-version'),
    '{{with .status.allocatable}}{{.cpu}}/{{.memory}}{{end}}',
  ),
  nodeMetrics: row('NodeMetrics', '', '{{.metadata.name}}', '{{.usage.cpu}}/{{.usage.memory}}'),
  workloads: row(
    ...object,
    plain('.metadata.generation'),
    plain('.status.observedGeneration'),
    plain('.spec.replicas'),
    plain('.status.readyReplicas'),
    plain('.status.updatedReplicas'),
    plain('.status.desiredNumberScheduled'),
    plain('.status.numberReady'),
    plain('.status.updatedNumberScheduled'),
    plain('.spec.suspend'),
    conditions('or (eq .type "Progressing") (eq .type "Failed")'),
    // What holds a rollout on purpose.
    '{{with .spec.updateStrategy}}{{.type}}={{with .rollingUpdate}}{{with .partition}}{{.}}{{end}}{{end}}{{end}}',
    plain('.spec.paused'),
  ),
  storage: row(
    ...object,
    plain('.metadata.creationTimestamp'),
    free('.status.phase'),
    plain('.spec.maxReplicas'),
    plain('.status.currentReplicas'),
    plain('.status.desiredReplicas'),
    plain('.status.disruptionsAllowed'),
    plain('.status.expectedPods'),
    plain('.spec.storageClassName'),
  ),
  events: row(
    'Event',
    plain('.metadata.namespace'),
    free('.reason'),
    free('.involvedObject.kind'),
    free('.involvedObject.name'),
    plain('.count'),
    plain('.lastTimestamp'),
    plain('.eventTime'),
    '{{with .series}}{{.count}}={{.lastObservedTime}}{{end}}',
  ),
  podMetrics: row(
    'PodMetrics',
    '{{.metadata.namespace}}',
    '{{.metadata.name}}',
    '{{range .containers}}{{.usage.cpu}}/{{.usage.memory}};{{end}}',
  ),
  pods: row(
    ...object,
    plain('.metadata.creationTimestamp'),
    plain('.metadata.deletionTimestamp'),
    free('.status.phase'),
    free('.status.reason'),
    '{{range .status.conditions}}{{if and (eq .type "PodScheduled") (ne .status "True")}}' +
      `${free('.reason')}=${free('.message')};{{end}}{{end}}`,
    `{{range .status.initContainerStatuses}}${container};{{end}}`,
    `{{range .status.containerStatuses}}${container};{{end}}`,
    '{{range .spec.containers}}{{with .resources}}{{with .limits}}{{.cpu}}/{{.memory}}{{end}}{{end}};{{end}}',
  ),
} as const;

export type TemplateName = keyof typeof templates;
