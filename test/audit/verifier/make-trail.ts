import { appendFile, cp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { rfc3339 } from '../../../shared/audit/chain.ts';
import { verifyTrail } from '../../../shared/audit/verify/verify.ts';
import { completed, createBench, intended } from '../support/samples.ts';

/**
 * Makes the sample trail and its expected verdict again, when the format has changed: `node test/audit/verifier/make-trail.ts`. Three
 * gateways: one that closed, one that was killed in the middle of a line, and one that saw both.
 */
await using bench = await createBench();
const closed = await bench.open();
await closed.record(intended('cmd-1'));
await closed.record(completed('cmd-1'));
await closed.close();
await bench.clock.advance(1_000);

const killed = await bench.open({ clock: { ...bench.clock, sleep: () => new Promise<never>(() => {}) } });
const { stream } = await killed.record(intended('cmd-2'));
await bench.clock.advance(1_000);
await killed.record(completed('cmd-2', 1));
await appendFile(path.join(bench.folder, `${stream}.000000.jsonl`), '{"argv":["kubectl","get"');
await bench.clock.advance(4_000);

const last = await bench.open();
await Promise.all([
  last.record(intended('cmd-3')),
  last.record({ ...intended('cmd-4'), event: 'command.denied', decision: 'deny', detail: 'No rule allows it.' }),
]);
await last.record(completed('cmd-3'));
await last.close();

const now = bench.clock.now() + 3_600_000;
const { verdict, streams } = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now });
const expected = {
  rootKey: bench.key.keyId,
  now: rfc3339(now),
  verdict,
  streams: Object.fromEntries(
    streams.map(({ stream: name, lastSeq, signedUpTo, final }) => [name, { last: lastSeq, signedUpTo, final }]),
  ),
};
await rm(path.join(import.meta.dirname, 'trail'), { recursive: true, force: true });
await cp(bench.folder, path.join(import.meta.dirname, 'trail'), { recursive: true });
await writeFile(path.join(import.meta.dirname, 'expected.json'), `${JSON.stringify(expected, null, 2)}\n`);
