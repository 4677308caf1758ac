import type { AuthenticatedRequest, RequestedBatch } from '../gateway/request.ts';
import type { StartedCommand } from '../gateway/run-command.ts';

/** A look at a cluster's health, for jobs that are one. */
export interface HealthLook {
  /** Starts it as the job. Throws Problem. */
  start(
    request: AuthenticatedRequest,
    cluster: string,
    about: AboutLook,
    /** Epoch ms: until when its numbers say something of now. */
    until: number,
    signal?: AbortSignal,
  ): Promise<StartedCommand>;
  /** Judges one that has ended, and keeps its numbers as metrics. */
  note(request: AuthenticatedRequest, cluster: string, batchId: string, until: number): Promise<Looked>;
}

/** What goes into the records beside the reads themselves, which the look chooses. */
type AboutLook = Omit<RequestedBatch, 'cluster' | 'steps' | 'onError'>;

/** How a cluster is, as a job's look saw it. */
export interface Looked {
  readonly status: 'ok' | 'degraded' | 'failing' | 'unknown' | 'not-allowed';
  /** One line, with names out of the cluster. */
  readonly reason: string;
  /** The gateway's own words alone. */
  readonly summary: string;
  /** What is wrong, each kind of it in each namespace once; what could not be seen as well. Empty where all is well. */
  readonly troubles: readonly string[];
  /** The whole look. */
  readonly lines: readonly string[];
}
