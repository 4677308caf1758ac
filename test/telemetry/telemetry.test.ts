import { describe, expect, test } from '@jest/globals';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { InMemorySpanExporter, BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { Problem } from '../../shared/errors.ts';
import { createTelemetry } from '../../shared/telemetry/create.ts';
import { noTelemetry } from '../../shared/telemetry/no-telemetry.ts';
import { readTraceParent } from '../../shared/telemetry/traceparent.ts';

function inMemory() {
  const exported = new InMemorySpanExporter();
  const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exported)] });
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  const telemetry = createTelemetry({ meter: meters.getMeter('t'), tracer: tracers.getTracer('t') });
  return {
    telemetry,
    spans: () => exported.getFinishedSpans(),
    points: async (name: string) => {
      await meters.forceFlush();
      const all =
        metrics
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
      return all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
    },
  };
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

describe('a span', () => {
  test('is part of the request that it is made in, over awaits, and the request part of the trace of the caller', async () => {
    const { telemetry, spans } = inMemory();
    const request = telemetry.request(PARENT);
    await new Promise<void>((resolve) =>
      request.within(() => {
        void telemetry
          .span('intent', { 'aksgw.cluster': 'demo' }, async () => {
            await new Promise(setImmediate);
            return telemetry.span('policy', {}, () => telemetry.traceId());
          })
          .then((id) => {
            expect(id).toBe(TRACE);
            return resolve();
          });
      }),
    );
    request.end('POST /v1', { 'http.response.status_code': 200 }, false);
    const byName = Object.fromEntries(spans().map((span) => [span.name, span]));
    expect(Object.keys(byName).sort()).toEqual(['POST /v1', 'intent', 'policy']);
    expect(byName['POST /v1']?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(byName['intent']?.parentSpanContext?.spanId).toBe(byName['POST /v1']?.spanContext().spanId);
    expect(byName['policy']?.parentSpanContext?.spanId).toBe(byName['intent']?.spanContext().spanId);
    expect(spans().every((span) => span.spanContext().traceId === TRACE)).toBe(true);
  });

  test('of a step that fails says the code of the problem, and nothing of its words', async () => {
    const { telemetry, spans } = inMemory();
    const problem = new Problem('command-refused', 'the word hunter2 is refused');
    await expect(telemetry.span('job', {}, () => Promise.reject(problem))).rejects.toBe(problem);
    expect(() =>
      telemetry.span('job', {}, () => {
        throw new TypeError('hunter2');
      }),
    ).toThrow('hunter2');
    expect(spans().map(({ attributes }) => attributes)).toEqual([
      { 'error.type': 'command-refused' },
      { 'error.type': 'TypeError' },
    ]);
    expect(JSON.stringify(spans().map(({ status, events }) => [status, events]))).not.toContain('hunter2');
  });

  test('is made for no step outside a request or a job', () => {
    const { telemetry, spans } = inMemory();
    expect(telemetry.span('policy', {}, () => 7)).toBe(7);
    expect(spans()).toEqual([]);
  });
});

describe('a label', () => {
  test('takes no other value than the table has', async () => {
    const { telemetry, points } = inMemory();
    telemetry.count('aksgw.refusals', { code: 'request-invalid' });
    telemetry.count('aksgw.refusals', { code: 'hunter2' as 'request-invalid' });
    expect((await points('aksgw.refusals')).map(({ attributes }) => attributes)).toEqual([
      { code: 'request-invalid' },
      { code: 'none' },
    ]);
  });
});

describe('traceparent', () => {
  const propagator = new W3CTraceContextPropagator();
  /** OpenTelemetry's own reader of the header. */
  const theirs = (header: string) => {
    const context = propagator.extract(
      ROOT_CONTEXT,
      { traceparent: header },
      {
        get: (carrier, key) => (carrier as Record<string, string>)[key],
        keys: Object.keys,
      },
    );
    return trace.getSpanContext(context);
  };
  const hex = (length: number) =>
    fc.string({ minLength: length, maxLength: length, unit: fc.constantFrom(...'0123456789abcdef'.split('')) });
  const wellFormed = fc
    .tuple(fc.constantFrom('00', '01', 'cc', 'ff'), hex(32), hex(16), hex(2), fc.constantFrom('', '-more', '-'))
    .map(([version, trace, span, flags, more]) => `${version}-${trace}-${span}-${flags}${more}`);
  const broken = fc
    .tuple(wellFormed, fc.nat(60), fc.constantFrom('', '0', 'g', 'A', '-', ' ', '\u0000', ',', '٣'))
    .map(([header, at, put]) => header.slice(0, at) + put + header.slice(at + 1));

  test('is read as OpenTelemetry reads it, well-formed and malformed', () => {
    fc.assert(
      fc.property(
        fc.oneof(wellFormed, broken, fc.string(), fc.constant(`00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`)),
        (header) => {
          fc.pre(header === header.trim()); // as a header comes out of a request
          const ours = readTraceParent(header);
          const other = theirs(header);
          expect(ours && [ours.traceId, ours.spanId]).toEqual(other && [other.traceId, other.spanId]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('gets into the audit trail where nothing is traced', () => {
    expect(noTelemetry.request(PARENT).traceId).toBe(TRACE);
    expect(noTelemetry.request('00-zz').traceId).toBeUndefined();
  });
});
