import { setTimeout as pause } from 'node:timers/promises';
import type {
  AccessOutput,
  BatchInput,
  BatchOutputBody,
  ClusterDetailOutput,
  ClusterHealthOutput,
  ClusterOutput,
  CommandInput,
  CommandOutputBody,
  ExplainInput,
  JobOutput,
  JobWithRunsOutput,
  RunJobInput,
  WhoAmIOutput,
} from '../http/schemas.ts';
import { trimEnd } from '../lib/trim-end.ts';
import { has, isAnything, isBatch, isExplanation, isHealth, isJob, isList, isRecord, type Is } from './api/answers.ts';
import { awaitEnd, runToEnd, WAIT_SECONDS, type AwaitOptions, type RunOptions } from './api/await-end.ts';
import { request, type Endpoint } from './api/request.ts';
import { persistently } from './api/retry.ts';
import { send as sendByNode, type Send } from './transport.ts';

interface ClientOptions {
  /** The gateway's address, such as https://aksgw.example.com. */
  readonly url: string;
  readonly token: Endpoint['token'];
  /** `fetch` fits. */
  readonly fetch?: Send;
  readonly sleep?: Endpoint['sleep'];
}

/** How long a command whose time-out is not given is offered to a gateway that says when to come again. */
const OFFER_SECONDS = 60;

const COMMANDS = '/v1/commands';
const BATCHES = '/v1/batches';
const JOBS = '/v1/jobs';
const CLUSTERS = '/v1/clusters';
const clusterPath = (cluster: string): string => `${CLUSTERS}/${encodeURIComponent(cluster)}`;
const commandPath = (id: string): string => `${COMMANDS}/${encodeURIComponent(id)}`;
const jobPath = (name: string): string => `${JOBS}/${encodeURIComponent(name)}`;

/** The typed client of the HTTP API: one method for each thing that can be asked. */
export function createClient({ url, token, fetch: send = sendByNode, sleep = pauseFor }: ClientOptions) {
  const endpoint: Endpoint = { base: trimEnd(url, '/'), token, send, sleep };
  return {
    /**
     * Runs a command and waits for its end, however long that takes. A gateway that is busy is asked again when it says, within the
     * command's own time-out or else a minute. Throws GatewayProblem: nothing was started; AnswerLost: nobody knows.
     */
    run: (cluster: string, command: CommandInput, options: RunOptions): Promise<CommandOutputBody> =>
      runToEnd(
        endpoint,
        {
          path: `${clusterPath(cluster)}/commands`,
          body: command,
          seconds: command.timeoutSeconds ?? OFFER_SECONDS,
          at: () => COMMANDS,
          is: isRecord,
        },
        options,
      ),

    /** The same for several commands in one pod, one after the other; `step` of a GatewayProblem's problem says which it is about. */
    runBatch: (cluster: string, batch: BatchInput, options: RunOptions): Promise<BatchOutputBody> =>
      runToEnd(
        endpoint,
        {
          path: `${clusterPath(cluster)}/batches`,
          body: batch,
          seconds: OFFER_SECONDS,
          at: () => BATCHES,
          is: isBatch,
        },
        options,
      ),

    /** Runs a job now, as `run` does a command; of a job with steps the batch is the answer. */
    runJob: (name: string, input: RunJobInput, options: RunOptions): Promise<CommandOutputBody | BatchOutputBody> =>
      runToEnd(
        endpoint,
        {
          path: `${jobPath(name)}/run`,
          body: input,
          seconds: OFFER_SECONDS,
          at: (run) => ('items' in run ? BATCHES : COMMANDS),
          is: (run) => ('items' in run ? isBatch(run) : isRecord(run)),
        },
        options,
      ),

    /** Waits for the end of a command that was started before. Throws as `run` does once it was accepted. */
    awaitCommand: async (id: string, options: AwaitOptions): Promise<CommandOutputBody> => {
      const place = commandPath(id);
      const first = await read<CommandOutputBody>(endpoint, place, isRecord, options.signal);
      return awaitEnd(endpoint, { place, first, is: isRecord }, options);
    },

    /** A command as it stands, without waiting. Throws GatewayProblem. */
    getCommand: (id: string, signal?: AbortSignal): Promise<CommandOutputBody> =>
      read(endpoint, commandPath(id), isRecord, signal),

    /** The caller's own commands, newest first. Throws GatewayProblem. */
    listCommands: (
      query: Readonly<Record<string, string>>,
      signal?: AbortSignal,
    ): Promise<readonly CommandOutputBody[]> =>
      readList(endpoint, `${COMMANDS}?${new URLSearchParams(query).toString()}`, signal),

    /** Ends a command. Resolves with its record as it then stands. Throws GatewayProblem. */
    cancel: (id: string, signal?: AbortSignal): Promise<CommandOutputBody> =>
      post(endpoint, { path: `${commandPath(id)}/cancel`, is: isRecord, signal }),

    /** Ends what stands at a path, a command or a batch. Throws GatewayProblem. */
    cancelAt: (path: string, signal?: AbortSignal): Promise<object> =>
      post(endpoint, { path: `${path}/cancel`, is: isAnything, signal }),

    /** What a command or a batch would be, and whether the caller may. Runs nothing. Throws GatewayProblem. */
    explain: (cluster: string, body: ExplainInput, signal?: AbortSignal): Promise<object> =>
      post(endpoint, { path: `${clusterPath(cluster)}/explain`, body, is: isExplanation, signal }),

    /** One look at a cluster, waited for. Throws GatewayProblem. */
    health: (cluster: string, namespace?: string, signal?: AbortSignal): Promise<ClusterHealthOutput> =>
      lookAt(endpoint, cluster, namespace, signal),

    /** The jobs that the caller may see or run. Throws GatewayProblem. */
    listJobs: (signal?: AbortSignal): Promise<readonly JobOutput[]> => readList(endpoint, JOBS, signal),

    /** A job with its last runs. Throws GatewayProblem. */
    getJob: (name: string, signal?: AbortSignal): Promise<JobWithRunsOutput> =>
      read(endpoint, jobPath(name), isJob, signal),

    /** The clusters that the caller may see. Throws GatewayProblem. */
    listClusters: (signal?: AbortSignal): Promise<readonly ClusterOutput[]> => readList(endpoint, CLUSTERS, signal),

    /** A cluster, with the custom resources that are known there. Throws GatewayProblem. */
    getCluster: (cluster: string, signal?: AbortSignal): Promise<ClusterDetailOutput> =>
      read(endpoint, clusterPath(cluster), has({ name: 'text', resources: 'object', tools: 'object' }), signal),

    /** The rules that bind the caller on a cluster. Throws GatewayProblem. */
    access: (cluster: string, signal?: AbortSignal): Promise<AccessOutput> =>
      read(endpoint, `${clusterPath(cluster)}/access`, has({ items: 'list', warnings: 'list' }), signal),

    /** The caller as the gateway sees it. Throws GatewayProblem. */
    whoAmI: (signal?: AbortSignal): Promise<WhoAmIOutput> =>
      read(endpoint, '/v1/whoami', has({ principal: 'object', roles: 'list', unknown: 'list' }), signal),
  };
}

const read = <T>(endpoint: Endpoint, path: string, is: Is, signal: AbortSignal | undefined): Promise<T> =>
  persistently(endpoint, () => request<T>(endpoint, { method: 'GET', path, is, signal }), signal);

const readList = async <T>(endpoint: Endpoint, path: string, signal: AbortSignal | undefined): Promise<readonly T[]> =>
  (await read<{ items: T[] }>(endpoint, path, isList, signal)).items;

interface Post {
  readonly path: string;
  readonly body?: unknown;
  readonly is: Is;
  readonly signal: AbortSignal | undefined;
}

/** A POST that is safe to send again: it changes nothing, or the same once more. */
const post = <T>(endpoint: Endpoint, asked: Post): Promise<T> =>
  persistently(endpoint, () => request<T>(endpoint, { method: 'POST', ...asked }), asked.signal);

/** A look that goes on is asked after until it has ended: only then it has parts. */
async function lookAt(
  endpoint: Endpoint,
  cluster: string,
  namespace: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ClusterHealthOutput> {
  const query = namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`;
  const asked = {
    method: 'GET',
    path: `${clusterPath(cluster)}/health${query}`,
    headers: { prefer: `wait=${WAIT_SECONDS}` },
    is: isHealth,
    signal,
  } as const;
  for (;;) {
    const seen = await persistently(endpoint, () => request<ClusterHealthOutput>(endpoint, asked), signal);
    if (Object.keys(seen.parts).length > 0) return seen;
    await endpoint.sleep(1_000, signal);
  }
}

const pauseFor = (ms: number, signal?: AbortSignal): Promise<void> => pause(ms, undefined, signal && { signal });
