import type { AuditTrail } from '../audit/trail.ts';
import { principalKey } from '../identity/principal.ts';
import type { Traffic } from './traffic.ts';

/** The trail, with each line counted for the caller who caused it. Not those that say "too much": they are summed up anyway. */
export const countingLines = (trail: AuditTrail, traffic: Pick<Traffic, 'countLine'>): AuditTrail => ({
  ...trail,
  record: (event, options) => {
    if (event.event !== 'rate-limited' && 'principal' in event && event.principal) {
      const { idtyp: kind, tid, oid } = event.principal;
      // Of a job that a person runs by hand the lines are the job's.
      const { requester } = kind === 'app' ? event : { requester: undefined };
      const behind = requester && { kind: requester.idtyp, tid: requester.tid, oid: requester.oid };
      traffic.countLine(principalKey({ kind, tid, oid, requester: behind }));
    }
    return trail.record(event, options);
  },
});
