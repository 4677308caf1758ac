import type { SentCommand } from './invocation.ts';
import { withGlobalFlags } from './program.ts';

/** A role, with what its binding fills its parameters with. */
export interface HeldRole {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/**
 * `aksgw:team`, and for a role with parameters `aksgw:team:team=shop` as well: Kubernetes' RBAC tells one team from another by
 * that. No role's name has a ":", so that no role is called as another one with its parameters.
 */
function groupsOf({ name, values }: HeldRole): readonly string[] {
  const filled = Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const group = `aksgw:${name}`;
  return filled.length === 0 ? [group] : [group, `${group}:${filled.map((pair) => pair.join('=')).join(',')}`];
}

/**
 * The command, run as the caller in Kubernetes' eyes: RBAC decides again, and the cluster's own audit names the caller
 * (kubernetes.io/docs/reference/access-authn-authz/authentication, "User impersonation"). Callers' own `--as` is refused by
 * the grammar, so these are the only such flags in what is sent.
 */
export function impersonating(
  sent: SentCommand,
  { tid, oid }: { readonly tid: string; readonly oid: string },
  roles: readonly HeldRole[],
): SentCommand {
  const groups = [...new Set(roles.flatMap(groupsOf))];
  // A helm command may have a guard, which calls kubectl.
  return withGlobalFlags(sent, (tool) => {
    const [user, group] = tool === 'helm' ? ['--kube-as-user', '--kube-as-group'] : ['--as', '--as-group'];
    return [`${user}=aksgw:${tid}:${oid}`, ...groups.map((name) => `${group}=${name}`)];
  });
}
