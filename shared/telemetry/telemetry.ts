import type { LabelsOf, NameOf } from './metrics.ts';
import type { SpanAttributes, SpanName } from './spans.ts';

/**
 * Where measurements go. Nothing here waits, throws or fails: a command is the same with it and without it. What it is told is names of
 * the code and of the configuration, and numbers: no text of a caller, no secret.
 */
export interface Telemetry {
  /** False where nobody configured any: then there is nothing worth preparing for it. */
  readonly enabled: boolean;
  count<Name extends NameOf<'counter'>>(name: Name, labels: LabelsOf<Name>, by?: number): void;
  /** Milliseconds, as the gateway's clocks give them; they are told in seconds. */
  time<Name extends NameOf<'histogram'>>(name: Name, labels: LabelsOf<Name>, ms: number): void;
  /** Is asked whenever the metrics are read. */
  gauge<Name extends NameOf<'gauge'>>(name: Name, read: () => readonly Reading<Name>[]): void;
  /** A step as a span below the one that it is part of; only a job's may be part of none. Its result is the step's own. */
  span<T>(name: SpanName, attributes: SpanAttributes, step: () => T): T;
  /** A request as a span, part of the caller's trace if it names one. */
  request(traceparent: string | undefined): RequestSpan;
  /** The trace that the current step belongs to: 32 hex digits. */
  traceId(): string | undefined;
}

interface Reading<Name extends NameOf<'gauge'>> {
  readonly labels: LabelsOf<Name>;
  readonly value: number;
}

export interface RequestSpan {
  /** 32 hex digits, for the audit trail; undefined where the caller named no trace and none is made. */
  readonly traceId: string | undefined;
  /** What is done in `step`, and after it by what it started, is part of the request. */
  within(step: () => void): void;
  end(name: string, attributes: SpanAttributes, failed: boolean): void;
}
