import type { ResourceAttributes } from '../kubernetes/attributes.ts';
import { isBuiltIn } from '../kubernetes/known-kinds.ts';
import { wellKnownCustomResources } from '../kubernetes/well-known-custom-resources.ts';

/**
 * What no `*` ever grants (README.md; kubernetes.io/docs/concepts/security/rbac-good-practices, "privilege escalation
 * risks"): each of these makes more of its holder than the rule says, so a rule has to name the resource.
 */
const subresources = new Set([
  'serviceaccounts/token',
  'certificatesigningrequests.certificates.k8s.io/approval',
  'certificatesigningrequests.certificates.k8s.io/status',
  'pods/exec',
  'pods/attach',
  'pods/portforward',
  'pods/ephemeralcontainers',
  // The kubelet's and every pod's own API, past all of this.
  'nodes/proxy',
  'pods/proxy',
  'services/proxy',
]);

/** The gateway's own resources: a role that was written for a cluster's says nothing about them. */
const OWN_GROUP = 'aksgw';

const anyVerb = new Set(['signers.certificates.k8s.io']);

/** Reading these is harmless; changing them changes what the cluster is. */
const writesOf = new Set([
  'nodes',
  'customresourcedefinitions.apiextensions.k8s.io',
  'apiservices.apiregistration.k8s.io',
]);
const writesOfGroup = new Set(['rbac.authorization.k8s.io', 'admissionregistration.k8s.io']);

/** The resources above, whatever their group: most that is asked for is none of them. */
const ofAnyGroup = new Set([...subresources, ...anyVerb, ...writesOf].map((name) => name.replace(/[./].*/u, '')));

const reads: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

export const isRead = (verb: string): boolean => reads.has(verb);

/** How a rule has to name what is asked for: `*` is enough, it takes at least the API group, or the resource itself. */
export type Naming = 'any' | 'group' | 'resource';

/**
 * What `*` means was written by who knew Kubernetes' own resources and those that the configuration names. A custom resource that was not named
 * can be anything: of the well-known ones `*` covers reads; of those that were found in the cluster nothing.
 */
export const namingOf = (asked: ResourceAttributes, listed: ReadonlySet<string> | undefined): Naming =>
  namingWhere(asked, listed !== undefined && listed.size > 0 && listed.has(`${asked.resource}.${asked.group}`));

/** The same on a cluster whose configuration names the resource, or does not. */
export function namingWhere(asked: ResourceAttributes, isListed: boolean): Naming {
  if (needsNamedResource(asked)) return 'resource';
  const { group, resource, verb } = asked;
  // A custom resource's group has a dot (apiextensions.k8s.io/v1).
  if (!group.includes('.') || isListed) return 'any';
  const name = `${resource}.${group}`;
  if (isBuiltIn(name)) return 'any';
  return wellKnownCustomResources.has(name) && isRead(verb) ? 'any' : 'group';
}

/** True when only a rule that names the resource may allow it. */
function needsNamedResource({ verb, group, resource, subresource }: ResourceAttributes): boolean {
  if (group === OWN_GROUP) return true;
  if (!isRead(verb) && writesOfGroup.has(group)) return true;
  if (!ofAnyGroup.has(resource)) return false;
  const name = group === '' ? resource : `${resource}.${group}`;
  if (anyVerb.has(name) || (!isRead(verb) && writesOf.has(name))) return true;
  return subresource !== '' && subresources.has(`${name}/${subresource}`);
}

/** True for the verbs that give away rights: only a rule that names the verb may allow them. To run a job is to use the job's. */
export const needsNamedVerb = (verb: string): boolean =>
  verb === 'bind' ||
  verb === 'escalate' ||
  verb === 'impersonate' ||
  verb === 'run' ||
  verb === 'cancel' ||
  verb === 'notify';

/** True when only a rule that names the object may allow it: each job has rights of its own, each webhook readers of its own. */
export const needsNamedObject = ({ verb, group }: ResourceAttributes): boolean =>
  group === OWN_GROUP && (verb === 'run' || verb === 'notify');
