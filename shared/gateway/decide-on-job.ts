import { NO_PODS } from '../command/pod-security/findings.ts';
import type { Principal } from '../identity/principal.ts';
import { decide } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { Policy } from '../policy/policy.ts';

interface JobQuestion {
  readonly principal: Principal;
  readonly verb: 'get' | 'run';
  readonly name: string;
  /** Where the job runs. */
  readonly cluster: string;
  readonly reason?: string | undefined;
}

/** May somebody see a job, or run it by hand? A rule has to name the resource `jobs.aksgw`, and for `run` the verb and the job as well. */
export const decideOnJob = (policy: Policy, { principal, verb, name, cluster, reason }: JobQuestion): Decision =>
  decide(policy, {
    principal,
    cluster,
    reason,
    attributes: [{ verb, group: 'aksgw', resource: 'jobs', subresource: '', namespace: '', name }],
    podSecurity: NO_PODS,
    charts: [],
  });
