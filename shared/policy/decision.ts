import type { ResourceAttributes } from '../kubernetes/attributes.ts';

/** A rule by its place in the configuration: role `viewer`, rule `deny[0]`. */
export interface RuleReference {
  readonly role: string;
  /** `allow[2]` or `deny[0]`. */
  readonly rule: string;
}

export type Decision = Allowed | Denied;

export interface Allowed extends RuleReference {
  readonly verdict: 'allow';
  /** Every role that took part, for impersonation. */
  readonly roles: readonly string[];
  /** The rule that allows each attribute. */
  readonly because: readonly (RuleReference & { readonly attributes: ResourceAttributes })[];
}

export interface Denied {
  readonly verdict: 'deny';
  readonly reason:
    | 'blocked'
    | 'groups-overage'
    | 'deny-rule'
    | 'no-rule'
    | 'reason-required'
    | 'pod-security'
    | 'chart-not-listed';
  /** The deny rule that hit, or the allow rule that would have applied but for its condition. */
  readonly rule?: RuleReference;
  /** What was asked and is not allowed. */
  readonly attributes?: ResourceAttributes;
  /** One sentence for the caller. */
  readonly explanation: string;
}
