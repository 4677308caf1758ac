import type { RoleFile } from '../config/schema.ts';
import { Problem } from '../errors.ts';
import type { Principal } from '../identity/principal.ts';
import { maySee } from '../policy/decide.ts';
import { boundRoles, mayLackRoles } from '../policy/policy.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import type { AuthenticatedRequest } from './request.ts';

/** The caller as the gateway sees it. */
interface Standing {
  readonly principal: Principal;
  readonly roles: readonly { readonly cluster: string; readonly roles: readonly string[] }[];
  /** What could not be known, in words. */
  readonly unknown: readonly string[];
}

/** One rule that binds a caller, as the configuration has it. */
interface BindingRule {
  readonly role: string;
  readonly effect: 'allow' | 'deny';
  /** `allow[0]`. */
  readonly rule: string;
  readonly says: NonNullable<RoleFile['allow']>[number];
}

export async function whoAmI(context: GatewayContext, request: AuthenticatedRequest): Promise<Standing> {
  const { policy } = await admitCaller(context, request);
  const { principal } = request.caller;
  const roles = [...policy.clusters].flatMap(([cluster, bound]) => {
    const names = [...new Set(boundRoles(bound, principal).map(({ name }) => name))];
    return names.length > 0 ? [{ cluster, roles: names }] : [];
  });
  const unknown = principal.groups.known ? [] : ['Your token does not list all your groups.'];
  return { principal, roles, unknown };
}

/** The rules that bind the caller on a cluster. Throws Problem `cluster-not-found`. */
export async function listAccess(
  context: GatewayContext,
  request: AuthenticatedRequest,
  name: string,
): Promise<{ readonly rules: readonly BindingRule[]; readonly warnings: readonly string[] }> {
  const { config, policy } = await admitCaller(context, request);
  const { principal } = request.caller;
  const cluster = config.clusters.get(name);
  const bound = policy.clusters.get(name);
  if (!cluster || !bound || !maySee(policy, principal, name))
    throw new Problem('cluster-not-found', 'There is no cluster with this name that you may use.');
  const rules = boundRoles(bound, principal).flatMap(({ name: role, says: file }) =>
    (['allow', 'deny'] as const).flatMap((effect) =>
      (file[effect] ?? []).map((says, index) => ({
        role,
        effect,
        rule: `${effect}[${index}]`,
        says,
      })),
    ),
  );
  const warnings = [
    ...(cluster.impersonate
      ? ['Kubernetes decides again on this cluster: what its RBAC does not allow is refused there.']
      : []),
    ...(cluster.runAs === 'caller'
      ? ['Commands run with your own rights on this cluster: Kubernetes decides again.']
      : []),
    ...(cluster.frozen === undefined ? [] : [`The cluster is frozen, only reads are allowed: ${cluster.frozen}`]),
    ...(mayLackRoles(bound, principal) ? ['Your token does not list all your groups: rules may be missing here.'] : []),
  ];
  return { rules, warnings };
}
