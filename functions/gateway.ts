import { assemble, type Assembled } from '../shared/assemble.ts';
import { version } from './version.ts';

/** The worker hands its standard error to the host's own log. */
const LOG = { level: 'info', stream: process.stderr };

let assembled: Promise<Assembled> | undefined;

/**
 * The one gateway of this process, made with the first request: a worker that is only a placeholder has another environment
 * (functionEnvironmentReloadRequest), so nothing is read at import. A start that failed is tried again with the next request.
 */
export function gateway(): Promise<Assembled> {
  assembled ??= assemble({ location: process.env['AKSGW_CONFIG'] ?? '', env: process.env, version, logger: LOG }).catch(
    (error: unknown) => {
      assembled = undefined;
      throw error;
    },
  );
  return assembled;
}

/** At the worker's end: gives running commands to the next process and closes the trail. */
export async function closeGateway(): Promise<void> {
  const ending = await assembled?.catch(() => undefined); // one that never started has nothing to close
  await ending?.close();
}
