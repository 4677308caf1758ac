import { NotRun } from '../exits.ts';
import type { Host } from '../host.ts';

/**
 * Stands in the installed wrapper where the clone has the operator's commands: they bring the gateway's rooms with them, and Azure's
 * SDKs. Throws NotRun.
 */
export function operator([noun = '', verb = '']: readonly string[], _host: Host): Promise<number> {
  return Promise.reject(
    new NotRun(
      `${`aksgw ${noun} ${verb}`.trim()} is for operators, and not in the installed wrapper: clone the gateway's repository, npm ci there, and ` +
        `type ${`npx aksgw ${noun} ${verb}`.trim()} …`,
    ),
  );
}
