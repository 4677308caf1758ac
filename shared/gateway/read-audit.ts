import type { AuditItem, EventQuery, Page } from '../audit/read/match.ts';
import { decideNonResource } from '../policy/decide.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import { policyDenied } from './policy-denied.ts';
import type { AuthenticatedRequest } from './request.ts';

/**
 * Audit events: all of them for an auditor (a rule with nonResourceURLs /v1/audit/events), for any other caller those of its own
 * requests. Reading is an event too, told with `asked`, the query as the caller wrote it. Throws Problem `policy-denied`.
 */
export async function readAuditEvents(
  context: GatewayContext,
  request: AuthenticatedRequest,
  query: EventQuery,
  asked: string,
): Promise<Page<AuditItem>> {
  const { trail, auditLog } = context;
  const { principal } = request.caller;
  const { policy } = await admitCaller(context, request);
  const { cluster } = query;
  const auditor =
    decideNonResource(policy, { principal, verb: 'get', path: '/v1/audit/events', cluster }).verdict === 'allow';
  const own = `${principal.tid}:${principal.oid}`;
  if (!auditor && query.principal !== undefined && ![principal.oid, own].includes(query.principal.toLowerCase()))
    return denyPrincipal(trail, request.facts, othersDenied);
  await trail.record({ ...request.facts, event: 'audit.read', detail: asked });
  if (auditor) return auditLog.events(query);
  return auditLog.events({ ...query, principal: own, maxScanned: OWN_SCANNED });
}

/** Signed checkpoints, for auditors only. Throws Problem `policy-denied`. */
export async function readCheckpoints(
  context: GatewayContext,
  request: AuthenticatedRequest,
  query: Pick<EventQuery, 'limit' | 'cursor'>,
): Promise<Page<unknown>> {
  const { trail, auditLog } = context;
  const { policy } = await admitCaller(context, request);
  const { principal } = request.caller;
  const decision = decideNonResource(policy, { principal, verb: 'get', path: '/v1/audit/checkpoints' });
  if (decision.verdict === 'deny')
    return denyPrincipal(trail, request.facts, policyDenied(decision, 'get /v1/audit/checkpoints'));
  await trail.record({ ...request.facts, event: 'audit.read', detail: 'checkpoints' });
  return auditLog.checkpoints(query);
}

/** Lines that a page looks at for a caller who sees only its own: no right is needed to ask. */
const OWN_SCANNED = 10_000;

const othersDenied = policyDenied(
  { reason: 'no-rule', explanation: 'No rule lets you read the audit events of others.' },
  'get /v1/audit/events',
);
