import type { TokenCredential } from '@azure/core-auth';
import type { PipelinePolicy, PipelineResponse } from '@azure/core-rest-pipeline';
import { AzureMonitorMetricExporter, AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter';
import type { TelemetryConfig } from '../../config/config.ts';
import type { Exporters } from './exporters.ts';

type AzureMonitor = Extract<NonNullable<TelemetryConfig['to']>, { readonly kind: 'azureMonitor' }>;

/**
 * Application Insights, by the exporter that Microsoft's distribution is built on; the rest of that would instrument every library of the
 * process. Nothing is written to disk: the file system may be read-only, and what waits there is a copy that nobody purges. That a token is
 * taken is the assumption `insights-entra`.
 */
export function azureMonitorExporters(
  { connection, authenticated }: AzureMonitor,
  credential: TokenCredential,
): Exporters {
  for (const name of ownStatistics) process.env[name] ||= 'true';
  const options = {
    connectionString: connection.reveal(),
    disableOfflineStorage: true,
    retryOptions: { maxRetries: 1 },
    additionalPolicies: [{ policy: failWhatIsLost, position: 'perCall' as const }],
    ...(authenticated && { credential }),
  };
  return { traces: new AzureMonitorTraceExporter(options), metrics: new AzureMonitorMetricExporter(options) };
}

/**
 * The exporter's own numbers about itself go to Microsoft unless these are set (learn.microsoft.com/azure/azure-monitor/app/statsbeat): the
 * gateway speaks to hosts that its operator named.
 */
const ownStatistics = ['APPLICATION_INSIGHTS_NO_STATSBEAT', 'APPLICATIONINSIGHTS_SDKSTATS_DISABLED'];

/**
 * Without a disk the exporter reports an export as a success that Azure refused (401, 403, 429, 5xx) or that never arrived: it takes it for
 * one that is kept for later. Nothing is kept, so such an export fails here, as an error that the exporter takes for final.
 */
const failWhatIsLost: PipelinePolicy = {
  name: 'failWhatIsLost',
  sendRequest: async (request, next) => {
    const response = await next(request).catch((error: unknown) => {
      throw new Error(error instanceof Error ? error.message : 'the request failed', { cause: error });
    });
    const { status } = response;
    if (status === 206 && lostItems(response) > 0) throw new Error('Application Insights took only a part of it');
    const isTaken = status === 200 || status === 206 || status === 307 || status === 308; // the exporter follows a redirect
    if (!isTaken) throw new Error(`Application Insights answered ${status}`);
    return response;
  },
};

/** Items that were refused; those that Azure's own sampling leaves out are not lost. */
function lostItems({ bodyAsText }: PipelineResponse): number {
  const { errors = [] } = JSON.parse(bodyAsText ?? '{}') as {
    readonly errors?: readonly { readonly message?: string }[];
  };
  return errors.filter(({ message = '' }) => !/^telemetry sampled out/i.test(message)).length;
}
