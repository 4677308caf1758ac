import { isList, isObject } from '../json.ts';
import type { ManifestObject } from '../manifests.ts';
import { checkName, checkNamespace } from '../names.ts';
import { privilegedReasons } from '../pod-security.ts';
import { refuse } from '../../lib/refuse.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import type { Call } from './verb.ts';

const RBAC = 'rbac.authorization.k8s.io';

/**
 * What writing an object needs beyond its own verb, and why it needs `podSecurity: privileged`, if so. Kubernetes asks for `bind`
 * and `escalate` itself, but not of run command on clusters without Entra, which has cluster-admin reach.
 */
export function needsOfWriting(call: Call, object: ManifestObject): string[] {
  const { type, body } = object;
  if (type.group === RBAC) needsOfRbac(call, object);
  if (type.group === '' && type.resource === 'secrets' && body.type === 'kubernetes.io/service-account-token') {
    needsOfTokenSecret(call, object);
  }
  return privilegedReasons(type, body);
}

function needsOfRbac(call: Call, { type, name, namespace, body }: ManifestObject): void {
  if (type.resource === 'roles' || type.resource === 'clusterroles') {
    const grants = (isList(body.rules) && body.rules.length > 0) || isObject(body.aggregationRule);
    // The role may be there already, with rules: then a label alone can add them to admin, edit or view
    // (kubernetes.io/docs/reference/access-authn-authz/rbac, "Aggregated ClusterRoles").
    if (grants || call.parsed.path[0] !== 'create') call.needs.add('escalate', type, { namespace, name });
    return;
  }
  const { roleRef } = body;
  const kind = isObject(roleRef) ? roleRef.kind : undefined;
  const roleName = isObject(roleRef) ? roleRef.name : undefined;
  if ((kind !== 'Role' && kind !== 'ClusterRole') || typeof roleName !== 'string') {
    throw refuse(`${type.kind} ${name}`, 'has no roleRef that names a Role or a ClusterRole');
  }
  needsOfBinding(call, kind === 'Role' ? 'roles' : 'clusterroles', roleName, namespace);
}

/** `bind` on a role. A role binding asks for it in its own namespace, also when it refers to a cluster role, as Kubernetes does. */
export function needsOfBinding(call: Call, resource: 'roles' | 'clusterroles', name: string, namespace: string): void {
  const checked = name === '' ? '' : checkName({ group: RBAC, resource }, name);
  call.needs.addRaw({ verb: 'bind', group: RBAC, resource, subresource: '', namespace, name: checked });
}

/** What a change without a whole object (patch, set, label) needs on RBAC kinds: what they refer to is not known, so all of it. */
export function needsOfChange(call: Call, type: ResourceType, namespace: string, name: string): void {
  if (type.group !== RBAC) return;
  if (type.resource === 'roles' || type.resource === 'clusterroles') {
    call.needs.add('escalate', type, { namespace, name });
    return;
  }
  needsOfBinding(call, 'clusterroles', '', type.namespaced ? namespace : '');
  if (type.namespaced) needsOfBinding(call, 'roles', '', namespace);
}

/** Such a secret is filled by the cluster with a token that does not expire. */
function needsOfTokenSecret(call: Call, { namespace, body }: ManifestObject): void {
  const metadata = body.metadata;
  const annotations = isObject(metadata) ? metadata.annotations : undefined;
  const account = isObject(annotations) ? annotations['kubernetes.io/service-account.name'] : undefined;
  const type = call.catalog.builtIn('serviceaccounts');
  call.needs.add('create', type, {
    namespace: checkNamespace(namespace),
    name: typeof account === 'string' ? checkName(type, account) : '',
    subresource: 'token',
  });
}
