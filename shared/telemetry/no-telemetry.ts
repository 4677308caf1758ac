import type { Telemetry } from './telemetry.ts';
import { readTraceParent } from './traceparent.ts';

/** Where none is configured: nothing is measured. A caller's trace still gets into the audit trail. */
export const noTelemetry: Telemetry = {
  enabled: false,
  count: () => undefined,
  time: () => undefined,
  gauge: () => undefined,
  span: (_name, _attributes, step) => step(),
  request: (traceparent) => ({
    traceId: readTraceParent(traceparent)?.traceId,
    within: (step) => step(),
    end: () => undefined,
  }),
  traceId: () => undefined,
};
