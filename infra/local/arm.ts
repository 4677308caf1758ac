import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../../shared/clock.ts';
import { answer } from './arm/answer.ts';
import type { Cloud } from './arm/cloud.ts';
import type { EmulatedCluster } from './arm/cluster.ts';
import type { ArmContext, RecordedPoll, RecordedPost } from './arm/context.ts';
import { createFaultLine } from './arm/faults.ts';
import { createRuns, type Runner } from './arm/runs.ts';
import { createThrottles } from './arm/throttles.ts';
import type { Cut } from './arm/wire.ts';
import { closeServer, listen } from './loopback.ts';

export { AKS_SERVER_APP, type EmulatedCluster } from './arm/cluster.ts';
export type { AnswerFault, FaultLine, PollFault, PostFault } from './arm/faults.ts';
export type { Job, JobEnd, Runner } from './arm/runs.ts';

export interface EmulatedArm {
  readonly url: string;
  readonly posts: RecordedPost[];
  readonly polls: RecordedPoll[];
  /** What really ran. */
  readonly executions: { commandId: string; command: string }[];
  readonly faults: ArmContext['faults'];
  close(): Promise<void>;
}

export interface ArmOptions {
  readonly port?: number;
  readonly clock?: Clock;
  readonly clusters: readonly EmulatedCluster[];
  /** Entra's address and tenants, for those who ask where they are. */
  readonly entra?: Pick<Cloud, 'authority' | 'tenants'>;
  /** What runs the commands; without one each ends at once with exit code 0 and no output. */
  readonly runner?: Runner;
  readonly throttles?: 'documented' | 'off';
  /** Milliseconds by the clock: before the 202, before each result, between acceptance and the command's start. */
  readonly latency?: { readonly postMs?: number; readonly pollMs?: number; readonly startMs?: number };
  /** Which end of an output over 512 kB is lost; Azure does not document it. */
  readonly cut?: Cut;
}

const CLOSE_MS = 2_000;

/**
 * Azure Resource Manager's three operations on managed clusters that the gateway uses, on loopback, after the recordings:
 * statuses, headers, bodies and time resolution. It claims nothing about Azure that is not on record.
 */
export async function startArm(options: ArmOptions): Promise<EmulatedArm> {
  const { clusters, clock = systemClock, runner = succeedAtOnce, cut = 'tail', throttles = 'off', entra } = options;
  const { postMs = 0, pollMs = 0, startMs = 0 } = options.latency ?? {};
  const closing = new AbortController();
  const runs = createRuns({ clock, runner, startMs });
  const context: ArmContext = {
    clock,
    clusters: new Map(clusters.map((cluster) => [cluster.resourceId.toLowerCase(), cluster])),
    cloud: { tenants: [], ...entra, subscriptions: subscriptionsOf(clusters) },
    throttles: createThrottles(clock, throttles),
    runs,
    latency: { postMs, pollMs },
    cut,
    posts: [],
    polls: [],
    faults: { post: createFaultLine(), poll: createFaultLine(), get: createFaultLine() },
    url: () => url,
    closing: closing.signal,
  };
  const server = createServer((request, response) => void answer(context, request, response));
  const url = await listen(server, options.port);
  return {
    url,
    posts: context.posts,
    polls: context.polls,
    executions: runs.executions,
    faults: context.faults,
    close: async () => {
      closing.abort(new Error('the emulated ARM was closed'));
      // Time for pods to end and clean up; a runner that ignores the signal is left to itself.
      await Promise.race([runs.settled(), delay(CLOSE_MS, undefined, { ref: false })]);
      await closeServer(server);
    },
  };
}

const succeedAtOnce: Runner = async () => ({ exitCode: 0, logs: '' });

const subscriptionsOf = (clusters: readonly EmulatedCluster[]): readonly string[] => [
  ...new Set(clusters.map(({ resourceId }) => resourceId.split('/')[2] ?? '')),
];
