import { randomInt } from 'node:crypto';
import { chaos } from '../support/chaos/chaos.ts';

/**
 * test/support/chaos/chaos.ts at length. Prints one JSON object, and fails when any fault is not zero; `node test/bench/chaos.ts [--quick]`.
 * CHAOS_SEED=… draws the same faults again, which may meet other requests.
 */
const count = process.argv.includes('--quick') ? 200 : 2_000;
const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));
const say = (message: string): unknown => process.stderr.write(`${message}\n`);

say(`CHAOS_SEED=${seed}`);
const result = await chaos({ count, seed, killEvery: 100, say });
process.stdout.write(`${JSON.stringify({ bench: 'chaos', ...result }, null, 2)}\n`);
if (Object.values(result.faults).some((times) => times > 0)) process.exitCode = 1;
