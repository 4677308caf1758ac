/** A rule by its place in the configuration: role `viewer`, rule `deny[0]`. */
export interface RuleReference {
  readonly role: string;
  /** `allow[2]` or `deny[0]`; `bound` where being bound on the cluster was enough. */
  readonly rule: string;
}

/** As the audit trail and reports have it: `viewer/deny[0]`. */
export const ruleName = ({ role, rule }: RuleReference): string => `${role}/${rule}`;
