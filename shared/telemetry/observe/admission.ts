import type { Admission } from '../../admission/admission.ts';
import type { Clock } from '../../clock.ts';
import type { Telemetry } from '../telemetry.ts';

/** Admission, with the wait for a slot measured. */
export const observedAdmission = (admission: Admission, telemetry: Telemetry, clock: Clock): Admission => ({
  ...admission,
  limitRate: (principal, commands) => telemetry.span('admission', {}, () => admission.limitRate(principal, commands)),
  requestSlot: async (principal, cluster, signal) => {
    const slot = await admission.requestSlot(principal, cluster, signal);
    const began = clock.monotonic();
    const granted = telemetry.span('queue', { 'aksgw.cluster': cluster }, async () => {
      await slot.granted;
      telemetry.time('aksgw.queue.duration', { cluster }, clock.monotonic() - began);
    });
    granted.catch(() => undefined); // a caller that still awaits it gets the error
    return { granted, release: slot.release };
  },
});
