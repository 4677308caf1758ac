import type { OwnerId, PrincipalId, PrincipalKey } from '../lib/ids.ts';
import type { Secret } from '../secret.ts';

/**
 * Who is calling, as Entra vouches for it. Identity is tenant and object id, never e-mail, upn or name
 * (learn.microsoft.com/entra/identity-platform/access-token-claims-reference: those are mutable).
 */
export type Principal = UserPrincipal | AppPrincipal | JobPrincipal;

interface TokenHolder {
  /** Tenant id, a lower-case GUID. */
  readonly tid: string;
  /** Object id of the user or of the service principal, a lower-case GUID. */
  readonly oid: string;
  /** Client id of the application that asked for the token. */
  readonly azp: string;
  /** The token's own id: logged, so that a call can be found in Entra's sign-in logs. */
  readonly uti: string;
  /** App roles assigned in the token's tenant. */
  readonly roles: readonly string[];
  readonly groups: GroupMembership;
}

export interface UserPrincipal extends TokenHolder {
  readonly kind: 'user';
  /** Delegated scopes (`scp`). */
  readonly scopes: readonly string[];
}

interface AppPrincipal extends TokenHolder {
  readonly kind: 'app';
}

/** A scheduled job, as the configuration names it: no token proves it, only the gateway itself speaks for it. */
interface JobPrincipal extends TokenHolder {
  readonly kind: 'job';
}

/** The tenant of principals that Entra does not know. */
export const NO_TENANT = '';

export const jobPrincipal = (name: string): JobPrincipal => ({
  kind: 'job',
  tid: NO_TENANT,
  oid: name,
  azp: '',
  uti: '',
  roles: [],
  groups: { known: true, ids: [] },
});

/** A principal, and the access token that proved it. */
export interface Caller {
  readonly principal: Principal;
  /** For on-behalf-of; a job has none. */
  readonly token?: Secret | undefined;
}

/** Over 200 groups Entra leaves them out (`_claim_names`, `hasgroups`): then nobody knows, and nothing may be concluded. */
export interface GroupMembership {
  /** Whether these are all. What is missing can only lose an allow; where a deny hangs on it, nothing is decided. */
  readonly known: boolean;
  /** Lower-case GUIDs. */
  readonly ids: readonly string[];
}

/** One string for one owner: `user:<tid>:<oid>`; with the person behind an application `app:<tid>:<oid>+user:<tid>:<oid>`. */
export const principalKey = ({ kind, tid, oid, requester }: OwnerId): PrincipalKey =>
  `${kind}:${tid}:${oid}${requester ? `+${principalKey(requester)}` : ''}` as PrincipalKey;

/** Who is recorded for what the gateway does by itself: no tenant has such an id, so no caller can be it. */
export const gatewayPrincipal: PrincipalId = { kind: 'app', tid: 'gateway', oid: 'gateway' };
export const gatewayKey: PrincipalKey = principalKey(gatewayPrincipal);
