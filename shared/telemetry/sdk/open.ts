import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader, type MetricReader } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Clock } from '../../clock.ts';
import type { TelemetryConfig } from '../../config/config.ts';
import { createTelemetry } from '../create.ts';
import type { OpenedTelemetry, TelemetryOptions } from '../opened.ts';
import { createFailures } from './failures.ts';
import type { Exporters } from './exporters.ts';
import { createPrometheus } from './prometheus.ts';
import { SpanQueue } from './span-queue.ts';

/** How long a stop waits for what is left to be sent. */
const CLOSE_MS = 3_000;
/** Spans that wait to be sent: beyond, they are dropped. Each is under 2 kB. */
const MOST_SPANS = 4_096;
/** An export that takes longer is given up. */
const EXPORT_MS = 10_000;
const METRICS_EVERY_MS = 60_000;
/** Series of one metric: beyond, they are counted as one (opentelemetry.io/docs/specs/otel/metrics/sdk, "Cardinality limits"). */
const MOST_SERIES = 5_000;

/** OpenTelemetry's SDK with bounded buffers, and the exporters that the configuration asks for. */
export async function openSdk(
  { to, prometheus }: TelemetryConfig,
  { version, instance, credential, clock, warn }: TelemetryOptions,
): Promise<OpenedTelemetry> {
  const resource = resourceFromAttributes({
    'service.name': 'aks-access-gateway',
    'service.version': version,
    'service.instance.id': instance,
  });
  const failures = createFailures(clock, warn);
  const exporters = to && (await exportersOf(to, credential));
  const text = prometheus ? createPrometheus(MOST_SERIES) : undefined;
  const meters = new MeterProvider({ resource, readers: readersOf(exporters, failures, text?.reader) });
  const tracers =
    exporters &&
    new BasicTracerProvider({
      resource,
      sampler: new AlwaysOnSampler(), // see contextOf: a caller's flag does not decide
      spanProcessors: [queueOf(exporters, failures, clock)],
    });
  const telemetry = createTelemetry({
    meter: meters.getMeter('aksgw', version),
    tracer: tracers?.getTracer('aksgw', version),
  });
  failures.countTo(telemetry);
  return {
    telemetry,
    prometheus: text?.read,
    close: async () => {
      const sent = Promise.allSettled([tracers?.shutdown(), meters.shutdown()]).then(() => true);
      const late = clock.sleep(CLOSE_MS, { unref: true }).then(() => false);
      if (!(await Promise.race([sent, late]))) warn('the last telemetry could not be sent in time, and is lost');
    },
  };
}

async function exportersOf(
  to: NonNullable<TelemetryConfig['to']>,
  credential: TelemetryOptions['credential'],
): Promise<Exporters> {
  if (to.kind === 'otlp') return (await import('./otlp.ts')).otlpExporters(to.url, EXPORT_MS);
  return (await import('./azure-monitor.ts')).azureMonitorExporters(to, credential);
}

function readersOf(
  exporters: Exporters | undefined,
  failures: ReturnType<typeof createFailures>,
  text: MetricReader | undefined,
): MetricReader[] {
  const pushed =
    exporters &&
    new PeriodicExportingMetricReader({
      exporter: failures.watch('metrics', exporters.metrics),
      exportIntervalMillis: METRICS_EVERY_MS,
      exportTimeoutMillis: EXPORT_MS,
      cardinalityLimits: { default: MOST_SERIES },
    });
  return [...(pushed ? [pushed] : []), ...(text ? [text] : [])];
}

function queueOf({ traces }: Exporters, failures: ReturnType<typeof createFailures>, clock: Clock): SpanProcessor {
  const watched = failures.watch('traces', traces);
  const exporter: SpanExporter = {
    export: (spans, done) => {
      queue.taken(spans.length);
      watched.export(spans, done);
    },
    forceFlush: async () => watched.forceFlush?.(),
    shutdown: () => watched.shutdown(),
  };
  const next = new BatchSpanProcessor(exporter, {
    maxQueueSize: MOST_SPANS,
    maxExportBatchSize: 512,
    scheduledDelayMillis: 5_000,
    exportTimeoutMillis: EXPORT_MS,
  });
  const queue = new SpanQueue({ next, most: MOST_SPANS, clock, lost: failures.dropped });
  return queue;
}
