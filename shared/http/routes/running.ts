import type { FastifyRequest } from 'fastify';
import * as Type from 'typebox';
import type { AuthenticatedRequest } from '../../gateway/request.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { StartedCommand } from '../../gateway/run-command.ts';

/** What the routes of commands and of batches have in common. */

export const ClusterParams = Type.Object({ cluster: Type.String({ minLength: 1, maxLength: 128 }) });
export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) });

const Key = Type.String({
  description: 'Bare or quoted. The same key with the same body is the same command, run once; kept for 24 hours.',
});
const Prefer = Type.String({
  description: 'RFC 7240: wait=N (seconds to wait for the end; 25 by default, 225 at most), respond-async.',
});
const Requester = Type.String({
  description:
    'Bearer and a token of the person behind the calling application, which has the scope Commands.Request and was given to that application. Both must be allowed.',
});
const requester = { 'requester-token': Type.Optional(Requester) };
export const RequesterHeaders = Type.Object(requester);
export const SendingHeaders = Type.Object({
  'idempotency-key': Type.Optional(Key),
  prefer: Type.Optional(Prefer),
  ...requester,
});
export const WaitingHeaders = Type.Object({ prefer: Type.Optional(Prefer), ...requester });

/** Of a route that takes a Requester-Token. */
export const withRequester = { config: { requester: true } } as const;

/** Gives back the memory of a body once the gateway has what it asks for: its caller may wait for minutes. */
export function letGo(request: FastifyRequest): void {
  request.body = undefined;
  request.visit?.letGo();
}

/** Seconds until it is worth asking again. */
export const RETRY_AFTER = 1;
/** Until a pod that is to end another one has started. */
export const CANCEL_SECONDS = 5;

/** W3C Server Timing: where the time went while the caller waited, which the metrics have too. */
export function serverTiming(telemetry: Telemetry, { active, azureMs }: StartedCommand, total: number): string {
  const azure = azureMs + (active?.spent.azure ?? 0);
  const queue = active?.spent.queue ?? 0;
  const gateway = Math.max(0, total - azure - queue);
  telemetry.time('aksgw.command.time', { part: 'gateway' }, gateway);
  telemetry.time('aksgw.command.time', { part: 'queue' }, queue);
  telemetry.time('aksgw.command.time', { part: 'azure' }, azure);
  return Object.entries({ gateway, queue, azure })
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ');
}

/** The caller's claim to act for somebody goes into the trail with everything else it claims. */
export function withClaim(
  { facts, ...who }: AuthenticatedRequest,
  requestedBy: string | undefined,
): AuthenticatedRequest {
  return { ...who, facts: { ...facts, claimed: { ...facts.claimed, requestedBy } } };
}
