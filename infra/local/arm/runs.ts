import type { Clock } from '../../../shared/clock.ts';
import type { EmulatedCluster } from './cluster.ts';
import { cutOutput, wholeSeconds, type Cut } from './wire.ts';

export interface Job {
  readonly commandId: string;
  readonly command: string;
  /** A zip. */
  readonly context?: Buffer;
  readonly clusterToken?: string;
  readonly cluster: EmulatedCluster;
  /** Aborts when the emulation closes. */
  readonly signal: AbortSignal;
}

export interface JobEnd {
  readonly exitCode: number;
  /** stdout and stderr merged. */
  readonly logs: string;
  /** When set the run counts as failed: no exit code and no logs are shown. */
  readonly reason?: string;
}

/** What runs a command; it may take time by the clock. */
export type Runner = (job: Job) => Promise<JobEnd>;

/** How one run is meant to go. */
export interface RunPlan {
  readonly neverEnds: boolean;
  readonly failed: { readonly reason: string | undefined } | undefined;
  readonly cut: Cut;
}

export interface Runs {
  start(job: Job, plan: RunPlan): void;
  /** The body of commandResults and its HTTP status; undefined for an id that is not this cluster's. */
  result(
    commandId: string,
    cluster: EmulatedCluster,
  ): { readonly status: 200 | 202; readonly body: unknown } | undefined;
  /** What really ran. */
  readonly executions: { commandId: string; command: string }[];
  /** Resolves when nothing runs any more. */
  settled(): Promise<void>;
}

interface Run {
  readonly cluster: EmulatedCluster;
  startedAt?: number;
  end?: { readonly properties: Readonly<Record<string, unknown>> };
}

/** The runs of one emulated ARM; results stay readable, with the same body, as long as it lives. */
export function createRuns(options: { clock: Clock; runner: Runner; startMs: number }): Runs {
  const { clock, runner, startMs } = options;
  const runs = new Map<string, Run>();
  const executions: { commandId: string; command: string }[] = [];
  const active = new Set<Promise<void>>();

  const failed = (reason: string | undefined) => ({
    properties: { provisioningState: 'failed', ...(reason !== undefined && { reason }) },
  });

  async function carryOut(run: Run, job: Job, plan: RunPlan): Promise<void> {
    try {
      if (startMs > 0) await clock.sleep(startMs, { signal: job.signal });
      if (plan.failed) {
        run.end = failed(plan.failed.reason);
        return;
      }
      const startedAt = clock.now();
      run.startedAt = startedAt;
      executions.push({ commandId: job.commandId, command: job.command });
      const { exitCode, logs, reason } = await runner(job);
      if (plan.neverEnds) return;
      run.end =
        reason === undefined
          ? {
              properties: {
                provisioningState: 'Succeeded',
                exitCode,
                startedAt: wholeSeconds(startedAt),
                finishedAt: wholeSeconds(clock.now()),
                logs: cutOutput(logs, plan.cut),
              },
            }
          : failed(reason);
    } catch (error) {
      // A runner that throws is a pod that broke; a closing emulation needs no end.
      if (!job.signal.aborted) run.end = failed(error instanceof Error ? error.message : String(error));
    }
  }

  return {
    executions,
    start: (job, plan) => {
      const run: Run = { cluster: job.cluster };
      runs.set(job.commandId, run);
      const carried = carryOut(run, job, plan).finally(() => active.delete(carried));
      active.add(carried);
    },
    result: (commandId, cluster) => {
      const run = runs.get(commandId);
      if (run?.cluster !== cluster) return undefined;
      if (run.end) return { status: 200, body: { id: commandId, properties: run.end.properties } };
      const started = run.startedAt === undefined ? {} : { startedAt: wholeSeconds(run.startedAt) };
      return { status: 202, body: { id: commandId, properties: { provisioningState: 'Running', ...started } } };
    },
    settled: async () => {
      await Promise.all(active);
    },
  };
}
