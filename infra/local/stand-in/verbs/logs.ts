import { at, list, strings, text } from '../../kubernetes/json.ts';
import { pathOf, type Resource } from '../client.ts';
import type { VerbContext } from '../verb-context.ts';
import { targets } from '../targets.ts';

/** `logs`, of pods alone. */
export async function logs(context: VerbContext): Promise<number> {
  const { client, out, namespace, on, flags } = context;
  const pods = await client.resource('pods.v1.');
  const wanted = new URLSearchParams();
  for (const [flag, parameter] of [
    ['container', 'container'],
    ['tail', 'tailLines'],
    ['since-seconds', 'sinceSeconds'],
  ] as const)
    if (flags.has(flag) && flags.get(flag) !== '-1') wanted.set(parameter, flags.get(flag) ?? '');
  if (on('timestamps')) wanted.set('timestamps', 'true');
  for (const pod of await podsToLog(context, pods))
    out(await client.request('GET', `${pathOf(pods, namespace, pod)}/log?${wanted.toString()}`, { accept: '*/*' }));
  return 0;
}

async function podsToLog({ client, err, namespace, flags, args }: VerbContext, pods: Resource): Promise<string[]> {
  const listed = async (selector: string) =>
    list(
      (
        await client.json(
          'GET',
          `${pathOf(pods, namespace)}?${new URLSearchParams({ labelSelector: selector }).toString()}`,
        )
      )['items'],
    ).map((pod) => text(at(pod, 'metadata', 'name')));
  const [first = ''] = args;
  if (first === '') return listed(flags.get('selector') ?? '');
  const [target] = await targets(client, first.includes('/') ? [first] : ['pods.v1.', first]);
  if (!target || target.resource.name === 'pods') return target ? [target.name] : [];
  const owner = await client.json('GET', pathOf(target.resource, namespace, target.name));
  const selector = Object.entries(strings(at(owner, 'spec', 'selector', 'matchLabels'))).map(
    ([key, value]) => `${key}=${value}`,
  );
  const found = await listed(selector.join(','));
  if (found.length > 1) err(`Found ${found.length} pods, using pod/${found[0] ?? ''}\n`);
  return found.slice(0, 1);
}
