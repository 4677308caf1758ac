import { CANCELLED, isFinished, type CommandRecord, type Failure } from '../../store/records.ts';
import type { LifecycleContext } from './context.ts';
import { finishEach } from './finish-each.ts';
import { takeOver } from './recover.ts';

/**
 * Closes a command, or a batch by its first step, of which certainly nothing was sent: by compare-and-set, from any process, so that its
 * carrier can no longer send it. Undefined when it is too late for that, or something else changed the record at the same moment.
 */
export async function cancelUnsent(
  context: LifecycleContext,
  record: CommandRecord,
): Promise<CommandRecord | undefined> {
  if (record.status !== 'accepted' || record.ending) return undefined;
  // Not in this process's own name: its carrier here must not take the change for one of its own.
  const canceller = { ...context, holder: `${context.holder} cancels` };
  const taken = await takeOver(canceller, record);
  if (!taken) return undefined;
  const { leader, followers } = taken;
  const progress = Object.assign(leader, { spent: { azure: 0, queue: 0 }, followers });
  const closed = await finishEach(canceller, progress, 'command.cancelled', cancelled);
  context.active.get(record.id)?.lose();
  return isFinished(closed) ? closed : undefined;
}

const cancelled: Failure = { code: CANCELLED, message: 'The command was cancelled before it was sent. Nothing ran.' };
