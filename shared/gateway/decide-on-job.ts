import { noPods } from '../command/pod-security/findings.ts';
import { decideForBoth, type Asker } from '../policy/decide-both.ts';
import { decide } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { Policy } from '../policy/policy.ts';

interface JobQuestion {
  readonly asker: Asker;
  readonly verb: 'get' | 'run';
  readonly name: string;
  /** Where the job runs. */
  readonly cluster: string;
  readonly reason?: string | undefined;
}

/** May somebody see a job, or run it by hand? A rule has to name the resource `jobs.aksgw`, and for `run` the verb and the job as well. */
export const decideOnJob = (policy: Policy, { asker, verb, name, cluster, reason }: JobQuestion): Decision =>
  decideForBoth(asker, (principal, parties) =>
    decide(policy, {
      principal,
      ...parties,
      cluster,
      reason,
      attributes: [{ verb, group: 'aksgw', resource: 'jobs', subresource: '', namespace: '', name }],
      podSecurity: noPods,
      charts: [],
    }),
  );
