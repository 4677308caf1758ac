import { quoteWords } from '../command/quote.ts';
import type { Cluster } from '../config/config.ts';
import { sameArmId } from '../config/values.ts';
import { Problem } from '../errors.ts';
import { gatewayKey, gatewayPrincipal } from '../identity/principal.ts';
import type { CommandId } from '../lib/ids.ts';
import type { AcceptedRecord } from '../store/records.ts';
import { inForce, type GatewayContext } from './context.ts';
import { assertInForce } from './decide-again.ts';
import type { ActiveCommand } from './lifecycle/context.ts';

interface OwnCommand {
  readonly id: CommandId;
  readonly cluster: Cluster;
  readonly purpose: 'cancel' | 'settle' | 'discover';
  /** For what, and on whose behalf. */
  readonly reason: string;
  readonly words: readonly string[];
  readonly timeoutSeconds: number;
}

/**
 * A command of the gateway's own: a record, an intent and an outcome like any other, by the principal `gateway`, sent at most once and found
 * again after a crash. Only where commands run with the gateway's rights. It waits for no slot, since it may be what frees one. Rejects when
 * the record is there already, and with the Problem when nothing was started.
 */
export async function startOwnCommand(context: GatewayContext, own: OwnCommand): Promise<ActiveCommand> {
  const { cluster, purpose, reason, words, timeoutSeconds, id } = own;
  const { lifecycle, relay, clock, entropy } = context;
  if (cluster.runAs === 'caller') throw new TypeError('nothing of the gateway runs where commands run as the caller');
  const decision = { role: 'gateway', rule: purpose };
  const record: AcceptedRecord = {
    id,
    version: 1,
    cluster: cluster.name,
    armId: cluster.arm.id,
    owner: gatewayKey,
    principal: gatewayPrincipal,
    argv: words,
    reason,
    decision,
    status: 'accepted',
    submittedAt: clock.now(),
    timeoutSeconds,
    nonce: Buffer.from(entropy.bytes(16)).toString('hex'),
    carrier: '',
    warnings: [],
    outputPurged: false,
  };
  const { name, runAs, arm } = cluster;
  const facts = {
    requestId: entropy.uuid(),
    principal: { tid: gatewayPrincipal.tid, oid: gatewayPrincipal.oid, idtyp: gatewayPrincipal.kind, azp: '', uti: '' },
    cluster: { name, armId: arm.id, runAs },
    argv: words,
    reason,
    text: quoteWords(words),
  } as const;
  const sent = { words, files: [], secret: false };
  let last = await inForce(context);
  return lifecycle.start({
    record,
    // Settling comes after callers. Somebody waits for a cancel, which is also what frees the budget.
    ...(purpose === 'cancel' && { turnOf: `${gatewayKey} ${purpose}` }),
    ready: async () => undefined,
    decide: async () => {
      last = await inForce(context);
      const { config, policy } = last;
      const now = config.clusters.get(name);
      if (!now || !sameArmId(now.arm.id, arm.id) || now.runAs !== runAs)
        throw new Problem('configuration-changed', `${name} is no longer configured as it was. Nothing ran.`);
      return [{ cluster, sent, facts, decision, policyDigest: policy.digest, configDigest: config.digest }];
    },
    assertDecided: () => assertInForce(context, [last]),
    authorise: () => relay.authorise(cluster, undefined),
  });
}
