import { faultAnswer, notFound, readRequest, throttled, type Answer, type RunCommandRequest } from './answers.ts';
import { idOf, refusal, type EmulatedCluster } from './cluster.ts';
import type { ArmContext, ClusterRoute, RecordedPost } from './context.ts';
import type { PostFault } from './faults.ts';
import type { RunPlan } from './runs.ts';
import { armError } from './wire.ts';

/** A POST of runCommand that arrived. */
interface Post {
  readonly route: ClusterRoute;
  readonly url: URL;
  readonly body: Buffer | 'too large';
  readonly commandId: string;
  /** What ARM itself refuses it with. */
  readonly wrong: Answer | undefined;
}

/** Takes a command, or refuses it, with whatever fault is scripted for it. */
export async function post(context: ArmContext, asked: Post): Promise<Answer | 'reset'> {
  const { clock, closing, latency } = context;
  const record = recordPost(context, asked);
  const faults = faultsOf(context.faults.post.next(record));
  if (faults.one('resetBefore')) return 'reset';
  for (const { ms } of faults.all('slow')) await clock.sleep(ms, { signal: closing });
  const instead = faults.one('status');
  if (instead && !instead.accepted) return answered(record, faultAnswer(instead));

  const decided = decide(context, asked);
  if ('status' in decided) return answered(record, decided);
  record.started = true;
  startRun(context, asked.commandId, decided, faults);
  if (latency.postMs > 0) await clock.sleep(latency.postMs, { signal: closing });
  if (faults.one('resetAfter')) return 'reset';
  if (instead) return answered(record, faultAnswer(instead));
  return answered(record, accepted(context, asked, decided, faults));
}

function answered(record: RecordedPost, answer: Answer): Answer {
  record.status = answer.status;
  return answer;
}

interface PostFaults {
  one<K extends PostFault['kind']>(kind: K): (PostFault & { kind: K }) | undefined;
  all<K extends PostFault['kind']>(kind: K): readonly (PostFault & { kind: K })[];
}

const faultsOf = (faults: readonly PostFault[]): PostFaults => ({
  one: <K extends PostFault['kind']>(kind: K) =>
    faults.find((fault): fault is PostFault & { kind: K } => fault.kind === kind),
  all: <K extends PostFault['kind']>(kind: K) =>
    faults.filter((fault): fault is PostFault & { kind: K } => fault.kind === kind),
});

const clusterOf = ({ clusters }: ArmContext, { cluster }: ClusterRoute): EmulatedCluster | undefined =>
  clusters.get(idOf(cluster).toLowerCase());

/** Recorded even when it is refused. */
function recordPost(context: ArmContext, { route, body, commandId }: Post): RecordedPost {
  const request = readRequest(body);
  const record: RecordedPost = {
    at: context.clock.now(),
    cluster: clusterOf(context, route)?.resourceId ?? idOf(route.cluster),
    command: request?.command ?? '',
    hasContext: request !== undefined && request.context !== '',
    ...(request && request.clusterToken !== '' && { clusterToken: true }),
    commandId,
    started: false,
    status: 0,
  };
  context.posts.push(record);
  return record;
}

interface Taken {
  readonly cluster: EmulatedCluster;
  readonly request: RunCommandRequest;
  /** Writes that the subscription has left. */
  readonly remaining: number;
}

/** The refusal, or what was taken. */
function decide(context: ArmContext, { route, body, wrong }: Post): Answer | Taken {
  if (wrong) return wrong;
  const { subscription } = route.cluster;
  const admission = context.throttles.admit(subscription, 'runCommand');
  if (!admission.ok) return throttled(admission, subscription);
  const cluster = clusterOf(context, route);
  if (!cluster) return notFound(route.cluster);
  if (body === 'too large') return { status: 413, body: armError('RequestEntityTooLarge', 'Request Entity Too Large') };
  const request = readRequest(body);
  if (!request)
    return {
      status: 400,
      body: armError('InvalidRequestContent', 'The request content was invalid and could not be deserialized.'),
    };
  const refused = refusal(cluster, request.clusterToken, Math.floor(context.clock.now() / 1000));
  return refused ? { status: 400, body: refused } : { cluster, request, remaining: admission.remaining };
}

function startRun(
  { runs, cut, closing }: ArmContext,
  commandId: string,
  { cluster, request: { command, context, clusterToken } }: Taken,
  faults: PostFaults,
): void {
  const failed = faults.one('failed');
  const plan: RunPlan = {
    neverEnds: faults.one('neverEnds') !== undefined,
    failed: failed && { reason: failed.reason },
    cut: faults.one('cut')?.end ?? cut,
  };
  runs.start(
    {
      commandId,
      command,
      cluster,
      signal: closing,
      ...(context !== '' && { context: Buffer.from(context, 'base64') }),
      ...(clusterToken !== '' && { clusterToken }),
    },
    plan,
  );
}

/** The 202 that says where the result will be. */
function accepted(
  { url: own }: ArmContext,
  { route, url, commandId }: Post,
  { remaining }: Taken,
  faults: PostFaults,
): Answer {
  const { subscription, resourceGroup, name } = route.cluster;
  // Lower-case "managedclusters" is what Azure sends.
  const right = `${own()}/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerService/managedclusters/${name}/commandResults/${commandId}?api-version=${url.searchParams.get('api-version') ?? ''}`;
  const location = locationOf(right, faults.one('location'));
  return {
    status: 202,
    headers: {
      'x-ms-ratelimit-remaining-subscription-writes': String(remaining),
      ...(location !== undefined && { location }),
    },
  };
}

function locationOf(right: string, elsewhere: (PostFault & { kind: 'location' }) | undefined): string | undefined {
  if (!elsewhere) return right;
  return typeof elsewhere.location === 'function' ? elsewhere.location(right) : elsewhere.location;
}
