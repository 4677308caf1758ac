import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../../shared/clock.ts';
import {
  faultAnswer,
  notFound,
  readBody,
  readRequest,
  remainingReads,
  send,
  throttled,
  wrongRequest,
  type Answer,
  type RunCommandRequest,
} from './arm/answers.ts';
import { asAsked, endpoints, subscription, subscriptionList, tenantList, type Cloud } from './arm/cloud.ts';
import { clusterView, idOf, refusal, type EmulatedCluster } from './arm/cluster.ts';
import { createFaultLine, type FaultLine, type PollFault, type PostFault } from './arm/faults.ts';
import { createRuns, type Runner, type RunPlan } from './arm/runs.ts';
import { createThrottles } from './arm/throttles.ts';
import { armError, routeOf, wholeSeconds, type Cut, type Route } from './arm/wire.ts';

export { AKS_SERVER_APP, type EmulatedCluster } from './arm/cluster.ts';
export type { AnswerFault, FaultLine, PollFault, PostFault } from './arm/faults.ts';
export type { Job, JobEnd, Runner } from './arm/runs.ts';

/** A runCommand request that arrived, whether it was taken or not. Times are epoch milliseconds. */
interface RecordedPost {
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

interface RecordedPoll {
  readonly at: number;
  readonly commandId: string;
  /** 0 when no answer was given. */
  status: number;
  /** Of the answer's body. */
  bytes?: number;
}

export interface EmulatedArm {
  readonly url: string;
  readonly posts: RecordedPost[];
  readonly polls: RecordedPoll[];
  /** What really ran. */
  readonly executions: { commandId: string; command: string }[];
  readonly faults: {
    readonly post: FaultLine<PostFault, RecordedPost>;
    readonly poll: FaultLine<PollFault, RecordedPoll>;
    /** For GET managedClusters. */
    readonly get: FaultLine<PollFault, { readonly at: number; readonly cluster: string }>;
  };
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

type ClusterRoute = Extract<Route, { kind: 'cluster' | 'runCommand' }>;

const CLOSE_MS = 2_000;

/**
 * Azure Resource Manager's three operations on managed clusters that the gateway uses, on loopback, after the recordings:
 * statuses, headers, bodies and time resolution. It claims nothing about Azure that is not on record.
 */
export async function startArm(options: ArmOptions): Promise<EmulatedArm> {
  const clock = options.clock ?? systemClock;
  const { postMs = 0, pollMs = 0, startMs = 0 } = options.latency ?? {};
  const clusters = new Map(options.clusters.map((cluster) => [cluster.resourceId.toLowerCase(), cluster]));
  const cloud: Cloud = {
    tenants: [],
    ...options.entra,
    subscriptions: [...new Set(options.clusters.map(({ resourceId }) => resourceId.split('/')[2] ?? ''))],
  };
  const throttles = createThrottles(clock, options.throttles ?? 'off');
  const runner: Runner = options.runner ?? (async () => ({ exitCode: 0, logs: '' }));
  const runs = createRuns({ clock, runner, startMs });
  const closing = new AbortController();

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (closing.signal.aborted || response.headersSent) response.destroy();
      else send(response, { status: 500, body: armError('InternalServerError', `emulation failed: ${String(error)}`) });
    });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://emulated');
    const route = routeOf(url.pathname);
    const body = await readBody(request);
    const requestId = randomUUID();
    const answer = await respond(request, url, route, body, requestId);
    if (answer === 'reset') request.socket.destroy();
    else {
      const headers = { ...standardHeaders(requestId), ...answer.headers };
      send(response, { ...answer, headers: asAsked(request, headers, emulated.url) });
    }
  }

  async function respond(
    request: IncomingMessage,
    url: URL,
    route: Route,
    body: Buffer | 'too large',
    requestId: string,
  ): Promise<Answer | 'reset'> {
    if (route.kind === 'endpoints') return endpoints(request, url, cloud);
    const wrong = wrongRequest(request, url, route);
    // Recorded even when it is refused.
    if (route.kind === 'runCommand') return post(route, url, body, requestId, wrong);
    if (wrong) return wrong;
    if (route.kind === 'cluster') return view(route);
    if (route.kind === 'tenants') return tenantList(cloud);
    if (route.kind === 'subscriptions') return subscriptionList(cloud);
    if (route.kind === 'subscription') return subscription(route.subscription, cloud);
    if (route.kind === 'commandResult') return poll(route, url);
    return { status: 404 };
  }

  async function view(route: ClusterRoute): Promise<Answer | 'reset'> {
    const id = idOf(route.cluster);
    return withFaults(emulated.faults.get.next({ at: clock.now(), cluster: id }), () => {
      const admission = throttles.admit(route.cluster.subscription, 'cluster');
      if (!admission.ok) return throttled(admission, route.cluster.subscription);
      const cluster = clusters.get(id.toLowerCase());
      if (!cluster) return notFound(route.cluster);
      return { status: 200, body: clusterView(cluster, route.cluster), headers: remainingReads(admission.remaining) };
    });
  }

  async function poll(route: Extract<Route, { kind: 'commandResult' }>, url: URL): Promise<Answer | 'reset'> {
    const record: RecordedPoll = { at: clock.now(), commandId: route.commandId, status: 0 };
    emulated.polls.push(record);
    if (pollMs > 0) await clock.sleep(pollMs, { signal: closing.signal });
    const answer = await withFaults(emulated.faults.poll.next(record), () => {
      const admission = throttles.admit(route.cluster.subscription, 'commandResult');
      if (!admission.ok) return throttled(admission, route.cluster.subscription);
      const cluster = clusters.get(idOf(route.cluster).toLowerCase());
      if (!cluster) return notFound(route.cluster);
      const result = runs.result(route.commandId, cluster);
      // What Azure answers for an unknown id is not on record; 404 NotFound is a guess.
      if (!result) return { status: 404, body: armError('NotFound', `The command ${route.commandId} was not found.`) };
      const location = { location: `${emulated.url}${url.pathname}${url.search}` };
      return { ...result, headers: { ...remainingReads(admission.remaining), ...(result.status === 202 && location) } };
    });
    record.status = answer === 'reset' ? 0 : answer.status;
    if (answer !== 'reset') record.bytes = Buffer.byteLength(JSON.stringify(answer.body ?? ''));
    return answer;
  }

  async function post(
    route: ClusterRoute,
    url: URL,
    body: Buffer | 'too large',
    requestId: string,
    wrong: Answer | undefined,
  ): Promise<Answer | 'reset'> {
    const cluster = clusters.get(idOf(route.cluster).toLowerCase());
    const asked = readRequest(body);
    const commandId = requestId.replaceAll('-', '');
    const record: RecordedPost = {
      at: clock.now(),
      cluster: cluster?.resourceId ?? idOf(route.cluster),
      command: asked?.command ?? '',
      hasContext: asked !== undefined && asked.context !== '',
      ...(asked && asked.clusterToken !== '' && { clusterToken: true }),
      commandId,
      started: false,
      status: 0,
    };
    emulated.posts.push(record);
    let remaining = 0;
    const decide = (): Answer | RunCommandRequest => {
      if (wrong) return wrong;
      const admission = throttles.admit(route.cluster.subscription, 'runCommand');
      if (!admission.ok) return throttled(admission, route.cluster.subscription);
      remaining = admission.remaining;
      if (!cluster) return notFound(route.cluster);
      if (body === 'too large')
        return { status: 413, body: armError('RequestEntityTooLarge', 'Request Entity Too Large') };
      if (!asked)
        return {
          status: 400,
          body: armError('InvalidRequestContent', 'The request content was invalid and could not be deserialized.'),
        };
      const refused = refusal(cluster, asked.clusterToken, Math.floor(clock.now() / 1000));
      return refused ? { status: 400, body: refused } : asked;
    };
    const faults = emulated.faults.post.next(record);
    const has = <K extends PostFault['kind']>(kind: K) =>
      faults.find((fault): fault is PostFault & { kind: K } => fault.kind === kind);
    if (has('resetBefore')) return 'reset';
    for (const fault of faults) if (fault.kind === 'slow') await clock.sleep(fault.ms, { signal: closing.signal });
    const instead = has('status');
    if (instead && !instead.accepted) return statusAnswer(record, instead);

    const decided = decide();
    if ('status' in decided) {
      record.status = decided.status;
      return decided;
    }
    if (!cluster) throw new Error('a command was accepted for no cluster');
    const failed = has('failed');
    const plan: RunPlan = {
      neverEnds: has('neverEnds') !== undefined,
      failed: failed && { reason: failed.reason },
      cut: has('cut')?.end ?? options.cut ?? 'tail',
    };
    const { command, context, clusterToken } = decided;
    record.started = true;
    runs.start(
      {
        commandId,
        command,
        cluster,
        signal: closing.signal,
        ...(context !== '' && { context: Buffer.from(context, 'base64') }),
        ...(clusterToken !== '' && { clusterToken }),
      },
      plan,
    );
    if (postMs > 0) await clock.sleep(postMs, { signal: closing.signal });
    if (has('resetAfter')) return 'reset';
    if (instead) return statusAnswer(record, instead);

    const { subscription, resourceGroup, name } = route.cluster;
    // Lower-case "managedclusters" is what Azure sends.
    const right = `${emulated.url}/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerService/managedclusters/${name}/commandResults/${commandId}?api-version=${url.searchParams.get('api-version') ?? ''}`;
    const elsewhere = has('location');
    const location =
      elsewhere === undefined
        ? right
        : typeof elsewhere.location === 'function'
          ? elsewhere.location(right)
          : elsewhere.location;
    record.status = 202;
    return {
      status: 202,
      headers: {
        'x-ms-ratelimit-remaining-subscription-writes': String(remaining),
        ...(location !== undefined && { location }),
      },
    };
  }

  function statusAnswer(record: { status: number }, fault: PostFault & { kind: 'status' }): Answer {
    record.status = fault.status;
    return faultAnswer(fault);
  }

  async function withFaults(faults: readonly PollFault[], usual: () => Answer): Promise<Answer | 'reset'> {
    for (const fault of faults) {
      if (fault.kind === 'slow') await clock.sleep(fault.ms, { signal: closing.signal });
      else if (fault.kind === 'status') return faultAnswer(fault);
      else return 'reset';
    }
    return usual();
  }

  const standardHeaders = (requestId: string): Record<string, string> => ({
    'cache-control': 'no-cache',
    date: new Date(clock.now()).toUTCString(),
    expires: '-1',
    pragma: 'no-cache',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-ms-correlation-request-id': requestId,
    'x-ms-request-id': requestId,
    'x-ms-routing-request-id': `EMULATED:${wholeSeconds(clock.now()).replace(/[-:]/g, '')}:${requestId}`,
  });

  const emulated: EmulatedArm = {
    url: '',
    posts: [],
    polls: [],
    executions: runs.executions,
    faults: { post: createFaultLine(), poll: createFaultLine(), get: createFaultLine() },
    close: async () => {
      closing.abort(new Error('the emulated ARM was closed'));
      // Time for pods to end and clean up; a runner that ignores the signal is left to itself.
      await Promise.race([runs.settled(), delay(CLOSE_MS, undefined, { ref: false })]);
      await new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      });
    },
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => resolve());
  });
  return Object.assign(emulated, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
