import type { Clock } from '../clock.ts';
import { LruMap } from 'toad-cache';
import type { PodTools } from '../command/pod-tools.ts';
import type { Cluster } from '../config/config.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** A command that was to ask may not have been sent, or may have been killed: then another one asks, but not each one. */
const RETRY_MS = 10 * 60_000;
const MOST_CLUSTERS = 1_000;

interface Report {
  /** Monotonic ms of the question. */
  readonly askedAt: number;
  /** That question was answered. */
  readonly answered: boolean;
  readonly tools?: PodTools | undefined;
}

/** What the pods of each cluster told about their tools. AKS changes them with its releases, so that one command or batch a day asks. */
export interface ToolReports {
  /** True for the first command or batch of a day on a cluster, which is then to ask; and for a later one where that brought no answer. */
  due(cluster: Cluster): boolean;
  /** A pod that tells nothing of a tool has not got it, or hides it: then nothing is known. */
  learn(cluster: Cluster, tools: PodTools | undefined): void;
  of(cluster: Cluster): PodTools | undefined;
}

/** Kept by this process: after a restart one command asks again, which takes its pod a tenth of a second. */
export function createToolReports(clock: Clock): ToolReports {
  const reports = new LruMap<Report>(MOST_CLUSTERS);
  return {
    due: ({ arm }) => {
      const report = reports.get(arm.id);
      const now = clock.monotonic();
      if (report && now - report.askedAt < (report.answered ? DAY_MS : RETRY_MS)) return false;
      reports.set(arm.id, { askedAt: now, answered: false, tools: report?.tools });
      return true;
    },
    learn: ({ arm }, tools) => {
      const report = reports.get(arm.id);
      if (report && tools) reports.set(arm.id, { ...report, answered: true, tools });
    },
    of: ({ arm }) => reports.get(arm.id)?.tools,
  };
}
