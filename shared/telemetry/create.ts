import { AsyncLocalStorage } from 'node:async_hooks';
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  type Attributes,
  type Context,
  type Counter,
  type Histogram,
  type Meter,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { Problem } from '../errors.ts';
import { labels, metrics, NO_CLUSTER, type MetricName, type NameOf } from './metrics.ts';
import type { SpanAttributes } from './spans.ts';
import type { RequestSpan, Telemetry } from './telemetry.ts';
import { readTraceParent, type TraceParent } from './traceparent.ts';

interface Providers {
  readonly meter: Meter;
  /** Left out where no traces are wanted. */
  readonly tracer?: Tracer | undefined;
}

/**
 * Telemetry over OpenTelemetry's API. Nothing global is set: two gateways of one process do not mix. The current span is kept by a
 * store of its own, which the async work of a request inherits.
 */
export function createTelemetry({ meter, tracer }: Providers): Telemetry {
  const counters = instruments('counter', (name, says) => meter.createCounter(name, says));
  const histograms = instruments('histogram', (name, says) =>
    meter.createHistogram(name, { ...says, advice: { explicitBucketBoundaries: [...bounds] } }),
  );
  const current = new AsyncLocalStorage<Context>();
  return {
    enabled: true,
    count: (name, labels, by = 1) => counters[name].add(by, known(labels as Given)),
    time: (name, labels, ms) => histograms[name].record(Math.max(0, ms) / 1_000, known(labels as Given)),
    gauge: (name, read) => {
      const { unit, says: description } = metrics[name];
      meter.createObservableGauge(name, { unit, description }).addCallback((result) => {
        for (const { labels, value } of read()) result.observe(value, known(labels as Given));
      });
    },
    span: (name, attributes, step) => {
      const parent = current.getStore() ?? (name === 'job' ? ROOT_CONTEXT : undefined);
      if (!tracer || !parent) return step();
      const span = tracer.startSpan(name, { attributes: said(attributes) }, parent);
      return current.run(trace.setSpan(parent, span), () => spanOver(span, step));
    },
    request: (traceparent) => requestSpan(tracer, current, readTraceParent(traceparent)),
    traceId: () => trace.getSpanContext(current.getStore() ?? ROOT_CONTEXT)?.traceId,
  };
}

/** Seconds: from a record in SQLite to a command that runs for an hour. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];

interface Says {
  readonly unit: string;
  readonly description: string;
}

function instruments<Kind extends 'counter' | 'histogram', Instrument extends Counter | Histogram>(
  kind: Kind,
  create: (name: MetricName, says: Says) => Instrument,
): Record<NameOf<Kind>, Instrument> {
  const made = Object.entries(metrics)
    .filter(([, metric]) => metric.kind === kind)
    .map(([name, { unit, says }]) => [name, create(name as MetricName, { unit, description: says })] as const);
  return Object.fromEntries(made) as Record<NameOf<Kind>, Instrument>;
}

type Given = Readonly<Record<string, string | number>>;

/** The compiler holds the values to the table already, but for what a caller might slip past it: that becomes one value. */
function known(given: Given): Attributes {
  for (const label of Object.keys(given)) {
    const value = given[label];
    const allowed = labels[label as keyof typeof labels] as string | readonly (string | number)[] | undefined;
    if (allowed === undefined || (Array.isArray(allowed) && !allowed.includes(value)))
      return { ...given, [label]: NO_CLUSTER };
  }
  return given;
}

/** By a loop: it is done for every span of every command. */
function said(attributes: SpanAttributes): Attributes {
  const kept: Attributes = {};
  for (const name of Object.keys(attributes) as (keyof SpanAttributes)[]) {
    const value = attributes[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function spanOver<T>(span: Span, step: () => T): T {
  try {
    const result = step();
    if (!(result instanceof Promise)) {
      span.end();
      return result;
    }
    result.then(
      () => span.end(),
      (error: unknown) => fail(span, error),
    );
    return result;
  } catch (error) {
    fail(span, error);
    throw error;
  }
}

/** A problem by its code, anything else by its class: messages hold what callers wrote. */
function fail(span: Span, error: unknown): void {
  const type = error instanceof Problem ? error.code : error instanceof Error ? error.constructor.name : 'unknown';
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

function requestSpan(
  tracer: Tracer | undefined,
  current: AsyncLocalStorage<Context>,
  parent: TraceParent | undefined,
): RequestSpan {
  if (!tracer) return { traceId: parent?.traceId, within: (step) => step(), end: () => undefined };
  const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, contextOf(parent));
  const context = trace.setSpan(ROOT_CONTEXT, span);
  let ended = false;
  return {
    traceId: span.spanContext().traceId,
    within: (step) => current.run(context, step),
    end: (name, attributes, failed) => {
      if (ended) return;
      ended = true;
      span.updateName(name);
      span.setAttributes(said(attributes));
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/**
 * The caller's trace goes on here. Whether the caller keeps its own part of it does not decide about this one: no caller gets out of
 * sight by a flag (www.w3.org/TR/trace-context, section 5.2 leaves that to the receiver).
 */
const contextOf = (parent: TraceParent | undefined): Context =>
  parent
    ? trace.setSpanContext(ROOT_CONTEXT, {
        traceId: parent.traceId,
        spanId: parent.spanId,
        traceFlags: TraceFlags.SAMPLED,
        isRemote: true,
      })
    : ROOT_CONTEXT;
