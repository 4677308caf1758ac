import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { Clock } from '../../clock.ts';
import { redactText } from '../../lib/redact.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Loss } from './span-queue.ts';

type Signal = 'traces' | 'metrics';

interface Exporter {
  export(items: never, done: (result: ExportResult) => void): void | Promise<void>;
}

/** How often exports that fail are told in the log. */
const TOLD_EVERY_MS = 10 * 60_000;

/** Telemetry that is lost: counted, told now and then, and nobody's problem. */
export function createFailures(clock: Clock, warn: (warning: string) => void) {
  let counted: Telemetry | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  const since = { exports: 0, spans: 0 };
  const tell = (what: string): void => {
    const now = clock.monotonic();
    if (now - toldAt < TOLD_EVERY_MS) return;
    const { exports, spans } = since;
    const also = spans === 0 ? '' : `, ${spans} spans found no place in the queue`;
    warn(`telemetry is being lost: ${exports} exports have failed${also} since the last message, the last of ${what}`);
    toldAt = now;
    Object.assign(since, { exports: 0, spans: 0 });
  };
  const failed = (signal: Signal, items: unknown, error: unknown): void => {
    counted?.count('aksgw.telemetry.failures', { signal });
    if (Array.isArray(items)) counted?.count('aksgw.telemetry.dropped', { why: 'export-failed' }, items.length);
    since.exports += 1;
    tell(`${signal}: ${error instanceof Error ? redactText(error.message).slice(0, 200) : 'no reason was given'}`);
  };
  return {
    countTo: (telemetry: Telemetry): void => {
      counted = telemetry;
    },
    /** Of what anybody could cause a part is left out on purpose, and not told of in the log. */
    dropped(why: Loss, spans: number): void {
      counted?.count('aksgw.telemetry.dropped', { why }, spans);
      if (why === 'unauthenticated') return;
      since.spans += spans;
      tell(`traces: more spans came than could be sent`);
    },
    /** The same exporter. What it throws, now or later, is a failed export too: an error that nobody catches would end the process. */
    watch<E extends Exporter>(signal: Signal, exporter: E): E {
      const send: Exporter['export'] = exporter.export.bind(exporter);
      exporter.export = (items: never, done: (result: ExportResult) => void) => {
        const ended = once((result: ExportResult) => {
          if (result.code !== ExportResultCode.SUCCESS) failed(signal, items, result.error);
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
