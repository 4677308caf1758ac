import type { Gateway } from '../../gateway/gateway.ts';
import type { AuthenticatedRequest, RequestedBatch, RequestedCommand } from '../../gateway/request.ts';
import type { Telemetry } from '../telemetry.ts';

type Starts = Pick<Gateway, 'runCommand' | 'runBatch'>;

/** The gateway as jobs see it: each run is a span, of a trace of its own unless somebody asked for it, which the trail names too. */
export function tracedRuns<G extends Starts>(gateway: G, telemetry: Telemetry): G {
  const traced = <T>(
    request: AuthenticatedRequest,
    { job }: RequestedCommand | RequestedBatch,
    run: (request: AuthenticatedRequest) => Promise<T>,
  ): Promise<T> =>
    telemetry.span('job', { 'aksgw.job': job?.name }, () =>
      run({ ...request, facts: { ...request.facts, traceId: telemetry.traceId() ?? request.facts.traceId } }),
    );
  return {
    ...gateway,
    runCommand: (request, requested, signal) =>
      traced(request, requested, (own) => gateway.runCommand(own, requested, signal)),
    runBatch: (request, requested, signal) =>
      traced(request, requested, (own) => gateway.runBatch(own, requested, signal)),
  };
}
