import { describe, expect, test } from '@jest/globals';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import { readActivityLog } from '../../shared/audit/verify/activity-run.ts';
import { reconcile } from '../../shared/audit/verify/reconcile.ts';
import { alice, createBench, facts, intended } from './support/samples.ts';
import { commandId } from '../support/records.ts';

type ReconcileOptions = Parameters<typeof reconcile>[2];

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const GATEWAY = 'gateway-object-id';
const everything: ReconcileOptions = { since: START, until: START + 24 * 60 * MINUTE, identities: [GATEWAY] };

/** A run as Azure logs it, `minutes` after the start. */
const run = (operationId: string, minutes: number, more: object = {}) => ({
  operationName: { value: 'Microsoft.ContainerService/managedClusters/runCommand/action' },
  eventTimestamp: new Date(START + minutes * MINUTE).toISOString(),
  correlationId: `c-${operationId}`,
  operationId,
  resourceId: facts.cluster?.armId.toUpperCase(),
  caller: GATEWAY,
  status: { value: 'Succeeded' },
  ...more,
});

/** Three commands, ten minutes apart: accepted, accepted, and one whose answer was lost. */
async function compared(
  entries: readonly object[],
  options: Partial<ReconcileOptions> = {},
  runAs: 'gateway' | 'caller' = 'gateway',
) {
  await using bench = await createBench();
  const trail = await bench.open();
  const cluster = facts.cluster && { ...facts.cluster, runAs };
  for (const [id, requestId] of [
    ['cmd-1', 'AAAA-BB'],
    ['cmd-2', 'CCCC-DD'],
    ['cmd-3', undefined],
  ] as const) {
    await trail.record(intended(id, { cluster }));
    if (requestId === undefined) await trail.record({ event: 'command.unknown', commandId: commandId(id) });
    else
      await trail.record({
        event: 'command.accepted',
        commandId: commandId(id),
        azureCommandId: `azure-${id}`,
        azureRequestId: requestId,
      });
    await bench.clock.advance(10 * MINUTE);
  }
  await trail.close();
  const index = createStreamIndex(bench.log, bench.clock);
  const result = await reconcile(index, readActivityLog(entries), { ...everything, ...options });
  return {
    ...result,
    around: result.aroundGateway.map(({ operationId }) => operationId),
    missing: result.notInAzure.map(({ commandId }) => commandId),
  };
}

const ours = [run('aaaabb', 0), run('o-2', 10, { properties: { serviceRequestId: 'ccccdd' } })];

describe('reconciliation', () => {
  test('agrees when the gateway called each run, and its id is one that the trail knows', async () => {
    // The log tells each operation in several entries.
    const twice = [...ours, run('aaaabb', 0.1, { status: 'Accepted' })];
    const result = await compared(twice);
    expect([result.matched, result.around, result.missing, result.idsCarried]).toEqual([2, [], [], true]);
  });

  test('does not take an intruder near an intent for the gateway, though he uses its correlation id', async () => {
    const intruder = [
      run('x-1', 0.5, { caller: 'mallory' }),
      run('x-2', 0.5, { caller: 'mallory', correlationId: 'aaaabb' }),
      run('x-3', 0.5, { correlationId: 'aaaabb' }),
    ];
    const result = await compared([...intruder, ...ours]);
    expect([result.matched, result.around, result.missing]).toEqual([2, ['x-1', 'x-2', 'x-3'], []]);
  });

  test('never matches by time, nor on another cluster', async () => {
    const result = await compared([run('o-1', 0), run('ccccdd', 10, { resourceId: '/other' })]);
    expect([result.matched, result.around, result.missing]).toEqual([0, ['o-1', 'ccccdd'], ['cmd-1', 'cmd-2']]);
    expect(result.idsCarried).toBe(false);
  });

  test('says possibly ours of one run near a command whose answer was lost, and of no more', async () => {
    const result = await compared([...ours, run('lost-1', 20.2), run('lost-2', 20.4), run('late', 25)]);
    expect(result.matched).toBe(2);
    expect(result.possiblyOurs).toMatchObject([{ commandId: 'cmd-3', run: { operationId: 'lost-1' } }]);
    expect(result.around).toEqual(['lost-2', 'late']);
    expect((await compared([...ours, run('x', 20.2, { caller: 'mallory' })])).possiblyOurs).toEqual([]);
  });

  test('lists what failed apart', async () => {
    const result = await compared([...ours, run('f-1', 5, { caller: 'mallory', status: { value: 'Failed' } })]);
    expect([result.around, result.failed.map(({ operationId }) => operationId)]).toEqual([[], ['f-1']]);
  });

  test('cuts both sides to the same time', async () => {
    const until = START + 5 * MINUTE;
    const result = await compared(ours, { until });
    expect([result.matched, result.around, result.missing]).toEqual([1, [], []]);
    expect((await compared([run('early', -1), ...ours])).around).toEqual([]);
  });

  test('expects the caller of the intent where the cluster runs as the caller', async () => {
    const asAlice = ours.map((entry) => ({ ...entry, caller: alice }));
    expect((await compared(asAlice, {}, 'caller')).matched).toBe(2);
    const result = await compared(ours, {}, 'caller');
    expect([result.matched, result.around, result.missing]).toEqual([0, ['aaaabb', 'o-2'], ['cmd-1', 'cmd-2']]);
  });

  test('does not take nothing for agreement', async () => {
    expect((await compared([])).empty).toEqual(['azure']);
    expect((await compared(ours, { since: START + 60 * MINUTE })).empty).toEqual(['azure', 'trail']);
  });

  test('takes the one caller of all known runs for the gateway when nobody says who it is, and says so', async () => {
    const told = await compared([...ours, run('x', 3, { caller: 'mallory' })], { identities: [] });
    expect([told.identity, told.around]).toEqual([{ names: [GATEWAY], told: false }, ['x']]);
    const two = await compared([...ours, run('x', 3, { caller: 'mallory', correlationId: 'aaaabb' })], {
      identities: [],
    });
    expect([two.identity.names, two.matched]).toEqual([[], 0]);
  });

  test('refuses what is not an Activity Log', () => {
    for (const document of ['x', {}, [1], [run('', 0, { operationId: '', correlationId: '' })]])
      expect(() => readActivityLog(document)).toThrow(/Activity Log/);
  });
});
