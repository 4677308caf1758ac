import type { EmulatedArm, PollFault, PostFault } from '../../../infra/local/arm.ts';
import type { Draw } from './draws.ts';

const postFaults: readonly (readonly PostFault[])[] = [
  [{ kind: 'resetBefore' }],
  [{ kind: 'resetAfter' }],
  [{ kind: 'slow', ms: 200 }, { kind: 'resetAfter' }],
  [{ kind: 'status', status: 503, retryAfter: 1 }],
  [{ kind: 'status', status: 503, accepted: true }],
  [{ kind: 'status', status: 429, retryAfter: 1 }],
  [{ kind: 'location', location: undefined }],
];
const pollFaults: readonly PollFault[] = [
  { kind: 'resetBefore' },
  { kind: 'resetAfter' },
  { kind: 'status', status: 503, retryAfter: 1 },
  { kind: 'slow', ms: 200 },
];
/** One request in so many meets with one of them. */
const FAULTY = 8;

/** From here on requests to Azure meet with faults, the gateway's own too. Gives how often each was met. */
export function disturb({ faults }: EmulatedArm, draw: Draw): ReadonlyMap<string, number> {
  const met = new Map<string, number>();
  const meet = <F extends { readonly kind: string }>(what: string, some: readonly F[]): readonly F[] => {
    const name = `${what} ${some.map((fault) => ('status' in fault ? String(fault['status']) : fault.kind)).join(', ')}`;
    met.set(name, (met.get(name) ?? 0) + 1);
    return some;
  };
  faults.post(() => {
    if (draw(FAULTY) > 0) return undefined;
    return meet('POST', postFaults[draw(postFaults.length)] ?? []);
  });
  faults.poll(() => {
    const fault = draw(FAULTY) > 0 ? undefined : pollFaults[draw(pollFaults.length)];
    return fault && meet('GET', [fault]);
  });
  return met;
}
