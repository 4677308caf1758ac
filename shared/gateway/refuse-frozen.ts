import type { Invocation } from '../command/invocation.ts';
import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { CommandFacts, RequestFacts } from '../audit/events.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { frozenFor } from '../policy/frozen.ts';
import { refuseCommand } from './deny.ts';

/** A frozen cluster takes reads only, from everybody. Throws Problem `cluster-frozen`. */
export async function refuseFrozen(
  trail: AuditTrail,
  cluster: Cluster,
  { attributes }: Invocation,
  facts: RequestFacts & CommandFacts,
): Promise<void> {
  const why = frozenFor(cluster, attributes);
  if (why !== undefined) await refuseCommand(trail, facts, new Problem('cluster-frozen', why));
}
