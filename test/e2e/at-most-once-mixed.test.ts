import { randomInt } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { chaos } from '../support/chaos/chaos.ts';

/** AT_MOST_ONCE_MIXED=2000 for more; AT_MOST_ONCE_SEED=… draws the same again. */
const count = Number(process.env['AT_MOST_ONCE_MIXED'] ?? 14);
const seed = Number(process.env['AT_MOST_ONCE_SEED'] ?? randomInt(2 ** 31));

test(
  'commands, batches, cancels and settling over two gateways that are killed: none runs twice, none is told falsely, each has its pair',
  async () => {
    const said: string[] = [];
    const { faults, ...seen } = await chaos({
      count,
      seed,
      killEvery: Math.min(50, count / 2),
      say: (message) => said.push(message),
    });
    console.log(`at most once, mixed: ${JSON.stringify(seen)}`);
    expect({ faults, said: said.filter((message) => !/^\d+ of/.test(message)), seed }).toEqual({
      faults: { ranTwice: 0, falseOutcome: 0, idLost: 0, withoutPair: 0, trailNotIntact: 0 },
      said: [],
      seed,
    });
    expect(seen.kills).toBeGreaterThan(0);
    expect(seen.ended['completed']).toBeGreaterThan(count / 4);
  },
  420_000 + count * 500,
);
