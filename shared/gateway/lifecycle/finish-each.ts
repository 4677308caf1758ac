import type { CommandRecord, Failure } from '../../store/records.ts';
import { eachMember, type Progress } from './active-command.ts';
import { recordBatchEnd } from './batch-events.ts';
import type { LifecycleContext } from './context.ts';
import { finishAs, finishWithoutOutput, type EndWithoutOutput } from './finish.ts';

/** Ends all commands that are sent as one alike. One of which an outcome was decided before keeps that, without its output. */
export const finishEach = (
  context: LifecycleContext,
  progress: Progress,
  event: EndWithoutOutput,
  failure: Failure,
  audited: (id: string) => boolean = () => false,
): Promise<CommandRecord> =>
  eachMember(progress, async (member, index) => {
    const { record } = member;
    if (index === 0)
      await recordBatchEnd(context, progress, { kind: event === 'command.unknown' ? 'unknown' : 'failed' });
    const told = { audited: audited(record.id) };
    if ('ending' in record && record.ending) await finishAs(context, member, record.ending, told);
    else await finishWithoutOutput(context, member, event, failure, told);
  });
