import type { Cluster } from '../../config/config.ts';
import { isTrouble } from '../../relay/patience.ts';
import type { Told } from '../../relay/relay.ts';
import type { AzureRun, CommandRecord } from '../../store/records.ts';
import { timed, type Progress } from './active-command.ts';
import type { LifecycleContext } from './context.ts';
import { finish } from './finish.ts';
import { updateRecord } from './leased-record.ts';
import { withWarnings } from './transitions.ts';

interface AcceptedByAzure {
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
  const { nonce, owner, timeoutSeconds, submittedAt, argv } = progress.record;
  const kind = argv.slice(0, 2).join(' ');
  const run = { cluster, commandId: azure.commandId, nonce, owner, timeoutSeconds, submittedAt, kind };
  const told = showTrouble(context, progress);
  const ended = timed(context.clock, progress.spent, 'azure', () => context.relay.follow(run, signal, told));
  ended.catch(() => undefined); // awaited after `stored`
  await stored;
  const end = await ended;
  await progress.lastChange;
  return finish(context, progress, end, audited);
}

/** Why Azure gives no result yet stands among the record's warnings, for as long as it does. */
function showTrouble(context: LifecycleContext, progress: Progress): Told {
  const usual = progress.record.warnings.filter((warning) => !isTrouble(warning));
  return (trouble) => {
    const warnings = trouble === undefined ? usual : [...usual, trouble];
    // The command is followed all the same; only the reason is not shown.
    updateRecord(context, progress, withWarnings(warnings)).catch((error: unknown) =>
      context.onError(error, progress.record.id),
    );
  };
}
