/**
 * The one table of Kubernetes' resources: configuration, commands and the emulated API server read it. In the order of discovery. What
 * an AKS cluster of Kubernetes 1.29 to 1.34 serves without further installation, from the API server's own discovery
 * documents: `resource|Kind|shortNames|subresources`. A group's first version is the one that is sent; the further ones are read
 * in manifests only. Alpha resources are left out: AKS does not switch them on.
 */
interface Group {
  readonly group: string;
  readonly versions: readonly string[];
  readonly namespaced?: readonly string[];
  readonly clusterScoped?: readonly string[];
}

export const groups: readonly Group[] = [
  {
    group: '',
    versions: ['v1'],
    namespaced: [
      'bindings|Binding||',
      'configmaps|ConfigMap|cm|',
      'endpoints|Endpoints|ep|',
      'events|Event|ev|',
      'limitranges|LimitRange|limits|',
      'persistentvolumeclaims|PersistentVolumeClaim|pvc|status',
      'pods|Pod|po|attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status',
      'podtemplates|PodTemplate||',
      'replicationcontrollers|ReplicationController|rc|scale,status',
      'resourcequotas|ResourceQuota|quota|status',
      'secrets|Secret||',
      'serviceaccounts|ServiceAccount|sa|token',
      'services|Service|svc|proxy,status',
    ],
    clusterScoped: [
      'componentstatuses|ComponentStatus|cs|',
      'namespaces|Namespace|ns|finalize,status',
      'nodes|Node|no|proxy,status',
      'persistentvolumes|PersistentVolume|pv|status',
    ],
  },
  {
    group: 'apps',
    versions: ['v1'],
    namespaced: [
      'controllerrevisions|ControllerRevision||',
      'daemonsets|DaemonSet|ds|status',
      'deployments|Deployment|deploy|scale,status',
      'replicasets|ReplicaSet|rs|scale,status',
      'statefulsets|StatefulSet|sts|scale,status',
    ],
  },
  { group: 'events.k8s.io', versions: ['v1'], namespaced: ['events|Event|ev|'] },
  {
    group: 'autoscaling',
    versions: ['v2', 'v1'],
    namespaced: ['horizontalpodautoscalers|HorizontalPodAutoscaler|hpa|status'],
  },
  {
    group: 'batch',
    versions: ['v1'],
    namespaced: ['cronjobs|CronJob|cj|status', 'jobs|Job||status'],
  },
  {
    group: 'networking.k8s.io',
    versions: ['v1'],
    namespaced: ['ingresses|Ingress|ing|status', 'networkpolicies|NetworkPolicy|netpol|'],
    clusterScoped: ['ingressclasses|IngressClass||', 'ipaddresses|IPAddress|ip|', 'servicecidrs|ServiceCIDR||status'],
  },
  { group: 'policy', versions: ['v1'], namespaced: ['poddisruptionbudgets|PodDisruptionBudget|pdb|status'] },
  {
    group: 'rbac.authorization.k8s.io',
    versions: ['v1'],
    namespaced: ['rolebindings|RoleBinding||', 'roles|Role||'],
    clusterScoped: ['clusterrolebindings|ClusterRoleBinding||', 'clusterroles|ClusterRole||'],
  },
  {
    group: 'storage.k8s.io',
    versions: ['v1'],
    namespaced: ['csistoragecapacities|CSIStorageCapacity||'],
    clusterScoped: [
      'csidrivers|CSIDriver||',
      'csinodes|CSINode||',
      'storageclasses|StorageClass|sc|',
      'volumeattachments|VolumeAttachment||status',
      'volumeattributesclasses|VolumeAttributesClass|vac|',
    ],
  },
  {
    group: 'admissionregistration.k8s.io',
    versions: ['v1', 'v1beta1'],
    clusterScoped: [
      'mutatingwebhookconfigurations|MutatingWebhookConfiguration||',
      'validatingadmissionpolicies|ValidatingAdmissionPolicy||status',
      'validatingadmissionpolicybindings|ValidatingAdmissionPolicyBinding||',
      'validatingwebhookconfigurations|ValidatingWebhookConfiguration||',
    ],
  },
  {
    group: 'apiextensions.k8s.io',
    versions: ['v1'],
    clusterScoped: ['customresourcedefinitions|CustomResourceDefinition|crd,crds|status'],
  },
  { group: 'apiregistration.k8s.io', versions: ['v1'], clusterScoped: ['apiservices|APIService||status'] },
  {
    group: 'certificates.k8s.io',
    versions: ['v1'],
    clusterScoped: ['certificatesigningrequests|CertificateSigningRequest|csr|approval,status'],
  },
  { group: 'coordination.k8s.io', versions: ['v1'], namespaced: ['leases|Lease||'] },
  { group: 'discovery.k8s.io', versions: ['v1'], namespaced: ['endpointslices|EndpointSlice||'] },
  {
    group: 'flowcontrol.apiserver.k8s.io',
    versions: ['v1', 'v1beta3'],
    clusterScoped: ['flowschemas|FlowSchema||status', 'prioritylevelconfigurations|PriorityLevelConfiguration||status'],
  },
  { group: 'node.k8s.io', versions: ['v1'], clusterScoped: ['runtimeclasses|RuntimeClass||'] },
  { group: 'scheduling.k8s.io', versions: ['v1'], clusterScoped: ['priorityclasses|PriorityClass|pc|'] },
  {
    group: 'authentication.k8s.io',
    versions: ['v1'],
    clusterScoped: ['selfsubjectreviews|SelfSubjectReview||', 'tokenreviews|TokenReview||'],
  },
  {
    group: 'authorization.k8s.io',
    versions: ['v1'],
    namespaced: ['localsubjectaccessreviews|LocalSubjectAccessReview||'],
    clusterScoped: [
      'selfsubjectaccessreviews|SelfSubjectAccessReview||',
      'selfsubjectrulesreviews|SelfSubjectRulesReview||',
      'subjectaccessreviews|SubjectAccessReview||',
    ],
  },
  // Dynamic resource allocation: v1 since 1.34.
  {
    group: 'resource.k8s.io',
    versions: ['v1', 'v1beta2', 'v1beta1'],
    namespaced: ['resourceclaims|ResourceClaim||status', 'resourceclaimtemplates|ResourceClaimTemplate||'],
    clusterScoped: ['deviceclasses|DeviceClass||', 'resourceslices|ResourceSlice||'],
  },
  // metrics-server, which every AKS cluster has.
  {
    group: 'metrics.k8s.io',
    versions: ['v1beta1'],
    namespaced: ['pods|PodMetrics||'],
    clusterScoped: ['nodes|NodeMetrics||'],
  },
];

/** The category `all`, in the order in which kubectl asks (discovery order). A CRD may join it in a cluster; not here. */
export const categoryAll: readonly string[] = [
  'pods',
  'replicationcontrollers',
  'services',
  'daemonsets.apps',
  'deployments.apps',
  'replicasets.apps',
  'statefulsets.apps',
  'horizontalpodautoscalers.autoscaling',
  'cronjobs.batch',
  'jobs.batch',
];

/**
 * Names that rules use and that no object is stored under: a signer (certificates.k8s.io, `approve` and `sign`), a helm release, what is
 * the gateway's own.
 */
export const virtualResources: readonly string[] = [
  'signers.certificates.k8s.io',
  'releases.helm.sh',
  'jobs.aksgw',
  'commands.aksgw',
  'webhooks.aksgw',
];
