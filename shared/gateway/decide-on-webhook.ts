import { noPods } from '../command/pod-security/findings.ts';
import { decideForBoth, type Asker } from '../policy/decide-both.ts';
import { decide } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { Policy } from '../policy/policy.ts';

interface WebhookQuestion {
  readonly asker: Asker;
  readonly name: string;
  /** Of the command whose end is told. */
  readonly cluster: string;
  readonly reason?: string | undefined;
}

/** May somebody have the end of a command told to a webhook? A rule has to name the resource `webhooks.aksgw`, the verb and the webhook. */
export const decideOnWebhook = (policy: Policy, { asker, name, cluster, reason }: WebhookQuestion): Decision =>
  decideForBoth(asker, (principal, parties) =>
    decide(policy, {
      principal,
      ...parties,
      cluster,
      reason,
      attributes: [{ verb: 'notify', group: 'aksgw', resource: 'webhooks', subresource: '', namespace: '', name }],
      podSecurity: noPods,
      charts: [],
    }),
  );
