import { expect, test } from '@jest/globals';
import type { Config } from '../../shared/config/config.ts';
import { reads, stepsFor } from '../../shared/health/reads.ts';
import { createNotices } from '../../shared/notices.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import type { Delivery } from '../../shared/store/delivery.ts';
import { stepId } from '../../shared/store/derived-ids.ts';
import { parse, withSections } from '../config/valid.ts';
import { batchId, commandRecord } from '../support/records.ts';

const config: Config = parse(withSections({}));
const batch = batchId('batch-1');

/** What a webhook is told of a batch of these commands, all of which exited with `exitCode`. */
async function toldOf(commands: readonly (readonly string[])[], exitCode: number): Promise<string> {
  const records = commands.map((argv, step) =>
    commandRecord(stepId(batch, step), {
      status: 'completed',
      argv,
      exitCode,
      batch: { id: batch, step, of: commands.length, onError: 'continue' },
    }),
  );
  const get = async (id: string) => records.find((record) => record.id === id);
  const tell = createNotices({
    config: { current: () => config },
    policyOf: compilePolicy,
    records: { get, getOutput: async () => undefined },
  });
  const about = { event: 'batch.ended', commandId: records[0]?.id ?? '', on: 'always' } as const;
  const delivery: Delivery = { id: 'd', version: 1, webhook: 'ops', about, createdAt: 0, attempts: 0, due: 0 };
  const told = await tell(delivery, records[0], { output: false } as never);
  return typeof told === 'object' ? told.say('github', 'line') : String(told);
}

test('a look that somebody ran by hand is told as one that was made, and not as well or ill by how its reads exited', async () => {
  const look = stepsFor(reads, undefined).map(({ words }) => words);
  for (const exitCode of [0, 1])
    expect(await toldOf(look, exitCode)).toMatch(/^🔎 looked: aksgw health says how it is · /);
  const others = [['kubectl', 'get', 'pods'], ...look];
  expect([await toldOf(others, 0), await toldOf(others, 1)]).toEqual([
    expect.stringMatching(/^✅ done/),
    expect.stringMatching(/^❌ a step failed/),
  ]);
});
