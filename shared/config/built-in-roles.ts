import { clusterRoles } from '../kubernetes/cluster-roles.ts';
import { fillRole, fillText } from './role-parameters.ts';
import type { BindingFile, PolicyFile, RoleFile, RuleFile } from './schema.ts';

export const builtInRoleNames = ['view', 'edit', 'admin'] as const;
type BuiltInRoleName = (typeof builtInRoleNames)[number];

export const isBuiltInRole = (name: string): name is BuiltInRoleName =>
  (builtInRoleNames as readonly string[]).includes(name);

/**
 * Kubernetes' ClusterRole of this name as a role, in these namespaces: `["*"]` as a ClusterRoleBinding has it, others as RoleBindings
 * in each. Its pods run as any service account of their namespace, as in Kubernetes, and are held to the baseline standard.
 */
export const builtInRole = (name: BuiltInRoleName, namespaces: readonly string[]): RoleFile => ({
  allow: clusterRoles[name].map(({ groups, resources, verbs }): RuleFile => ({
    verbs: [...verbs],
    resources: groups.flatMap((group) => resources.map((text) => inGroup(text, group))),
    namespaces: [...namespaces],
    ...(name !== 'view' && { serviceAccounts: ['*'] }),
  })),
});

/** What a binding of a built-in role is told that says no namespaces: as a ClusterRoleBinding it holds everywhere. */
export const NAMESPACES_MISSING = 'write namespaces: ["*"] if that is meant, or the namespaces that are';

/** `deployments/scale` of `apps` is `deployments.apps/scale`. */
function inGroup(text: string, group: string): string {
  const [resource = '', subresource] = text.split('/');
  return `${resource}${group && `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
}

/** The role that a binding gives: its parameters filled in, or a built-in one in the binding's namespaces. Undefined: there is none. */
export function roleOf(binding: BindingFile, roles: PolicyFile['roles']): RoleFile | undefined {
  const { role: name, with: values = {}, namespaces = ['*'] } = binding;
  if (isBuiltInRole(name))
    return builtInRole(
      name,
      namespaces.map((text) => fillText(text, values)),
    );
  const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
  return role && fillRole(role, values);
}
