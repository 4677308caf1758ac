import type { ExtraResource } from './extra-resource.ts';

/**
 * Custom resources that many clusters have: what comes with AKS and its add-ons, and what people install most. Known on every cluster, by the CRDs
 * that each project publishes: `resource|Kind|short names`. The version is the one that is sent; a cluster with another one spells the resource
 * out, or has its own definitions read (`resources: discover`).
 */
interface CustomGroup {
  readonly group: string;
  readonly version: string;
  readonly namespaced?: readonly string[];
  readonly clusterScoped?: readonly string[];
}

const groups: readonly CustomGroup[] = [
  {
    group: 'cert-manager.io',
    version: 'v1',
    namespaced: [
      'certificates|Certificate|cert,certs',
      'certificaterequests|CertificateRequest|cr,crs',
      'issuers|Issuer|',
    ],
    clusterScoped: ['clusterissuers|ClusterIssuer|'],
  },
  { group: 'acme.cert-manager.io', version: 'v1', namespaced: ['challenges|Challenge|', 'orders|Order|'] },
  {
    group: 'argoproj.io',
    version: 'v1alpha1',
    namespaced: [
      'applications|Application|app,apps',
      'applicationsets|ApplicationSet|appset,appsets',
      'appprojects|AppProject|appproj,appprojs',
      'rollouts|Rollout|ro',
      'analysisruns|AnalysisRun|ar',
      'analysistemplates|AnalysisTemplate|at',
      'workflows|Workflow|wf',
      'workflowtemplates|WorkflowTemplate|wftmpl',
      'cronworkflows|CronWorkflow|cwf,cronwf',
    ],
  },
  { group: 'kustomize.toolkit.fluxcd.io', version: 'v1', namespaced: ['kustomizations|Kustomization|ks'] },
  { group: 'helm.toolkit.fluxcd.io', version: 'v2', namespaced: ['helmreleases|HelmRelease|hr'] },
  {
    group: 'source.toolkit.fluxcd.io',
    version: 'v1',
    namespaced: [
      'buckets|Bucket|',
      'gitrepositories|GitRepository|gitrepo',
      'helmcharts|HelmChart|hc',
      'helmrepositories|HelmRepository|helmrepo',
      'ocirepositories|OCIRepository|ocirepo',
    ],
  },
  {
    group: 'gateway.networking.k8s.io',
    version: 'v1',
    namespaced: ['gateways|Gateway|gtw', 'grpcroutes|GRPCRoute|', 'httproutes|HTTPRoute|'],
    clusterScoped: ['gatewayclasses|GatewayClass|gc'],
  },
  {
    group: 'monitoring.coreos.com',
    version: 'v1',
    namespaced: [
      'alertmanagers|Alertmanager|am',
      'podmonitors|PodMonitor|pmon',
      'probes|Probe|prb',
      'prometheuses|Prometheus|prom',
      'prometheusrules|PrometheusRule|promrule',
      'servicemonitors|ServiceMonitor|smon',
    ],
  },
  {
    group: 'external-secrets.io',
    version: 'v1',
    namespaced: ['externalsecrets|ExternalSecret|es', 'secretstores|SecretStore|ss'],
    clusterScoped: ['clusterexternalsecrets|ClusterExternalSecret|ces', 'clustersecretstores|ClusterSecretStore|css'],
  },
  { group: 'bitnami.com', version: 'v1alpha1', namespaced: ['sealedsecrets|SealedSecret|'] },
  {
    group: 'secrets-store.csi.x-k8s.io',
    version: 'v1',
    namespaced: [
      'secretproviderclasses|SecretProviderClass|',
      'secretproviderclasspodstatuses|SecretProviderClassPodStatus|',
    ],
  },
  {
    group: 'keda.sh',
    version: 'v1alpha1',
    namespaced: [
      'scaledjobs|ScaledJob|sj',
      'scaledobjects|ScaledObject|so',
      'triggerauthentications|TriggerAuthentication|ta,triggerauth',
    ],
    clusterScoped: ['clustertriggerauthentications|ClusterTriggerAuthentication|cta,clustertriggerauth'],
  },
  {
    group: 'autoscaling.k8s.io',
    version: 'v1',
    namespaced: [
      'verticalpodautoscalers|VerticalPodAutoscaler|vpa',
      'verticalpodautoscalercheckpoints|VerticalPodAutoscalerCheckpoint|vpacheckpoint',
    ],
  },
  {
    group: 'snapshot.storage.k8s.io',
    version: 'v1',
    namespaced: ['volumesnapshots|VolumeSnapshot|vs'],
    clusterScoped: [
      'volumesnapshotclasses|VolumeSnapshotClass|vsclass,vsclasses',
      'volumesnapshotcontents|VolumeSnapshotContent|vsc,vscs',
    ],
  },
  {
    group: 'networking.istio.io',
    version: 'v1',
    namespaced: [
      'destinationrules|DestinationRule|dr',
      'gateways|Gateway|gw',
      'serviceentries|ServiceEntry|se',
      'sidecars|Sidecar|',
      'virtualservices|VirtualService|vs',
    ],
  },
  {
    group: 'security.istio.io',
    version: 'v1',
    namespaced: [
      'authorizationpolicies|AuthorizationPolicy|ap',
      'peerauthentications|PeerAuthentication|pa',
      'requestauthentications|RequestAuthentication|ra',
    ],
  },
  {
    group: 'argoproj.io',
    version: 'v1alpha1',
    namespaced: ['eventsources|EventSource|', 'sensors|Sensor|'],
    clusterScoped: [
      'clusterworkflowtemplates|ClusterWorkflowTemplate|cwft',
      'clusteranalysistemplates|ClusterAnalysisTemplate|cat',
    ],
  },
  {
    group: 'notification.toolkit.fluxcd.io',
    version: 'v1beta3',
    namespaced: ['alerts|Alert|', 'providers|Provider|'],
  },
  { group: 'notification.toolkit.fluxcd.io', version: 'v1', namespaced: ['receivers|Receiver|'] },
  {
    group: 'image.toolkit.fluxcd.io',
    version: 'v1beta2',
    namespaced: [
      'imagepolicies|ImagePolicy|imgpol',
      'imagerepositories|ImageRepository|imgrepo',
      'imageupdateautomations|ImageUpdateAutomation|iua',
    ],
  },
  // AKS' extension for Flux.
  { group: 'clusterconfig.azure.com', version: 'v1beta1', namespaced: ['fluxconfigs|FluxConfig|'] },
  {
    group: 'gateway.networking.k8s.io',
    version: 'v1beta1',
    namespaced: ['referencegrants|ReferenceGrant|refgrant'],
  },
  {
    group: 'gateway.networking.k8s.io',
    version: 'v1alpha2',
    namespaced: ['tcproutes|TCPRoute|', 'tlsroutes|TLSRoute|', 'udproutes|UDPRoute|'],
  },
  {
    group: 'monitoring.coreos.com',
    version: 'v1alpha1',
    namespaced: [
      'alertmanagerconfigs|AlertmanagerConfig|amcfg',
      'prometheusagents|PrometheusAgent|promagent',
      'scrapeconfigs|ScrapeConfig|scfg',
    ],
  },
  { group: 'monitoring.coreos.com', version: 'v1', namespaced: ['thanosrulers|ThanosRuler|ruler'] },
  // Azure Monitor's managed Prometheus.
  {
    group: 'azmonitoring.coreos.com',
    version: 'v1',
    namespaced: ['podmonitors|PodMonitor|', 'servicemonitors|ServiceMonitor|'],
  },
  { group: 'eventing.keda.sh', version: 'v1alpha1', namespaced: ['cloudeventsources|CloudEventSource|'] },
  {
    group: 'networking.istio.io',
    version: 'v1',
    namespaced: ['workloadentries|WorkloadEntry|we', 'workloadgroups|WorkloadGroup|wg'],
  },
  { group: 'networking.istio.io', version: 'v1alpha3', namespaced: ['envoyfilters|EnvoyFilter|'] },
  { group: 'telemetry.istio.io', version: 'v1', namespaced: ['telemetries|Telemetry|telemetry'] },
  { group: 'extensions.istio.io', version: 'v1alpha1', namespaced: ['wasmplugins|WasmPlugin|'] },
  {
    group: 'cilium.io',
    version: 'v2',
    namespaced: [
      'ciliumendpoints|CiliumEndpoint|cep,ciliumep',
      'ciliumnetworkpolicies|CiliumNetworkPolicy|cnp,ciliumnp',
    ],
    clusterScoped: [
      'ciliumclusterwidenetworkpolicies|CiliumClusterwideNetworkPolicy|ccnp',
      'ciliumidentities|CiliumIdentity|ciliumid',
      'ciliumnodes|CiliumNode|cn,ciliumn',
    ],
  },
  {
    group: 'crd.projectcalico.org',
    version: 'v1',
    clusterScoped: ['globalnetworkpolicies|GlobalNetworkPolicy|', 'ippools|IPPool|'],
  },
  {
    group: 'operator.tigera.io',
    version: 'v1',
    clusterScoped: ['installations|Installation|', 'tigerastatuses|TigeraStatus|ts'],
  },
  // Node auto-provisioning.
  { group: 'karpenter.sh', version: 'v1', clusterScoped: ['nodeclaims|NodeClaim|', 'nodepools|NodePool|'] },
  { group: 'karpenter.azure.com', version: 'v1beta1', clusterScoped: ['aksnodeclasses|AKSNodeClass|aksnc,aksncs'] },
  { group: 'templates.gatekeeper.sh', version: 'v1', clusterScoped: ['constrainttemplates|ConstraintTemplate|'] },
  { group: 'config.gatekeeper.sh', version: 'v1alpha1', namespaced: ['configs|Config|config'] },
  {
    group: 'mutations.gatekeeper.sh',
    version: 'v1',
    clusterScoped: ['assign|Assign|', 'assignmetadata|AssignMetadata|', 'modifyset|ModifySet|'],
  },
  {
    // Constraints of the policies that Azure Policy assigns most; their kinds are the templates' own.
    group: 'constraints.gatekeeper.sh',
    version: 'v1beta1',
    clusterScoped: [
      'k8sazurev2containerallowedimages|K8sAzureV2ContainerAllowedImages|',
      'k8sazurev2noprivilege|K8sAzureV2NoPrivilege|',
      'k8sazurev3containerlimits|K8sAzureV3ContainerLimits|',
      'k8sazurev3disallowedcapabilities|K8sAzureV3DisallowedCapabilities|',
      'k8sazurev3hostnetworkingports|K8sAzureV3HostNetworkingPorts|',
      'k8sazurev3noprivilegeescalation|K8sAzureV3NoPrivilegeEscalation|',
      'k8sazurev3readonlyrootfilesystem|K8sAzureV3ReadOnlyRootFilesystem|',
    ],
  },
  {
    group: 'approuting.kubernetes.azure.com',
    version: 'v1alpha1',
    clusterScoped: ['nginxingresscontrollers|NginxIngressController|nic'],
  },
  {
    group: 'appgw.ingress.k8s.io',
    version: 'v1',
    namespaced: ['azureingressprohibitedtargets|AzureIngressProhibitedTarget|'],
  },
  {
    group: 'alb.networking.azure.io',
    version: 'v1',
    namespaced: [
      'applicationloadbalancers|ApplicationLoadBalancer|alb',
      'backendtlspolicies|BackendTLSPolicy|',
      'frontendtlspolicies|FrontendTLSPolicy|',
      'healthcheckpolicies|HealthCheckPolicy|',
      'routepolicies|RoutePolicy|',
    ],
  },
  {
    group: 'aadpodidentity.k8s.io',
    version: 'v1',
    namespaced: [
      'azureassignedidentities|AzureAssignedIdentity|',
      'azureidentities|AzureIdentity|',
      'azureidentitybindings|AzureIdentityBinding|',
      'azurepodidentityexceptions|AzurePodIdentityException|',
    ],
  },
  { group: 'acn.azure.com', version: 'v1alpha', namespaced: ['nodenetworkconfigs|NodeNetworkConfig|nnc'] },
  { group: 'eraser.sh', version: 'v1', clusterScoped: ['imagejobs|ImageJob|', 'imagelists|ImageList|'] },
  {
    group: 'dapr.io',
    version: 'v1alpha1',
    namespaced: ['components|Component|', 'configurations|Configuration|', 'resiliencies|Resiliency|'],
  },
  { group: 'dapr.io', version: 'v2alpha1', namespaced: ['subscriptions|Subscription|'] },
  {
    group: 'kyverno.io',
    version: 'v1',
    namespaced: ['policies|Policy|pol'],
    clusterScoped: ['clusterpolicies|ClusterPolicy|cpol'],
  },
  {
    group: 'wgpolicyk8s.io',
    version: 'v1alpha2',
    namespaced: ['policyreports|PolicyReport|polr'],
    clusterScoped: ['clusterpolicyreports|ClusterPolicyReport|cpolr'],
  },
  {
    group: 'traefik.io',
    version: 'v1alpha1',
    namespaced: ['ingressroutes|IngressRoute|', 'middlewares|Middleware|', 'tlsoptions|TLSOption|'],
  },
  { group: 'externaldns.k8s.io', version: 'v1alpha1', namespaced: ['dnsendpoints|DNSEndpoint|'] },
  {
    group: 'velero.io',
    version: 'v1',
    namespaced: ['backups|Backup|', 'restores|Restore|', 'schedules|Schedule|'],
  },
];

/** By `resource.group`; of two that share a word the earlier one has it. */
export const wellKnownCustomResources: ReadonlyMap<string, ExtraResource> = new Map(
  groups.flatMap(({ group, version, namespaced = [], clusterScoped = [] }) => {
    const read = (row: string, inNamespace: boolean): [string, ExtraResource] => {
      const [resource = '', kind = '', words = ''] = row.split('|');
      const shortNames = words === '' ? [] : words.split(',');
      return [`${resource}.${group}`, { group, version, resource, kind, namespaced: inNamespace, shortNames }];
    };
    return [...namespaced.map((row) => read(row, true)), ...clusterScoped.map((row) => read(row, false))];
  }),
);
