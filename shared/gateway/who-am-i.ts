import type { RoleFile } from '../config/schema.ts';
import { Problem } from '../errors.ts';
import type { Principal } from '../identity/principal.ts';
import { maySee } from '../policy/decide.ts';
import { boundRoles, mayLackRoles, type Policy } from '../policy/policy.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { askerOf, type AuthenticatedRequest } from './request.ts';

/** A principal as the gateway sees it. */
export interface Standing {
  readonly principal: Principal;
  readonly roles: readonly { readonly cluster: string; readonly roles: readonly string[] }[];
  /** What could not be known, in words. */
  readonly unknown: readonly string[];
}

/** One rule that binds a caller, as the configuration has it. */
interface BindingRule {
  /** Left out where nobody stands behind the caller. */
  readonly binds: 'caller' | 'requester' | undefined;
  readonly role: string;
  readonly effect: 'allow' | 'deny';
  /** `allow[0]`. */
  readonly rule: string;
  readonly says: NonNullable<RoleFile['allow']>[number];
}

/** The caller, and the person behind it where there is one. */
export async function whoAmI(
  context: GatewayContext,
  request: AuthenticatedRequest,
): Promise<{ readonly caller: Standing; readonly requester: Standing | undefined }> {
  const { policy } = await admitCaller(context, request);
  const { principal, requester } = askerOf(request);
  return { caller: standingOf(policy, principal), requester: requester && standingOf(policy, requester) };
}

function standingOf(policy: Policy, principal: Principal): Standing {
  const roles = [...policy.clusters].flatMap(([cluster, bound]) => {
    const names = [...new Set(boundRoles(bound, principal).map(({ name }) => name))];
    return names.length > 0 ? [{ cluster, roles: names }] : [];
  });
  const unknown = principal.groups.known ? [] : ['Your token does not list all your groups.'];
  return { principal, roles, unknown };
}

/** The rules that bind the caller on a cluster, then those that bind the person behind it. Throws Problem `cluster-not-found`. */
export async function listAccess(
  context: GatewayContext,
  request: AuthenticatedRequest,
  name: string,
): Promise<{ readonly rules: readonly BindingRule[]; readonly warnings: readonly string[] }> {
  const { config, policy } = await admitCaller(context, request);
  const { principal, requester } = askerOf(request);
  const cluster = config.clusters.get(name);
  const bound = policy.clusters.get(name);
  if (!cluster || !bound || !maySee(policy, principal, name) || (requester && !maySee(policy, requester, name)))
    throw new Problem('cluster-not-found', 'There is no cluster with this name that you may use.');
  const rulesOf = (one: Principal, binds: BindingRule['binds']): readonly BindingRule[] =>
    boundRoles(bound, one).flatMap(({ name: role, says: file }) =>
      (['allow', 'deny'] as const).flatMap((effect) =>
        (file[effect] ?? []).map((says, index) => ({ binds, role, effect, rule: `${effect}[${index}]`, says })),
      ),
    );
  const rules = requester
    ? [...rulesOf(principal, 'caller'), ...rulesOf(requester, 'requester')]
    : rulesOf(principal, undefined);
  const warnings = [
    ...(requester ? ['Both must be allowed: the application that asks, and the person behind it.'] : []),
    ...(cluster.impersonate
      ? ['Kubernetes decides again on this cluster: what its RBAC does not allow is refused there.']
      : []),
    ...(cluster.runAs === 'caller'
      ? ['Commands run with your own rights on this cluster: Kubernetes decides again.']
      : []),
    ...(cluster.frozen === undefined ? [] : [`The cluster is frozen, only reads are allowed: ${cluster.frozen}`]),
    ...([principal, requester].some((one) => one && mayLackRoles(bound, one))
      ? ['Your token does not list all your groups: rules may be missing here.']
      : []),
  ];
  return { rules, warnings };
}
