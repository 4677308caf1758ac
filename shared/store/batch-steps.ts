import { stepId } from './derived-ids.ts';
import type { CommandRecord, Records } from './records.ts';

/** All steps of a batch, in order, as they are stored. The first is as it was read; one whose record is gone is left out. */
export async function stepsOfBatch(
  records: Pick<Records, 'get'>,
  leader: CommandRecord & { readonly batch: NonNullable<CommandRecord['batch']> },
): Promise<readonly CommandRecord[]> {
  const { id, of } = leader.batch;
  const ids = Array.from({ length: of - 1 }, (_, index) => stepId(id, index + 1));
  const followers = await Promise.all(ids.map((step) => records.get(step)));
  return [leader, ...followers.filter((record) => record !== undefined)];
}
