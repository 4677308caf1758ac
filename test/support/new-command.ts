import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../../shared/clock.ts';
import type { Cluster } from '../../shared/config/config.ts';
import type { CommandToSend, NewCommand } from '../../shared/gateway/lifecycle/start.ts';
import { acceptedRecord, ownerKey } from './records.ts';

/** `kubectl delete pod <id>`, as the lifecycle gets it: decided, and with nothing to wait for. */
export function newCommand(id: string, clock: Pick<Clock, 'now'>, cluster: Cluster): NewCommand {
  const argv = ['kubectl', 'delete', 'pod', id];
  const record = acceptedRecord(id, {
    cluster: cluster.name,
    armId: cluster.arm.id,
    owner: ownerKey('user:t:o'),
    principal: { kind: 'user', tid: 't', oid: 'o' },
    argv,
    decision: { role: 'r', rule: 'allow[0]' },
    submittedAt: clock.now(),
    timeoutSeconds: 3_600,
    nonce: randomBytes(16).toString('hex'),
    carrier: '',
  });
  const toSend: CommandToSend = {
    cluster,
    sent: { words: argv, files: [], secret: false },
    facts: { requestId: randomUUID(), argv },
    decision: record.decision,
    policyDigest: 'p',
    configDigest: 'c',
  };
  return {
    record,
    ready: () => Promise.resolve(),
    decide: () => Promise.resolve([toSend]),
    assertDecided: () => undefined,
    authorise: () => Promise.resolve({}),
  };
}
