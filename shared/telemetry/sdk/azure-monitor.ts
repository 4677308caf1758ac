import type { TokenCredential } from '@azure/core-auth';
import { AzureMonitorMetricExporter, AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter';
import type { TelemetryConfig } from '../../config/config.ts';
import type { Exporters } from './exporters.ts';

type AzureMonitor = Extract<NonNullable<TelemetryConfig['to']>, { readonly kind: 'azureMonitor' }>;

/**
 * Application Insights, by the exporter that Microsoft's distribution is built on; the rest of that would instrument every library of the
 * process. Nothing is written to disk: the file system may be read-only, and what waits there is a copy that nobody purges.
 */
export function azureMonitorExporters(
  { connection, authenticated }: AzureMonitor,
  credential: TokenCredential,
): Exporters {
  for (const name of ownStatistics) process.env[name] ??= 'true';
  const options = {
    connectionString: connection.reveal(),
    disableOfflineStorage: true,
    retryOptions: { maxRetries: 1 },
    ...(authenticated && { credential }),
  };
  return { traces: new AzureMonitorTraceExporter(options), metrics: new AzureMonitorMetricExporter(options) };
}

/**
 * The exporter's own numbers about itself go to Microsoft unless these are set (learn.microsoft.com/azure/azure-monitor/app/statsbeat): the
 * gateway speaks to hosts that its operator named.
 */
const ownStatistics = ['APPLICATION_INSIGHTS_NO_STATSBEAT', 'APPLICATIONINSIGHTS_SDKSTATS_DISABLED'];
