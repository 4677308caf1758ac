/**
 * What the gateway takes to be true of Azure, in one place. `documented` by Microsoft, `observed` on the wire or in a public log,
 * `unproven` otherwise. Code that leans on one names it; `aksgw doctor` looks at those with a probe on a real cluster.
 */
export interface Assumption {
  readonly id: string;
  readonly claim: string;
  readonly status: 'documented' | 'observed' | 'unproven';
  readonly source: string;
  /** Files, from the project's root. */
  readonly leansOn: readonly string[];
  /** What the code does if it is wrong. */
  readonly ifWrong: string;
  /** Which of the doctor's probes tells; `none` where no harmless probe can. */
  readonly probe: ProbeName | 'none';
}

/** The doctor's probes, in the order they run. */
export const probeNames = ['view', 'pod', 'launcher', 'reread', 'cut', 'exec'] as const;
type ProbeName = (typeof probeNames)[number];

const RECORDED = 'public recordings of Azure CLI and Azure PowerShell, 2021–2023';
const RUN = 'shared/relay/arm.ts';
const ANSWERS = 'shared/relay/arm-answers.ts';
const LAUNCHER = 'shared/command/launcher/script.ts';

const rows = [
  {
    id: 'shell-text',
    claim: 'The command is read by a POSIX shell',
    status: 'documented',
    source: 'learn.microsoft.com/azure/aks/access-private-cluster',
    leansOn: [LAUNCHER, 'shared/command/quote.ts'],
    ifWrong: 'no frame comes back, and the result is marked as raw',
    probe: 'pod',
  },
  {
    id: 'no-arg-expansion',
    claim: 'Kubernetes does not expand $(NAME) in the text; the gateway never sends it, so either way is right',
    status: 'unproven',
    source: 'k8s.io/kubernetes/third_party/forked/golang/expansion',
    leansOn: ['shared/command/quote.ts', 'shared/command/launcher/compose.ts'],
    ifWrong: 'nothing: the text holds no $( and no $$',
    probe: 'pod',
  },
  {
    id: 'working-folder',
    claim: 'The context is unzipped into the working folder of the command, sub-folders, dot files and Unix modes kept',
    status: 'observed',
    source: 'azure-powershell#17454',
    leansOn: ['shared/command/launcher/context-zip.ts', 'shared/command/launcher/compose.ts'],
    ifWrong: 'commands with files, stdin or secrets fail with "No such file", in raw mode',
    probe: 'pod',
  },
  {
    id: 'pod-tools',
    claim: 'kubectl and helm are in the pod, and the common tools that the launcher likes to use',
    status: 'documented',
    source: 'learn.microsoft.com/azure/aks/access-private-cluster',
    leansOn: [LAUNCHER],
    ifWrong: 'the launcher does with less, and warns in the record',
    probe: 'pod',
  },
  {
    id: 'writable-folder',
    claim: 'Somewhere in the pod (TMPDIR, /tmp, /dev/shm, HOME, the working folder) a folder can be made',
    status: 'unproven',
    source: 'azure-cli issues of 2021 show HOME not writable',
    leansOn: [LAUNCHER],
    ifWrong: 'raw mode: streams in one, no time limit of our own',
    probe: 'pod',
  },
  {
    id: 'pod-namespace',
    claim: 'kubectl without a namespace would use that of the service account, aks-command',
    status: 'observed',
    source: RECORDED,
    leansOn: ['shared/command/launcher/compose.ts'],
    ifWrong: 'nothing: every command names its namespace',
    probe: 'pod',
  },
  {
    id: 'exit-code',
    claim: "Azure's exitCode is the exit code of the text",
    status: 'observed',
    source: RECORDED,
    leansOn: ['shared/relay/outcome.ts'],
    ifWrong: 'the frame is believed, and an audit event reports the difference',
    probe: 'launcher',
  },
  {
    id: 'logs-are-utf8-text',
    claim: 'logs holds stdout and stderr of the pod in one, in order, unchanged where it is UTF-8',
    status: 'observed',
    source: RECORDED,
    leansOn: ['shared/command/launcher/frames.ts'],
    ifWrong: 'the digests in the frames no longer match, and commands end as unknown',
    probe: 'launcher',
  },
  {
    id: 'time-stamps',
    claim: 'startedAt and finishedAt are whole seconds in UTC, and a 202 with startedAt means that the container runs',
    status: 'observed',
    source: 'azure-cli#28572',
    leansOn: ['shared/relay/follow.ts'],
    ifWrong: 'polls come a little too often or too seldom',
    probe: 'launcher',
  },
  {
    id: 'command-id',
    claim: 'The id of a command is the x-ms-request-id of its POST without dashes',
    status: 'observed',
    source: 'azure-powershell, Start-AzAksManagedClusterCommand.Recording.json',
    leansOn: [ANSWERS],
    ifWrong: 'a 202 without Location would end as unknown',
    probe: 'launcher',
  },
  {
    id: 'result-reread',
    claim: 'A result can be read again, with the same body, for minutes after the end',
    status: 'observed',
    source: 'azure-powershell, Get-AzAksManagedClusterCommandResult.Recording.json (6 min 10 s)',
    leansOn: ['shared/relay/patience.ts'],
    ifWrong: 'a run found again after a crash ends as unknown',
    probe: 'reread',
  },
  {
    id: 'output-limit',
    claim: 'Output over 512 kB is cut; which end is lost is not documented',
    status: 'documented',
    source: 'learn.microsoft.com/azure/aks/access-private-cluster, "Limitations"',
    leansOn: [LAUNCHER, 'shared/command/launcher/frames.ts'],
    ifWrong: 'frames at both ends keep exit code and lengths; a smaller limit costs output, and the record says so',
    probe: 'cut',
  },
  {
    id: 'cluster-view',
    claim:
      'powerState, provisioningState, disableRunCommand and aadProfile.managed tell whether and how a command can run',
    status: 'documented',
    source: 'learn.microsoft.com/rest/api/aks/managed-clusters/get',
    leansOn: ['shared/relay/cluster-view.ts', 'shared/relay/authorise.ts'],
    ifWrong: "Azure's own refusal of the POST is told instead",
    probe: 'view',
  },
  {
    id: 'entra-token',
    claim:
      'Clusters with managed Entra integration want clusterToken, for the application 6dae42f8-4368-4678-94ff-3960e28e3630 in every cloud',
    status: 'documented',
    source: 'learn.microsoft.com/azure/aks/kubelogin-authentication; azure-rest-api-specs#22467',
    leansOn: ['shared/relay/authorise.ts', 'shared/relay/on-behalf-of.ts'],
    ifWrong: 'MissingAADClusterToken or InvalidAADClusterToken: nothing runs',
    probe: 'pod',
  },
  {
    id: 'throttle-bucket',
    claim:
      'runCommand and commandResults share the bucket "all other APIs": 60 at once and 1 a second, per subscription and region',
    status: 'unproven',
    source:
      'learn.microsoft.com/azure/aks/quotas-skus-regions, "Throttling limits": documented, but not which bucket these are in',
    leansOn: ['shared/relay/budget/bucket.ts'],
    ifWrong: 'a larger bucket is not used up; a smaller one gives 429s, from which the pace is learnt',
    probe: 'none',
  },
  {
    id: 'throttle-view',
    claim: 'GET managedClusters has a bucket of its own, per cluster',
    status: 'unproven',
    source: 'learn.microsoft.com/azure/aks/quotas-skus-regions, "Throttling limits"',
    leansOn: ['shared/relay/create.ts'],
    ifWrong: 'one more request a minute for each cluster in use; its 429s are learnt from',
    probe: 'none',
  },
  {
    id: 'refused-means-not-started',
    claim:
      'The errors that the catalogue calls "not started" come before a pod is made; every other one may come after, a 4xx that nobody knows too',
    status: 'unproven',
    source:
      'public issues; HTTP statuses are not shown in all of them. ARM documents a 4xx as a refusal, azure-cli#27776 shows one after the pod was made',
    leansOn: ['shared/relay/catalogue.ts'],
    ifWrong:
      'a command that ran would be told as not started: so only errors of validation, rights, form and size are in that part; a refusal that is not in it ends as unknown, and costs a look at the cluster',
    probe: 'none',
  },
  {
    id: 'failure-cause',
    claim:
      'x-ms-failure-cause: gateway on a 4xx means that Azure Resource Manager refused by itself, and AKS was not asked',
    status: 'observed',
    source: 'public recordings of ARM (404 ResourceNotFound, 403 of a policy), the header itself is not documented',
    leansOn: ['shared/relay/catalogue.ts', ANSWERS],
    ifWrong: 'a 4xx of AKS that the gateway does not know would be told as not started',
    probe: 'none',
  },
  {
    id: 'throttled-means-not-taken',
    claim: 'A 429 on the POST means that the command was not taken and may be sent again',
    status: 'documented',
    source: 'learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling',
    leansOn: ['shared/relay/create.ts'],
    ifWrong: 'a command might run twice',
    probe: 'none',
  },
  {
    id: 'pod-of-a-command',
    claim: "A command's pod is command-<id> in the namespace aks-command, and its container user-command",
    status: 'observed',
    source: 'azure-cli issues with `kubectl describe pod`, 2021–2024',
    leansOn: ['shared/gateway/cancel-running.ts'],
    ifWrong: 'a cancel finds no pod: the command goes on until its time limit',
    probe: 'exec',
  },
  {
    id: 'pods-stay',
    claim: 'The pod of a command stays for 15 minutes after its end, with its spec, and a command may list such pods',
    status: 'observed',
    source: 'azure-cli issues; nothing documents for how long',
    leansOn: ['shared/gateway/settle-unknown.ts'],
    ifWrong: 'what is unknown stays unknown, and the record says that it was looked for',
    probe: 'exec',
  },
  {
    id: 'exec-into-pods',
    claim: 'A command may use kubectl exec on the pods of run command, and a signal there reaches what runs in them',
    status: 'unproven',
    source: 'the service account of run command is bound to cluster-admin; nothing is said of exec',
    leansOn: ['shared/gateway/cancel-running.ts'],
    ifWrong:
      'the pod is deleted instead, and its output may be lost; then cancel is off for an hour on that cluster (cancel-unavailable)',
    probe: 'exec',
  },
  {
    id: 'post-blocks',
    claim: 'The POST may take 30 to 60 s to be answered, and never more than 90 s',
    status: 'unproven',
    source: 'azure-cli#27776: the start error comes in answer to the POST',
    leansOn: [RUN],
    ifWrong: 'such a command ends as unknown',
    probe: 'launcher',
  },
  {
    id: 'context-size',
    claim: 'ARM takes requests of up to 4 MiB; the context has no smaller limit',
    status: 'unproven',
    source: 'azure-cli#22870 (413 with a large chart)',
    leansOn: ['shared/command/launcher/context-zip.ts'],
    ifWrong: '413, told as payload-too-large: nothing runs',
    probe: 'none',
  },
  {
    id: 'activity-log-id',
    claim:
      "The Activity Log's entry of a run carries an id that the POST's answer had: x-ms-request-id, or the command's own",
    status: 'unproven',
    source: 'learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema',
    leansOn: ['shared/audit/verify/reconcile.ts'],
    ifWrong: 'reconcile matches no run, and says that this is false',
    probe: 'none',
  },
  {
    id: 'version-calendar',
    claim: 'Azure ends the support of each minor version of Kubernetes in the month that its calendar names',
    status: 'unproven',
    source: 'learn.microsoft.com/azure/aks/supported-kubernetes-versions, "AKS Kubernetes release calendar"',
    leansOn: ['shared/health/versions.ts'],
    ifWrong: 'a look at a cluster tells the end of support a month or two early or late; nothing else depends on it',
    probe: 'none',
  },
  {
    id: 'tunnel-names',
    claim:
      'The tunnel of the control plane is a deployment in kube-system called konnectivity-agent, aks-link or tunnelfront',
    status: 'observed',
    source: 'public listings of kube-system on AKS clusters, 2019–2026',
    leansOn: ['shared/health/parts/tunnel.ts'],
    ifWrong: 'a look at a cluster says that the tunnel is missing',
    probe: 'none',
  },
  {
    id: 'insights-entra',
    claim:
      'Application Insights takes telemetry with a token for https://monitor.azure.com/.default, of an identity that has Monitoring Metrics Publisher there',
    status: 'documented',
    source: 'learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication',
    leansOn: ['shared/telemetry/sdk/azure-monitor.ts'],
    ifWrong: 'exports fail: they are counted, told in the log, and lost; commands run as before',
    probe: 'none',
  },
] as const satisfies readonly Assumption[];

export const assumptions: readonly Assumption[] = rows;
export type AssumptionId = (typeof rows)[number]['id'];
