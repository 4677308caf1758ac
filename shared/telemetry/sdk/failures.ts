import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { Clock } from '../../clock.ts';
import { redactText } from '../../lib/redact.ts';
import type { Telemetry } from '../telemetry.ts';

type Signal = 'traces' | 'metrics';

interface Exporter {
  export(items: never, done: (result: ExportResult) => void): void | Promise<void>;
}

/** How often exports that fail are told in the log. */
const TOLD_EVERY_MS = 10 * 60_000;

/** Exports that fail: counted, told now and then, and nobody's problem. */
export function createFailures(clock: Clock, warn: (warning: string) => void) {
  let counted: Telemetry | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  let since = 0;
  const failed = (signal: Signal, error: unknown): void => {
    counted?.count('aksgw.telemetry.failures', { signal });
    since += 1;
    const now = clock.monotonic();
    if (now - toldAt < TOLD_EVERY_MS) return;
    const why = error instanceof Error ? redactText(error.message).slice(0, 200) : 'no reason was given';
    warn(`telemetry is being lost: ${since} exports have failed since the last message, the last of ${signal}: ${why}`);
    toldAt = now;
    since = 0;
  };
  return {
    countTo: (telemetry: Telemetry): void => {
      counted = telemetry;
    },
    /** The same exporter. What it throws, now or later, is a failed export too: an error that nobody catches would end the process. */
    watch<E extends Exporter>(signal: Signal, exporter: E): E {
      const send: Exporter['export'] = exporter.export.bind(exporter);
      exporter.export = (items: never, done: (result: ExportResult) => void) => {
        const ended = once((result: ExportResult) => {
          if (result.code !== ExportResultCode.SUCCESS) failed(signal, result.error);
          done(result);
        });
        const lost = (error: unknown): void =>
          ended({ code: ExportResultCode.FAILED, error: error instanceof Error ? error : new Error('unknown error') });
        try {
          void Promise.resolve(send(items, ended)).catch(lost);
        } catch (error) {
          lost(error);
        }
      };
      return exporter;
    },
  };
}

/** Azure's exporter reports each export twice. */
function once<T>(call: (value: T) => void): (value: T) => void {
  let called = false;
  return (value) => {
    if (called) return;
    called = true;
    call(value);
  };
}
