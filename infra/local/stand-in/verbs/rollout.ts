import { at, count } from '../../kubernetes/json.ts';
import { pathOf } from '../client.ts';
import { writing, MERGE, type VerbContext } from '../verb-context.ts';
import { title, type Target } from '../targets.ts';

/** `rollout restart`. */
export async function restart(context: VerbContext, { resource, name }: Target): Promise<void> {
  const { client, namespace, out } = context;
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  const body = { spec: { template: { metadata: { annotations } } } };
  await client.json('PATCH', `${pathOf(resource, namespace, name)}${writing(context)}`, { type: MERGE, body });
  out(`${title(resource)}/${name} restarted\n`);
}

/** `rollout status`: waits until it is rolled out. */
export async function rolledOut(
  { client, out, label, namespace, flags }: VerbContext,
  { resource, name }: Target,
): Promise<void> {
  const seconds = /^(\d+)(s|m)$/.exec(flags.get('timeout') ?? '5m');
  if (!seconds) throw new Error(`the ${label} does not know the time-out ${flags.get('timeout') ?? ''}`);
  const until = performance.now() + Number(seconds[1]) * (seconds[2] === 'm' ? 60_000 : 1000);
  for (;;) {
    const body = await client.json('GET', pathOf(resource, namespace, name));
    const wanted = count(at(body, 'spec', 'replicas'), count(at(body, 'status', 'desiredNumberScheduled')));
    const ready = count(at(body, 'status', 'readyReplicas'), count(at(body, 'status', 'numberReady')));
    const seen = count(at(body, 'status', 'observedGeneration')) >= count(at(body, 'metadata', 'generation'));
    if (seen && ready >= wanted) break;
    if (performance.now() > until) throw new Error('timed out waiting for the condition');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  out(`${resource.singular} "${name}" successfully rolled out\n`);
}
