import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { Exporters } from './exporters.ts';

/**
 * OTLP over HTTP in protobuf, which every receiver must take (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"). Headers, such as a key, come
 * from OTEL_EXPORTER_OTLP_HEADERS.
 */
export const otlpExporters = (url: string, timeoutMillis: number): Exporters => ({
  traces: new OTLPTraceExporter({ url: `${url}/v1/traces`, timeoutMillis, concurrencyLimit: 2 }),
  metrics: new OTLPMetricExporter({ url: `${url}/v1/metrics`, timeoutMillis, concurrencyLimit: 2 }),
});
