import { assemble, type Assembled } from '../shared/assemble.ts';
import { version } from './version.ts';

let assembled: Promise<Assembled> | undefined;

/**
 * The one gateway of this process, made with the first request: a worker that is only a placeholder has another environment
 * (functionEnvironmentReloadRequest), so nothing is read at import. A start that failed is tried again with the next request.
 */
export function gateway(): Promise<Assembled> {
  assembled ??= assemble({ location: process.env['AKSGW_CONFIG'] ?? '', env: process.env, version }).catch(
    (error: unknown) => {
      assembled = undefined;
      throw error;
    },
  );
  return assembled;
}
