import type { TokenCredential } from '@azure/core-auth';
import type { Clock } from '../clock.ts';
import type { Telemetry } from './telemetry.ts';

export interface OpenedTelemetry {
  readonly telemetry: Telemetry;
  /** The metrics as Prometheus' text, where the configuration asks for it. */
  readonly prometheus?: (() => Promise<string>) | undefined;
  /** Sends what is left, for a bounded time. Never rejects. */
  close(): Promise<void>;
}

export interface TelemetryOptions {
  readonly version: string;
  /** This process, uniquely. */
  readonly instance: string;
  /** The gateway's own identity in Azure. */
  readonly credential: TokenCredential;
  readonly clock: Clock;
  readonly warn: (warning: string) => void;
}
