import type { Clock } from '../../clock.ts';
import type { Records } from '../../store/records.ts';
import type { Telemetry } from '../telemetry.ts';

/** What is timed, and as what. The rest is rare, or a timer's. */
const timed = {
  create: 'write',
  replace: 'write',
  claimKey: 'write',
  releaseKey: 'write',
  putNote: 'write',
  get: 'read',
  getNote: 'read',
  inFlight: 'read',
  list: 'list',
  unfinished: 'list',
  unknown: 'list',
  lease: 'lease',
  releaseLease: 'lease',
  putOutput: 'output',
  getOutput: 'output',
} as const satisfies Partial<Record<keyof Records, string>>;

/** The records, with the time of each operation. */
export function observedRecords(records: Records, telemetry: Telemetry, clock: Clock): Records {
  const observed = Object.entries(timed).map(([name, store]) => {
    const operation = records[name as keyof typeof timed] as (...given: unknown[]) => Promise<unknown>;
    const call = async (...given: unknown[]): Promise<unknown> => {
      const began = clock.monotonic();
      let result: 'ok' | 'failed' = 'failed';
      try {
        const value = await operation(...given);
        result = 'ok';
        return value;
      } finally {
        telemetry.time('aksgw.store.duration', { store, result }, clock.monotonic() - began);
      }
    };
    return [name, call] as const;
  });
  // Each has the form of the operation that it calls.
  return { ...records, ...(Object.fromEntries(observed) as Pick<Records, keyof typeof timed>) };
}
