import type { Invocation } from '../command/invocation.ts';
import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { CommandFacts, RequestFacts } from '../audit/events.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { refuseCommand } from './deny.ts';

const reads: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

/** A frozen cluster takes reads only, from everybody. Throws Problem `cluster-frozen`. */
export async function refuseFrozen(
  trail: AuditTrail,
  { name, frozen }: Cluster,
  { attributes }: Invocation,
  facts: RequestFacts & CommandFacts,
): Promise<void> {
  if (frozen === undefined || attributes.every(({ verb }) => reads.has(verb))) return;
  await refuseCommand(trail, facts, new Problem('cluster-frozen', `Cluster ${name} is frozen: ${frozen}`));
}
