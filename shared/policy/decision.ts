import type { RuleReference } from '../config/rule-reference.ts';
import type { HeldRole } from '../command/impersonate.ts';
import type { ResourceAttributes } from '../kubernetes/attributes.ts';

export type Decision = Allowed | Denied;

export interface Allowed {
  readonly verdict: 'allow';
  /** The rule that decided: of a command that reads and writes, the one that lets it write. */
  readonly rule: RuleReference;
  /** Every role that took part, with the parameters that it is bound with: for impersonation. */
  readonly roles: readonly HeldRole[];
  /** The rule that allows each attribute. */
  readonly because: readonly { readonly rule: RuleReference; readonly attributes: ResourceAttributes }[];
  /** By what the person behind the caller may do it as well. */
  readonly requester?: Pick<Allowed, 'rule' | 'roles'> | undefined;
}

export interface Denied {
  readonly verdict: 'deny';
  readonly reason:
    | 'blocked'
    | 'groups-overage'
    | 'deny-rule'
    | 'no-rule'
    | 'reason-required'
    | 'requester-required'
    | 'via-required'
    | 'pod-security'
    | 'service-account'
    | 'chart-not-listed';
  /** The deny rule that hit, or the allow rule that would have applied without its condition. */
  readonly rule?: RuleReference;
  /** Left out: the caller. */
  readonly whose?: 'requester' | undefined;
  /** What was asked and is not allowed. */
  readonly attributes?: ResourceAttributes;
  /** One sentence for the caller. */
  readonly explanation: string;
}
