import { redactText } from '../lib/redact.ts';
import type { Allowed } from '../policy/decision.ts';
import type { CommandId } from '../lib/ids.ts';
import { stepId } from '../store/derived-ids.ts';
import type { AcceptedRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import type { DecidedCommand } from './decide-command.ts';
import { idOf, ownerKey, type AuthenticatedRequest, type RequestedCommand } from './request.ts';

/** The record of a command that may run. Not stored yet; the lifecycle adds who carries it. */
export function newRecord(
  { clock, entropy }: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
  { cluster, invocation, config }: DecidedCommand,
  { rule }: Allowed,
  batch?: AcceptedRecord['batch'],
): AcceptedRecord {
  const requester = requested.requester ?? request.requester?.principal;
  return {
    id: batch ? stepId(batch.id, batch.step) : (entropy.uuid() as CommandId),
    version: 1,
    cluster: cluster.name,
    armId: cluster.arm.id,
    owner: ownerKey(request),
    principal: idOf(request.caller.principal),
    argv: invocation.argv,
    reason: requested.reason && redactText(requested.reason),
    requestedBy: requested.requestedBy && redactText(requested.requestedBy),
    ...(requested.job && { job: requested.job }),
    ...(requester && { requester: idOf(requester) }),
    ...(requested.notify && { notify: requested.notify }),
    ...(requested.startedBy && { startedBy: requested.startedBy }),
    decision: rule,
    status: 'accepted',
    submittedAt: clock.now(),
    timeoutSeconds: Math.min(
      requested.timeoutSeconds ?? config.limits.timeoutSeconds.default,
      invocation.windowSeconds ?? Infinity,
    ),
    nonce: Buffer.from(entropy.bytes(16)).toString('hex'),
    carrier: '',
    warnings: invocation.warnings,
    outputPurged: false,
    batch,
  };
}
