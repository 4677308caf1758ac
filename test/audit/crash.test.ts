import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock } from '../../shared/clock.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { createBench } from './support/samples.ts';

/** Each is a process; KILLS=all takes a minute and a half of two cores. */
const kills = process.env['KILLS'] === 'all' ? 200 : 60;
/** So many at once, on one folder. */
const lives = 2;

test(`a gateway that is killed ${kills} times while it writes loses no intent whose command ran, and its trail verifies`, async () => {
  await using bench = await createBench();
  const root = path.dirname(bench.folder);
  const child = path.join(import.meta.dirname, 'support', 'crash-child.ts');

  const liveAndDie = async (name: string, index: number): Promise<void> => {
    const gateway = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', child, root, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve, reject) => {
      gateway.stdout.once('data', resolve);
      gateway.once('exit', () => reject(new Error('It ended by itself')));
    });
    // Not a wait for something: the moment of the kill is spread over some milliseconds of writing.
    await delay((index * 7) % 23);
    await new Promise((resolve) => {
      gateway.removeAllListeners('exit').once('exit', resolve);
      gateway.kill('SIGKILL');
    });
  };
  await Promise.all(
    Array.from({ length: lives }, async (_, life) => {
      for (let index = life; index < kills; index += lives) await liveAndDie(`k${index}`, index);
    }),
  );
  // The next start explains what the last crash tore.
  await (await bench.open({ clock: systemClock })).close();

  const log = createFileLog({ folder: bench.folder });
  const report = await verifyTrail(log, { rootKeys: [bench.key.keyId] });
  expect(report.findings.filter(({ level }) => level === 'broken')).toEqual([]);
  // Each kill is seen by the next process; whether anything followed the last line that it saw, only time tells.
  expect(new Set(report.findings.map(({ kind }) => kind))).toEqual(
    new Set(['alive', ...(report.counts['tail-explained'] ? ['tail-explained'] : [])]),
  );
  expect(report.streams).toHaveLength(kills + 1);

  const lines = new Map<string, string>();
  for (const stream of await log.streams())
    for await (const { text } of log.read(stream)) {
      const { seq, commandId, code } = text.endsWith('}') ? (JSON.parse(text) as Record<string, unknown>) : {};
      if (code === 'AKG300I') lines.set(`${stream} ${String(seq)}`, String(commandId));
    }
  const ran = (await readFile(path.join(root, 'ran'), 'utf8')).trim().split('\n');
  expect(ran.length).toBeGreaterThan(kills * 10);
  for (const run of ran) {
    const [commandId, stream, seq] = run.split(' ');
    expect(lines.get(`${stream} ${seq}`)).toBe(commandId);
  }
}, 240_000);
