import type { Clock, Entropy } from '../clock.ts';
import type { Entrance } from '../config/config.ts';
import type { LogOptions } from '../http/options.ts';
import type { Resolve } from '../notify/post.ts';
import type { openStores } from '../open-stores.ts';
import type { openTelemetry } from '../telemetry/open.ts';

export interface AssembleOptions {
  /** A path, or the https address of a blob. */
  readonly location: string;
  readonly env: NodeJS.ProcessEnv;
  /** Which entrance calls; `port` unless told. */
  readonly entrance?: Entrance;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly version: string;
  readonly logger?: LogOptions;
  /** How long another process's silence lasts before its commands are taken over. */
  readonly leaseMs?: number;
  /** How long after its answer was lost a command's pod is looked for. */
  readonly settleAfterMs?: number;
  /** In place of the system's own look-up of host names, for deliveries. */
  readonly resolve?: Resolve;
  /** In place of the stores that the configuration names. */
  readonly openStores?: typeof openStores;
  /** In place of what the configuration asks for. */
  readonly openTelemetry?: typeof openTelemetry;
}
