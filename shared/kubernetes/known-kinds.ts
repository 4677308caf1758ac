import { parseResourcePattern, type ResourcePattern } from './resource-pattern.ts';
import { nearest } from '../lib/suggest.ts';

/**
 * What can be asked of a cluster by name (Kubernetes 1.33, metrics-server, and the releases that stand for helm), by API
 * group, each with its sub-resources. A rule that names anything else would never match, and a deny that never matches is a
 * hole: so it is refused while the file is read.
 */
const groups: Readonly<Record<string, string>> = {
  '': `bindings componentstatuses configmaps endpoints events limitranges namespaces/finalize,status nodes/proxy,status
    persistentvolumeclaims/status persistentvolumes/status
    pods/attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status podtemplates
    replicationcontrollers/scale,status resourcequotas/status secrets serviceaccounts/token services/proxy,status`,
  'admissionregistration.k8s.io': `mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations
    validatingadmissionpolicies/status validatingadmissionpolicybindings validatingwebhookconfigurations`,
  'apiextensions.k8s.io': 'customresourcedefinitions/status',
  'apiregistration.k8s.io': 'apiservices/status',
  apps: `controllerrevisions daemonsets/status deployments/scale,status replicasets/scale,status
    statefulsets/scale,status`,
  'authentication.k8s.io': 'selfsubjectreviews tokenreviews',
  'authorization.k8s.io':
    'localsubjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews',
  autoscaling: 'horizontalpodautoscalers/status',
  batch: 'cronjobs/status jobs/status',
  'certificates.k8s.io': 'certificatesigningrequests/approval,status clustertrustbundles signers',
  'coordination.k8s.io': 'leasecandidates leases',
  'discovery.k8s.io': 'endpointslices',
  'events.k8s.io': 'events',
  'flowcontrol.apiserver.k8s.io': 'flowschemas/status prioritylevelconfigurations/status',
  'helm.sh': 'releases',
  'internal.apiserver.k8s.io': 'storageversions/status',
  'metrics.k8s.io': 'nodes pods',
  'networking.k8s.io': 'ingressclasses ingresses/status ipaddresses networkpolicies servicecidrs/status',
  'node.k8s.io': 'runtimeclasses',
  policy: 'poddisruptionbudgets/status',
  'rbac.authorization.k8s.io': 'clusterrolebindings clusterroles rolebindings roles',
  'resource.k8s.io': 'deviceclasses resourceclaims/binding,status resourceclaimtemplates resourceslices',
  'scheduling.k8s.io': 'priorityclasses',
  'storage.k8s.io': `csidrivers csinodes csistoragecapacities storageclasses volumeattachments/status
    volumeattributesclasses`,
  'storagemigration.k8s.io': 'storageversionmigrations/status',
};

/** What people write for a resource on the command line, and what a rule has to say. */
const shortNames: Readonly<Record<string, string>> = {
  cj: 'cronjobs.batch',
  cm: 'configmaps',
  crd: 'customresourcedefinitions.apiextensions.k8s.io',
  crds: 'customresourcedefinitions.apiextensions.k8s.io',
  cs: 'componentstatuses',
  csr: 'certificatesigningrequests.certificates.k8s.io',
  deploy: 'deployments.apps',
  ds: 'daemonsets.apps',
  ep: 'endpoints',
  ev: 'events',
  helm: 'releases.helm.sh',
  hpa: 'horizontalpodautoscalers.autoscaling',
  ing: 'ingresses.networking.k8s.io',
  ip: 'ipaddresses.networking.k8s.io',
  limits: 'limitranges',
  netpol: 'networkpolicies.networking.k8s.io',
  no: 'nodes',
  ns: 'namespaces',
  pc: 'priorityclasses.scheduling.k8s.io',
  pdb: 'poddisruptionbudgets.policy',
  po: 'pods',
  pv: 'persistentvolumes',
  pvc: 'persistentvolumeclaims',
  quota: 'resourcequotas',
  rc: 'replicationcontrollers',
  rs: 'replicasets.apps',
  sa: 'serviceaccounts',
  sc: 'storageclasses.storage.k8s.io',
  sts: 'statefulsets.apps',
  svc: 'services',
};

/** Sub-resources by `resource` or `resource.group`. */
const builtIn: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(groups).flatMap(([group, text]) =>
    text.split(/\s+/).map((word): [string, readonly string[]] => {
      const [resource = '', subresources] = word.split('/');
      return [group === '' ? resource : `${resource}.${group}`, subresources?.split(',') ?? []];
    }),
  ),
);

/** Whether Kubernetes itself (or the gateway, for helm) has this `resource.group`. */
export const isBuiltIn = (name: string): boolean => builtIn.has(name);

/** Custom resources may have these (apiextensions.k8s.io/v1, CustomResourceSubresources). */
const customSubresources = ['status', 'scale'];

/**
 * Reads what a rule writes for a resource. `custom` are the `resource.group` names from the clusters' `resources:`. Gives the
 * pattern, or what is wrong with the spelling and what was probably meant.
 */
export function readResource(
  text: string,
  custom: ReadonlySet<string>,
): { readonly pattern: ResourcePattern } | { readonly problem: string } {
  const pattern = parseResourcePattern(text);
  if (!pattern) {
    const advice = text.endsWith('/*')
      ? 'name each sub-resource (pods/exec); a deny on the resource includes them all'
      : 'write resource, resource.group, resource.group/subresource or *';
    return { problem: `"${text}" is no resource: ${advice}` };
  }
  const { resource, group, subresource } = pattern;
  if (resource === '*') {
    const inGroup = [...builtIn.keys(), ...custom].filter((name) => group === '*' || groupOf(name) === group);
    if (inGroup.length === 0) return { problem: `no API group is called "${group}"` };
    const known = new Set([...inGroup.flatMap((name) => subresourcesOf(name, custom)), '*']);
    return known.has(subresource) ? { pattern } : { problem: `nothing has a sub-resource "${subresource}"` };
  }
  const name = group === '' ? resource : `${resource}.${group}`;
  if (!builtIn.has(name) && !custom.has(name)) {
    const guess = suggest(name, custom);
    return {
      problem: `no resource is called "${name}".${
        guess === undefined
          ? " A custom resource has to be listed in a cluster's resources: first"
          : ` Did you mean "${guess}"?`
      }`,
    };
  }
  const known = subresourcesOf(name, custom);
  if (subresource === '' || known.includes(subresource)) return { pattern };
  const guess = nearest(subresource, known);
  return {
    problem: `${name} has no sub-resource "${subresource}".${guess === undefined ? '' : ` Did you mean "${name}/${guess}"?`}`,
  };
}

const subresourcesOf = (name: string, custom: ReadonlySet<string>): readonly string[] =>
  builtIn.get(name) ?? (custom.has(name) ? customSubresources : []);

const groupOf = (name: string): string => (name.includes('.') ? name.slice(name.indexOf('.') + 1) : '');

/** Short names, singulars and kinds, a missing group, a slip of the finger: in that order. */
function suggest(name: string, custom: ReadonlySet<string>): string | undefined {
  if (Object.hasOwn(shortNames, name)) return shortNames[name];
  const all = [...builtIn.keys(), ...custom];
  const [word = ''] = name.split('.');
  return all.find((known) => plurals(word).includes(known.split('.')[0] ?? '')) ?? nearest(name, all);
}

/** What a word may be the singular of, and itself. */
const plurals = (word: string): readonly string[] => [word, `${word}s`, `${word}es`, word.replace(/y$/, 'ies')];

/** Whether the word alone means one of Kubernetes' own resources on the command line: no custom resource may take it. */
export const isBuiltInWord = (word: string): boolean =>
  Object.hasOwn(shortNames, word) ||
  [...builtIn.keys()].some((name) => plurals(word).includes(name.split('.')[0] ?? ''));

/** kubernetes.io/docs/reference/access-authn-authz/authorization ("Determine the Request Verb") and the RBAC page's special verbs. */
export const resourceVerbs = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'bind',
  'escalate',
  'impersonate',
  'approve',
  'sign',
  // What helm does to a release, as the gateway names it.
  'install',
  'upgrade',
  'rollback',
  'uninstall',
  'test',
] as const;

/** HTTP methods, lower case, as Kubernetes names the verbs of non-resource requests. */
export const nonResourceVerbs = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;
