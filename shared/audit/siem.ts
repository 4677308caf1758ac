import type { JsonObject } from './canonical.ts';

/** A second, best-effort way out for events: never waited for, never in the way. */
export interface SiemSink {
  /** Takes the event, or drops it when its queue is full. */
  offer(event: JsonObject): void;
  /** What went where since the start. */
  counts(): { readonly sent: number; readonly dropped: number; readonly queued: number };
  /** Sends what is queued, within its own bound of time. */
  close(): Promise<void>;
}
