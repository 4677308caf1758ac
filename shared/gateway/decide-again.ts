import { isDeepStrictEqual } from 'node:util';
import { sameArmId } from '../config/values.ts';
import { Problem } from '../errors.ts';
import type { Allowed } from '../policy/decision.ts';
import { inForce, type GatewayContext } from './context.ts';
import { decideCommand, type DecidedCommand } from './decide-command.ts';
import { refuseCommand } from './deny.ts';
import { denyCommand } from './deny-command.ts';
import type { AuthenticatedRequest, RequestedCommand } from './request.ts';

/** A command that may run. */
export interface AllowedCommand extends DecidedCommand {
  readonly decision: Allowed;
}

/**
 * Decides a command that waited, by the current configuration. It runs as it was accepted or not at all: another cluster behind the name, another
 * identity to run as or other words to send are not what its record says. Throws Problem `policy-denied`, `cluster-not-found`,
 * `command-refused` or `configuration-changed`, each in the trail by then.
 */
export async function decideAgain(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
  accepted: AllowedCommand,
): Promise<AllowedCommand> {
  const { config } = await inForce(context);
  if (config === accepted.config) return accepted;
  const decided = await decideCommand(context, request, { ...requested, budget: undefined });
  const { decision } = decided;
  if (decision.verdict === 'deny') return denyCommand(context, decided, decision);
  const difference = differenceOf(accepted, decided);
  if (difference === undefined) return { ...decided, decision };
  return refuseCommand(
    context.trail,
    decided.facts,
    new Problem('configuration-changed', `While the command waited, ${difference}. Nothing ran.`, { retryAfter: 1 }),
  );
}

/** Throws Problem `configuration-changed` unless the configuration that decided is in force now, and known to be. Waits for nothing. */
export function assertInForce({ config }: GatewayContext, decided: readonly Pick<AllowedCommand, 'config'>[]): void {
  if (config.isFresh() && decided.every((one) => one.config === config.current())) return;
  throw new Problem(
    'configuration-changed',
    'Just before the command was sent, the configuration changed or had not been checked for a minute. Nothing ran.',
    { retryAfter: 1 },
  );
}

/** In words; undefined when the command that was accepted is the one that is decided now. */
function differenceOf(before: DecidedCommand, now: DecidedCommand): string | undefined {
  const name = now.cluster.name;
  if (!sameArmId(before.cluster.arm.id, now.cluster.arm.id)) return `${name} became the name of another cluster`;
  if (before.cluster.runAs !== now.cluster.runAs) return `the operator changed as whom commands run on ${name}`;
  if (!isDeepStrictEqual(before.sent, now.sent)) return `what the command means on ${name} changed`;
  if (!isDeepStrictEqual(before.invocation.argv, now.invocation.argv))
    return `what the command means on ${name} changed`;
  return undefined;
}
