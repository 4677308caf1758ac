import type { Clock } from '../../../shared/clock.ts';
import { faultAnswer, type Answer } from './answers.ts';
import type { Cloud } from './cloud.ts';
import type { EmulatedCluster } from './cluster.ts';
import type { FaultLine, PollFault, PostFault } from './faults.ts';
import type { Runs } from './runs.ts';
import type { Throttles } from './throttles.ts';
import type { Cut, Route } from './wire.ts';

/** A runCommand request that arrived, whether it was taken or not. Times are epoch milliseconds. */
export interface RecordedPost {
  readonly at: number;
  /** The ARM id, as configured; as asked for when there is no such cluster. */
  readonly cluster: string;
  readonly command: string;
  readonly hasContext: boolean;
  readonly clusterToken?: true;
  readonly commandId: string;
  /** True once the command was accepted, even if the answer was lost. */
  started: boolean;
  /** HTTP status of the answer; 0 for none. */
  status: number;
}

export interface RecordedPoll {
  readonly at: number;
  readonly commandId: string;
  /** 0 when no answer was given. */
  status: number;
  /** Of the answer's body. */
  bytes?: number;
}

interface Faults {
  readonly post: FaultLine<PostFault, RecordedPost>;
  readonly poll: FaultLine<PollFault, RecordedPoll>;
  /** For GET managedClusters. */
  readonly get: FaultLine<PollFault, { readonly at: number; readonly cluster: string }>;
}

/** What answers requests, and where it notes them. */
export interface ArmContext {
  readonly clock: Clock;
  /** By ARM id in lower case. */
  readonly clusters: ReadonlyMap<string, EmulatedCluster>;
  readonly cloud: Cloud;
  readonly throttles: Throttles;
  readonly runs: Runs;
  /** Milliseconds by the clock: before the 202, and before each result. */
  readonly latency: { readonly postMs: number; readonly pollMs: number };
  readonly cut: Cut;
  readonly posts: RecordedPost[];
  readonly polls: RecordedPoll[];
  readonly faults: Faults;
  /** This server's own address. */
  readonly url: () => string;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

export type ClusterRoute = Extract<Route, { kind: 'cluster' | 'runCommand' }>;
export type ResultRoute = Extract<Route, { kind: 'commandResult' }>;

/** The usual answer, unless a fault stands in its way. */
export async function withFaults(
  { clock, closing }: ArmContext,
  faults: readonly PollFault[],
  usual: () => Answer,
): Promise<Answer | 'reset'> {
  for (const fault of faults) {
    if (fault.kind === 'slow') await clock.sleep(fault.ms, { signal: closing });
    else if (fault.kind === 'status') return faultAnswer(fault);
    else return 'reset';
  }
  return usual();
}
