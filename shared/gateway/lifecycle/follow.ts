import type { Cluster } from '../../config/config.ts';
import type { AzureRun, CommandRecord } from '../../store/records.ts';
import { timed, type Progress } from './active-command.ts';
import type { LifecycleContext } from './context.ts';
import { finish } from './finish.ts';

export interface AcceptedByAzure {
  readonly azure: AzureRun;
  readonly cluster: Cluster;
  /** True when the trail has the outcome already. */
  readonly audited: boolean;
  /** Resolves when the record says `running`. The first poll does not wait for it. */
  readonly stored?: Promise<unknown>;
}

/** From Azure's acceptance to the end. Rejects when `signal` aborts, but not before the record has Azure's id. */
export async function followToEnd(
  context: LifecycleContext,
  progress: Progress,
  { azure, cluster, audited, stored }: AcceptedByAzure,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const { nonce, owner, timeoutSeconds, submittedAt } = progress.record;
  const run = { cluster, commandId: azure.commandId, nonce, owner, timeoutSeconds, submittedAt };
  const ended = timed(context.clock, progress.spent, 'azure', () => context.relay.follow(run, signal));
  ended.catch(() => undefined); // awaited after `stored`
  await stored;
  return finish(context, progress, await ended, audited);
}
