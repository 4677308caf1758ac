import { parseArgs } from 'node:util';
import { assemble } from '../shared/assemble.ts';
import { regularly } from './regularly.ts';
import { checkSettings } from './settings.ts';
import { version } from './version.ts';

/** The gateway on a plain port: a container, a virtual machine, this machine. `--config F`, or AKSGW_CONFIG. */
const location = readLocation();

try {
  checkSettings(process.env, 'port');
  const { app, config, sweep, runJobs, runDeliveries, close } = await assemble({
    location,
    env: process.env,
    version,
    logger: { level: process.env['AKSGW_LOG_LEVEL'] || 'info', stream: process.stderr },
  });
  for (const warning of config.current().warnings) app.log.warn(warning);
  const timers = [
    regularly('the sweep', { app }, () => sweep()),
    regularly('a look at the jobs', { app }, () => runJobs()),
    regularly('the deliveries', { app }, () => runDeliveries(0)),
  ];
  const address = await app.listen(config.current().listen).catch((error: unknown) => {
    throw isTaken(error) ? new Error(`${error.message}; \`listen:\` in ${location} moves it`, { cause: error }) : error;
  });
  process.stdout.write(`listening on ${address}\n`);
  const stop = (): void => {
    const stopped = Promise.all(timers.map((timer) => timer.stop())).then(close);
    stopped.then(
      () => process.exit(0),
      (error: unknown) => {
        app.log.error({ err: error }, 'the gateway did not stop in order');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  process.stderr.write(`the gateway did not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function readLocation(): string {
  try {
    const { values } = parseArgs({ options: { config: { type: 'string', short: 'c' } } });
    const location = values.config ?? process.env['AKSGW_CONFIG'];
    if (location) return location;
    process.stderr.write('which configuration? give --config FILE or set AKSGW_CONFIG\n');
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nit takes --config FILE alone\n`);
  }
  process.exit(2);
}

function isTaken(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
