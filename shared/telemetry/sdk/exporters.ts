import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';

/** Where traces and metrics are sent. */
export interface Exporters {
  readonly traces: SpanExporter;
  readonly metrics: PushMetricExporter;
}
