import { spawn } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';

/**
 * Every bench, one after the other so that none disturbs another, and one JSON object with what they found. Each bench is a
 * program of its own that says what it measures. `npm run bench -- [--quick] [NAME …]`; the relay's takes half an hour, or some minutes.
 * Two are no measurements and stand alone: `npm run bench -- --chaos` kills gateways, and fails when a command is lost or runs twice;
 * `npm run bench -- --endurance` sends 10,000 commands, and fails when what the gateway takes of the machine grows with them.
 */
const benches = ['http', 'telemetry', 'bundle', 'command', 'policy', 'judge', 'replay', 'audit', 'relay'] as const;
const alone = (['chaos', 'endurance'] as const).filter((name) => process.argv.includes(`--${name}`));
const flags = process.argv.slice(2).filter((word) => word.startsWith('-') && !/^--(chaos|endurance)$/.test(word));
const named = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const wrong = [
  ...named.filter((name) => !benches.includes(name as 'http')),
  ...flags.filter((flag) => flag !== '--quick'),
];
if (wrong.length > 0) {
  process.stderr.write(
    `there is no ${wrong.join(', ')}; the benches are ${benches.join(', ')}, the flags --quick, --chaos and --endurance\n`,
  );
  process.exit(2);
}

const results: Record<string, unknown> = {};
for (const name of alone.length > 0 ? alone : benches.filter((one) => named.length === 0 || named.includes(one))) {
  process.stderr.write(`${name} …\n`);
  results[name] = await run(name);
}
const { model = 'unknown' } = cpus()[0] ?? {};
const machine = { node: process.version, cores: availableParallelism(), model, load: loadavg()[0] };
process.stdout.write(`${JSON.stringify({ machine, ...results }, null, 2)}\n`);

async function run(name: string): Promise<unknown> {
  const program = join(import.meta.dirname, `${name}.ts`);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) {
    process.stderr.write(out); // what it found, a fault above all
    throw new Error(`the bench ${name} ended with ${code}`);
  }
  return JSON.parse(out);
}
