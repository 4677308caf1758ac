import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { prometheusName, type MetricName } from '../metrics.ts';

/** Reads the metrics when it is asked, and opens no port of its own. */
class OnDemand extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

export function createPrometheus(mostSeries: number) {
  const reader = new OnDemand({ cardinalitySelector: () => mostSeries });
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return {
    reader,
    read: async (): Promise<string> => {
      const { resourceMetrics } = await reader.collect();
      return serializer.serialize(withUnits(resourceMetrics));
    },
  };
}

/** The serializer leaves the unit out of the name (it adds `_total`). */
const withUnits = ({ resource, scopeMetrics }: ResourceMetrics): ResourceMetrics => ({
  resource,
  scopeMetrics: scopeMetrics.map(({ scope, metrics }) => ({
    scope,
    metrics: metrics.map((metric) => ({
      ...metric,
      descriptor: { ...metric.descriptor, name: prometheusName(metric.descriptor.name as MetricName) },
    })),
  })),
});
