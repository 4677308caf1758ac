import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { after, type Clock } from '../../clock.ts';
import type { Telemetry } from '../telemetry.ts';

/** The time that a reading of the event loop is about. */
const WINDOW_MS = 15_000;
/** How finely its delay is measured: a timer that wakes so often. */
const RESOLUTION_MS = 50;

/** The process itself: memory, and how busy its event loop is. Stops by what it gives back. */
export function observeProcess(telemetry: Telemetry, clock: Clock): { close(): void } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let from = performance.eventLoopUtilization();
  let last = { delay: 0, utilization: 0 };
  let cancel = (): void => undefined;
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const late = Math.max(0, delay.percentile(99) / 1e9 - RESOLUTION_MS / 1_000);
    last = { delay: late, utilization: performance.eventLoopUtilization(now, from).utilization };
    from = now;
    delay.reset();
    cancel = after(clock, WINDOW_MS, look, { unref: true });
  };
  cancel = after(clock, WINDOW_MS, look, { unref: true });
  telemetry.gauge('aksgw.eventloop.delay', () => [{ labels: {}, value: last.delay }]);
  telemetry.gauge('aksgw.eventloop.utilization', () => [{ labels: {}, value: last.utilization }]);
  telemetry.gauge('aksgw.memory', () => {
    const { rss, heapUsed, external } = process.memoryUsage();
    return [
      { labels: { memory: 'rss' }, value: rss },
      { labels: { memory: 'heap' }, value: heapUsed },
      { labels: { memory: 'external' }, value: external },
    ];
  });
  return {
    close: () => {
      cancel();
      delay.disable();
    },
  };
}
