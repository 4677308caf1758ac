import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { assemble } from '../../shared/assemble.ts';
import { systemClock } from '../../shared/clock.ts';

/**
 * A gateway in a process of its own that kills itself (SIGKILL) at its n-th durable write after the first command came in:
 * `KILL_AT=3 KILL_WHEN=before|after`. Durable writes are what the operating system is asked to keep: a commit of the records'
 * database, the sync of its log, a write of the audit log, which is durable as such (O_DSYNC) or synced after. With KILL_AT=0 it
 * lives. Leases are short (LEASE_MS), so that a successor need not wait. Its clock is ahead by the milliseconds that stand in CLOCK_AHEAD_FILE.
 */
const killAt = Number(process.env['KILL_AT'] ?? '0');
const before = process.env['KILL_WHEN'] === 'before';
let armed = false;
let writes = 0;

function die(): void {
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing more of this process may be seen until it is here.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
}

const prepare = DatabaseSync.prototype.prepare;
DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...args) {
  const statement = prepare.apply(this, args);
  if (args[0] !== 'COMMIT') return statement;
  const run = statement.run.bind(statement);
  statement.run = () => {
    const fatal = armed && ++writes === killAt;
    if (fatal && before) die();
    const result = run();
    if (fatal) die();
    return result;
  };
  return statement;
};

const handle = await open(import.meta.filename);
type Work = (this: unknown, ...args: unknown[]) => Promise<unknown>;
const files = Object.getPrototypeOf(handle) as { datasync: Work; write: Work };
await handle.close();
for (const call of ['write', 'datasync'] as const) {
  const real = files[call];
  files[call] = async function (...args) {
    const fatal = armed && ++writes === killAt;
    if (fatal && before) die();
    const result = await real.apply(this, args);
    if (fatal) die();
    return result;
  };
}

const aheadFile = process.env['CLOCK_AHEAD_FILE'];
const ahead = (): number => (aheadFile && existsSync(aheadFile) ? Number(readFileSync(aheadFile, 'utf8')) : 0);

const location = process.argv[2] ?? '';
const { app, sweep, close } = await assemble({
  location,
  env: process.env,
  version: 'test',
  leaseMs: Number(process.env['LEASE_MS'] ?? 400),
  ...(process.env['SETTLE_AFTER_MS'] !== undefined && { settleAfterMs: Number(process.env['SETTLE_AFTER_MS']) }),
  clock: {
    ...systemClock,
    now: () => systemClock.now() + ahead(),
    monotonic: () => systemClock.monotonic() + ahead(),
  },
  logger: { level: 'error', stream: process.stderr },
});
process.once('SIGTERM', () => void close().then(() => process.exit(0)));
app.server.on('request', (request) => {
  if (request.method === 'POST') armed = true;
});
const address = await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`listening on ${address}\n`);
// The mortal one does not sweep: its writes are the command's alone.
if (killAt === 0) {
  for (;;) {
    await systemClock.sleep(100);
    await sweep();
  }
}
