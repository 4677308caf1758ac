import { at, list, object, text, type KubeObject } from './json.ts';

/** One resource type that the API serves. */
export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly string[];
  /** `create` alone for reviews, `get list` for metrics; otherwise every verb. */
  readonly verbs: readonly string[];
}

const everyVerb = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** resource | Kind | short names | c(luster) n(amespaced) | sub-resources; `+` before the name joins the category `all`. */
const builtIn: Readonly<Record<string, readonly string[]>> = {
  v1: [
    'configmaps|ConfigMap|cm|n|',
    'endpoints|Endpoints|ep|n|',
    'events|Event|ev|n|',
    'limitranges|LimitRange|limits|n|',
    'namespaces|Namespace|ns|c|finalize status',
    'nodes|Node|no|c|proxy status',
    'persistentvolumeclaims|PersistentVolumeClaim|pvc|n|status',
    'persistentvolumes|PersistentVolume|pv|c|status',
    '+pods|Pod|po|n|attach binding ephemeralcontainers eviction exec log portforward proxy resize status',
    'podtemplates|PodTemplate||n|',
    '+replicationcontrollers|ReplicationController|rc|n|scale status',
    'resourcequotas|ResourceQuota|quota|n|status',
    'secrets|Secret||n|',
    'serviceaccounts|ServiceAccount|sa|n|token',
    '+services|Service|svc|n|proxy status',
  ],
  'apps/v1': [
    'controllerrevisions|ControllerRevision||n|',
    '+daemonsets|DaemonSet|ds|n|status',
    '+deployments|Deployment|deploy|n|scale status',
    '+replicasets|ReplicaSet|rs|n|scale status',
    '+statefulsets|StatefulSet|sts|n|scale status',
  ],
  'events.k8s.io/v1': ['events|Event|ev|n|'],
  'autoscaling/v2': ['+horizontalpodautoscalers|HorizontalPodAutoscaler|hpa|n|status'],
  'autoscaling/v1': ['+horizontalpodautoscalers|HorizontalPodAutoscaler|hpa|n|status'],
  'batch/v1': ['+cronjobs|CronJob|cj|n|status', '+jobs|Job||n|status'],
  'networking.k8s.io/v1': [
    'ingressclasses|IngressClass||c|',
    'ingresses|Ingress|ing|n|status',
    'networkpolicies|NetworkPolicy|netpol|n|',
  ],
  'policy/v1': ['poddisruptionbudgets|PodDisruptionBudget|pdb|n|status'],
  'rbac.authorization.k8s.io/v1': [
    'clusterrolebindings|ClusterRoleBinding||c|',
    'clusterroles|ClusterRole||c|',
    'rolebindings|RoleBinding||n|',
    'roles|Role||n|',
  ],
  'storage.k8s.io/v1': [
    'csidrivers|CSIDriver||c|',
    'csinodes|CSINode||c|',
    'csistoragecapacities|CSIStorageCapacity||n|',
    'storageclasses|StorageClass|sc|c|',
    'volumeattachments|VolumeAttachment||c|status',
  ],
  'admissionregistration.k8s.io/v1': [
    'mutatingwebhookconfigurations|MutatingWebhookConfiguration||c|',
    'validatingadmissionpolicies|ValidatingAdmissionPolicy||c|status',
    'validatingadmissionpolicybindings|ValidatingAdmissionPolicyBinding||c|',
    'validatingwebhookconfigurations|ValidatingWebhookConfiguration||c|',
  ],
  'apiextensions.k8s.io/v1': ['customresourcedefinitions|CustomResourceDefinition|crd crds|c|status'],
  'apiregistration.k8s.io/v1': ['apiservices|APIService||c|status'],
  'certificates.k8s.io/v1': ['certificatesigningrequests|CertificateSigningRequest|csr|c|approval status'],
  'coordination.k8s.io/v1': ['leases|Lease||n|'],
  'discovery.k8s.io/v1': ['endpointslices|EndpointSlice||n|'],
  'flowcontrol.apiserver.k8s.io/v1': [
    'flowschemas|FlowSchema||c|status',
    'prioritylevelconfigurations|PriorityLevelConfiguration||c|status',
  ],
  'node.k8s.io/v1': ['runtimeclasses|RuntimeClass||c|'],
  'scheduling.k8s.io/v1': ['priorityclasses|PriorityClass|pc|c|'],
  'authentication.k8s.io/v1': ['selfsubjectreviews|SelfSubjectReview||c|', 'tokenreviews|TokenReview||c|'],
  'authorization.k8s.io/v1': [
    'localsubjectaccessreviews|LocalSubjectAccessReview||n|',
    'selfsubjectaccessreviews|SelfSubjectAccessReview||c|',
    'selfsubjectrulesreviews|SelfSubjectRulesReview||c|',
    'subjectaccessreviews|SubjectAccessReview||c|',
  ],
  'metrics.k8s.io/v1beta1': ['nodes|NodeMetrics||c|', 'pods|PodMetrics||n|'],
};

const restrictedVerbs: Readonly<Record<string, readonly string[]>> = {
  'authentication.k8s.io': ['create'],
  'authorization.k8s.io': ['create'],
  'metrics.k8s.io': ['get', 'list'],
};

const words = (value: string): string[] => value.split(' ').filter((word) => word !== '');

export const builtInKinds: readonly Kind[] = Object.entries(builtIn).flatMap(([groupVersion, rows]) => {
  const [group, version] = splitGroupVersion(groupVersion);
  return rows.map((row): Kind => {
    const [name = '', kind = '', shortNames = '', scope = '', subresources = ''] = row.split('|');
    return {
      group,
      version,
      resource: name.replace('+', ''),
      kind,
      namespaced: scope === 'n',
      shortNames: words(shortNames),
      categories: name.startsWith('+') ? ['all'] : [],
      subresources: words(subresources),
      verbs: restrictedVerbs[group] ?? everyVerb,
    };
  });
});

/** Throws Error for a kind that is not built in. */
export function kindNamed(name: string): Kind {
  const found = builtInKinds.find((kind) => kind.kind === name);
  if (!found) throw new Error(`no built-in kind ${name}`);
  return found;
}

/** `apps/v1` → ['apps', 'v1']; `v1` → ['', 'v1']. */
export function splitGroupVersion(groupVersion: string): [group: string, version: string] {
  const [first = '', second] = groupVersion.split('/');
  return second === undefined ? ['', first] : [first, second];
}

export const groupVersion = ({ group, version }: Pick<Kind, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

/** The kinds that a CustomResourceDefinition adds, one for each served version. */
export function customKinds(definition: KubeObject): Kind[] {
  const names = at(definition, 'spec', 'names');
  const words = (key: string) => list(at(names, key)).map((word) => text(word));
  return list(at(definition, 'spec', 'versions'))
    .filter((version) => at(version, 'served') !== false)
    .map((version) => ({
      group: text(at(definition, 'spec', 'group')),
      version: text(at(version, 'name')),
      resource: text(at(names, 'plural')),
      kind: text(at(names, 'kind')),
      namespaced: at(definition, 'spec', 'scope') === 'Namespaced',
      shortNames: words('shortNames'),
      categories: words('categories'),
      subresources: Object.keys(object(at(version, 'subresources'))),
      verbs: everyVerb,
    }));
}
