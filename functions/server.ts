import { parseArgs } from 'node:util';
import { assemble } from '../shared/assemble.ts';
import { systemClock } from '../shared/clock.ts';
import { version } from './version.ts';

const SWEEP_MS = 15_000;

/** The gateway on a plain port: a container, a virtual machine, this machine. `--config F`, or AKSGW_CONFIG. */
const { values } = parseArgs({ options: { config: { type: 'string', short: 'c' } } });
const location = values.config ?? process.env['AKSGW_CONFIG'];
if (!location) {
  process.stderr.write('which configuration? give --config FILE or set AKSGW_CONFIG\n');
  process.exit(2);
}

try {
  const { app, config, sweep, close } = await assemble({
    location,
    env: process.env,
    version,
    logger: { level: process.env['AKSGW_LOG_LEVEL'] ?? 'info', stream: process.stderr },
  });
  for (const warning of config.current().warnings) app.log.warn(warning);
  const stopping = new AbortController();
  const sweeping = (async () => {
    while (!stopping.signal.aborted) {
      await sweep().catch((error: unknown) =>
        app.log.error({ err: error }, 'the sweep failed; the next one tries again'),
      );
      await systemClock.sleep(SWEEP_MS, { signal: stopping.signal, unref: true }).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    }
  })();
  const address = await app.listen(config.current().listen);
  process.stdout.write(`listening on ${address}\n`);
  const stop = (): void => {
    stopping.abort(new Error('the gateway is stopping'));
    void sweeping.then(close).then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  process.stderr.write(`the gateway did not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
