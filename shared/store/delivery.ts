import type { JobEventName } from '../config/webhooks.ts';

/** What a webhook is to be told, as it is kept until it was, or until it is given up. Times are epoch milliseconds. */
export interface Delivery {
  /** Follows from what it tells and whom: the same thing is told to a webhook once. Goes out as `webhook-id`. */
  readonly id: string;
  /** 1 at creation; each replace adds one. */
  readonly version: number;
  readonly webhook: string;
  readonly about: DeliveredCommand | DeliveredJob | DeliveredLook;
  readonly createdAt: number;
  /** How often it was tried. */
  readonly attempts: number;
  /** The next attempt. While one is under way, the time at which another process may take it for lost. */
  readonly due: number;
}

/** The end of a command, or of a batch by its first step. */
interface DeliveredCommand {
  readonly event: 'command.ended' | 'batch.ended';
  readonly commandId: string;
  readonly on: 'always' | 'failure';
}

export interface DeliveredJob {
  readonly event: JobEventName;
  readonly job: string;
  readonly slot?: number | undefined;
  readonly commandId?: string | undefined;
  readonly detail: string;
}

/** What the look of a health job found. */
export interface DeliveredLook {
  readonly event: 'job.looked';
  readonly job: string;
  readonly slot: number;
  readonly commandId: string;
  readonly cluster: string;
  readonly status: string;
  /** Against what was last told: something new was found, all is well again, or neither. */
  readonly change: 'found' | 'recovered' | 'none';
  /** The gateway's own words. */
  readonly summary: string;
  /** Text out of the cluster is in them. */
  readonly lines: readonly string[];
}

/** Where the end of a command is told, and whether also when it went well. */
export interface Notify {
  readonly webhook: string;
  readonly on: 'always' | 'failure';
}
