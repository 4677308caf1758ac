import type { ExtraResource } from './resources.ts';

/**
 * Custom resources that many clusters have, so that a configuration can name one by `resource.group`. From the CRDs that each project
 * publishes: `resource|Kind|short names`. The version is the one that is sent; a cluster with another one spells the resource out.
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
    group: 'velero.io',
    version: 'v1',
    namespaced: ['backups|Backup|', 'restores|Restore|', 'schedules|Schedule|'],
  },
];

/** By `resource.group`. */
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
