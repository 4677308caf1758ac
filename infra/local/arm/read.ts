import { notFound, remainingReads, throttled, type Answer } from './answers.ts';
import { clusterView, idOf } from './cluster.ts';
import { withFaults, type ArmContext, type ClusterRoute, type RecordedPoll, type ResultRoute } from './context.ts';
import { armError } from './wire.ts';

/** GET managedClusters. */
export async function view(context: ArmContext, route: ClusterRoute): Promise<Answer | 'reset'> {
  const { clock, clusters, faults, throttles } = context;
  const id = idOf(route.cluster);
  return withFaults(context, faults.get.next({ at: clock.now(), cluster: id }), () => {
    const admission = throttles.admit(route.cluster.subscription, 'cluster');
    if (!admission.ok) return throttled(admission, route.cluster.subscription);
    const cluster = clusters.get(id.toLowerCase());
    if (!cluster) return notFound(route.cluster);
    return { status: 200, body: clusterView(cluster, route.cluster), headers: remainingReads(admission.remaining) };
  });
}

/** GET commandResults: one poll. */
export async function poll(context: ArmContext, route: ResultRoute, url: URL): Promise<Answer | 'reset'> {
  const { clock, clusters, faults, latency, polls, runs, throttles } = context;
  const record: RecordedPoll = { at: clock.now(), commandId: route.commandId, status: 0 };
  polls.push(record);
  if (latency.pollMs > 0) await clock.sleep(latency.pollMs, { signal: context.closing });
  const answer = await withFaults(context, faults.poll.next(record), () => {
    const admission = throttles.admit(route.cluster.subscription, 'commandResult');
    if (!admission.ok) return throttled(admission, route.cluster.subscription);
    const cluster = clusters.get(idOf(route.cluster).toLowerCase());
    if (!cluster) return notFound(route.cluster);
    const result = runs.result(route.commandId, cluster);
    // What Azure answers for an unknown id is not on record; 404 NotFound is a guess.
    if (!result) return { status: 404, body: armError('NotFound', `The command ${route.commandId} was not found.`) };
    const location = { location: `${context.url()}${url.pathname}${url.search}` };
    return { ...result, headers: { ...remainingReads(admission.remaining), ...(result.status === 202 && location) } };
  });
  record.status = answer === 'reset' ? 0 : answer.status;
  if (answer !== 'reset') record.bytes = Buffer.byteLength(JSON.stringify(answer.body ?? ''));
  return answer;
}
