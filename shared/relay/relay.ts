import type { SentCommand } from '../command/invocation.ts';
import type { PodTools } from '../command/pod-tools.ts';
import type { Cluster } from '../config/config.ts';
import type { Problem } from '../errors.ts';
import type { Caller } from '../identity/principal.ts';
import type { Secret } from '../secret.ts';
import type { ClusterView } from './arm-answers.ts';

/** The way through Azure: one submit, one shared follow. Knows nothing of records, policy or audit. */
export interface Relay {
  /**
   * What is known of the cluster before sending, from a cached view: throws Problem `cluster-unavailable` (stopped, being
   * deleted, run command disabled), `azure-refused` (no such cluster, no rights), `azure-unreachable`.
   */
  preflight(cluster: Cluster, signal?: AbortSignal): Promise<void>;
  /**
   * Gets whatever credential the cluster wants (on-behalf-of token for `runAs: caller`), without starting anything; `caller` is undefined for
   * a command of the gateway's own. Throws
   * Problem `interaction-required`, `azure-refused`, `identity-unavailable`.
   */
  authorise(cluster: Cluster, caller: Caller | undefined, signal?: AbortSignal): Promise<ClusterAuthority>;
  /** Sends the POST at most once (again only after a 429). Never throws: every end has a kind. */
  submit(submission: Submission, signal?: AbortSignal): Promise<Submitted>;
  /** Sends several commands as one, for one pod that runs them in order. As submit. */
  submitSteps(submission: StepsSubmission, signal?: AbortSignal): Promise<Submitted>;
  /**
   * Polls until the run has ended, within the subscription's budget; several callers of one run share the polls. Ends within a
   * bound, whatever Azure answers. `told` hears why there is no result yet, and `undefined` when that is over. Rejects only when
   * `signal` aborts.
   */
  follow(run: Run, signal?: AbortSignal, told?: Told): Promise<Ended>;
  /** The same for a pod with steps: one end for each, in their order. */
  followSteps(run: StepsRun, signal?: AbortSignal, told?: Told): Promise<readonly Ended[]>;
  /** What Azure says of a cluster, at most a minute old. Throws Problem `azure-refused`, `azure-throttled`, `azure-unreachable`. */
  view(cluster: Cluster, signal?: AbortSignal): Promise<ClusterView>;
  /** The tools in the pods of a cluster, once a command has told; asked again each day. */
  toolsOf(cluster: Cluster): PodTools | undefined;
  /** For /readyz: throws Problem `azure-unreachable`. */
  ping(signal?: AbortSignal): Promise<void>;
}

export type Told = (trouble: string | undefined) => void;

/** The token that the cluster's API server wants, if it does (managed Entra integration). */
export interface ClusterAuthority {
  readonly clusterToken?: Secret | undefined;
}

interface Submission {
  readonly cluster: Cluster;
  /** Asked before each POST, after the wait for it: a token that was got before may have run out. */
  readonly authorise: () => Promise<ClusterAuthority>;
  /** Asked before each POST, after every other wait. Throws when the command may be sent no longer: then nothing was. */
  readonly permit: () => Promise<void>;
  /** Asked when the connection stands, before the first byte is written to it; waits for nothing. Throws as `permit`. */
  readonly fence: () => void;
  readonly sent: SentCommand;
  /** 32 hex digits: in the frames, and nowhere a caller sees before the end. */
  readonly nonce: string;
  readonly timeoutSeconds: number;
  /** For fair shares of the subscription's budget: principalKey. */
  readonly owner: string;
}

/** Commands of one owner that share a pod. */
export interface StepsSubmission extends Omit<Submission, 'sent' | 'nonce' | 'timeoutSeconds'> {
  readonly steps: readonly Pick<Submission, 'sent' | 'nonce' | 'timeoutSeconds'>[];
  /** Whether a step that fails ends the batch. */
  readonly onError: 'stop' | 'continue';
}

export type Submitted =
  | { readonly kind: 'accepted'; readonly commandId: string; readonly requestId?: string | undefined }
  /** Azure said no, or was never reached: nothing was started. */
  | { readonly kind: 'not-started'; readonly problem: Problem }
  /** The answer was lost: it may or may not have been started, and is never sent again. */
  | { readonly kind: 'lost'; readonly code: string; readonly message: string };

export interface Run {
  readonly cluster: Cluster;
  readonly commandId: string;
  readonly nonce: string;
  readonly owner: string;
  readonly timeoutSeconds: number;
  /** Tool and verb: commands of one kind take about as long. */
  readonly kind?: string | undefined;
  /** Epoch ms of the POST. */
  readonly submittedAt: number;
}

/** `timeoutSeconds`: of all steps together. */
interface StepsRun extends Omit<Run, 'nonce'> {
  readonly nonces: readonly string[];
}

export type Ended =
  | {
      readonly kind: 'completed';
      readonly exitCode: number;
      readonly stdout: Uint8Array;
      readonly stderr: Uint8Array;
      readonly streams: 'separate' | 'merged';
      readonly truncated: boolean;
      readonly timedOut: boolean;
      readonly startedAt?: number | undefined;
      readonly finishedAt?: number | undefined;
      readonly warnings: readonly string[];
      /** What the pod told about its tools, if it was asked. */
      readonly tools?: PodTools | undefined;
      /** Set when the frame and Azure disagree on the exit code: an audit event. */
      readonly inconsistent?: string | undefined;
    }
  /** It did not run. */
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly finishedAt?: number | undefined;
    }
  /** It may have run; how it ended cannot be learnt. */
  | {
      readonly kind: 'unknown';
      readonly code: string;
      readonly message: string;
      /** Set when what came back contradicts itself: an audit event. */
      readonly inconsistent?: string | undefined;
    };
