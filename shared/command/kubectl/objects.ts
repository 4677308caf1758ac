import { isList, isObject, type Json } from '../json.ts';
import type { ManifestObject } from '../manifests.ts';
import { checkName } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import { isSecret, needsOfSecret } from './secrets.ts';
import type { Call } from './verb.ts';

const RBAC = 'rbac.authorization.k8s.io';

/**
 * What writing an object needs beyond its own verb. Kubernetes asks for `bind` and `escalate` itself, but not of run command on
 * clusters without Entra, which has cluster-admin reach.
 */
export function needsOfWriting(call: Call, { type, name, namespace, body }: ManifestObject): void {
  if (type.group === RBAC) needsOfRbac(call, { type, name, namespace, body });
  if (isSecret(type)) needsOfSecret(call, { namespace, name }, body);
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

/**
 * What a change of a part of an object (patch, set, label) needs beyond its own verb. On RBAC kinds what the object refers to is
 * not known, so it is all of it; of a Secret `parts` is what the change adds or may add.
 */
export function needsOfChange(
  call: Call,
  { type, namespace, name }: { readonly type: ResourceType; readonly namespace: string; readonly name: string },
  parts: readonly Json[],
): void {
  if (isSecret(type)) for (const part of parts) needsOfSecret(call, { namespace, name }, isObject(part) ? part : {});
  if (type.group !== RBAC) return;
  if (type.resource === 'roles' || type.resource === 'clusterroles') {
    call.needs.add('escalate', type, { namespace, name });
    return;
  }
  needsOfBinding(call, 'clusterroles', '', type.namespaced ? namespace : '');
  if (type.namespaced) needsOfBinding(call, 'roles', '', namespace);
}
