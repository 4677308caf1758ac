import { SCOPE_CHANGED } from '../command/kubectl/scope-guard.ts';
import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { CommandId } from '../lib/ids.ts';
import type { GatewayContext } from './context.ts';
import { noteOf, readKept } from './discovered.ts';
import type { DecidedCommand } from './decide-command.ts';

/**
 * A command that its guard ended says that the cluster's definitions are not what was read of them: they are read again by the next sweep. Looked
 * at by the record, so that nothing has to be read out of an output.
 */
export async function readAgainIfChanged(
  context: GatewayContext,
  commands: readonly GuardedCommand[],
  finished: Promise<unknown>,
): Promise<void> {
  if (commands.length === 0) return;
  try {
    await finished;
    for (const { id, cluster } of commands) {
      const record = await context.records.get(id);
      if (record?.status === 'completed' && record.exitCode === SCOPE_CHANGED) return await markStale(context, cluster);
    }
  } catch (error) {
    // Nothing was started, which its caller is told.
    if (!(error instanceof Problem)) context.onError(error);
  }
}

interface GuardedCommand {
  readonly id: CommandId;
  readonly cluster: Cluster;
}

/** Those that have a guard; the words and files of a command are not kept for it. */
export const guardedOf = (
  allowed: readonly Pick<DecidedCommand, 'cluster' | 'sent'>[],
  records: readonly { readonly id: CommandId }[],
): readonly GuardedCommand[] =>
  records.flatMap(({ id }, at) => {
    const decided = allowed[at];
    return decided?.sent.guard ? [{ id, cluster: decided.cluster }] : [];
  });

async function markStale({ records }: GatewayContext, cluster: Cluster): Promise<void> {
  const note = await records.getNote(noteOf(cluster));
  const kept = readKept(note?.text);
  if (!note || !kept || kept.stale) return;
  await records.putNote(noteOf(cluster), { version: note.version, text: JSON.stringify({ ...kept, stale: true }) });
}
