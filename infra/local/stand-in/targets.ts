import { at, list, text } from '../kubernetes/json.ts';
import { pathOf, type Client, type Resource } from './client.ts';
import { query, type VerbContext } from './verb-context.ts';

/** What a command line points at: kinds with names, or without for all of them. */
export interface Target {
  readonly resource: Resource;
  readonly name: string;
}

/** `deploy/web`, `pod x y`, `pods,svc`. */
export async function targets(client: Client, args: readonly string[]): Promise<Target[]> {
  const [first, ...names] = args;
  if (first === undefined) throw new Error('You must specify the type of resource.');
  if (first.includes('/'))
    return Promise.all(
      args.map(async (word) => {
        const [spelling = '', name = ''] = word.split('/');
        return { resource: await client.resource(spelling), name };
      }),
    );
  const resources = await Promise.all(first.split(',').map((spelling) => client.resource(spelling)));
  return resources.flatMap((resource) =>
    names.length > 0 ? names.map((name) => ({ resource, name })) : [{ resource, name: '' }],
  );
}

/** `deployment.apps`, as kubectl prints it. */
export const title = ({ singular, group }: Resource): string => (group === '' ? singular : `${singular}.${group}`);

/** Targets without a name become one for each object there is. */
export async function named(context: VerbContext, wanted: readonly Target[]): Promise<Target[]> {
  const { client, namespace } = context;
  const found = await Promise.all(
    wanted.map(async (target) => {
      if (target.name !== '') return [target];
      const objects = await client.json('GET', `${pathOf(target.resource, namespace)}${query(context)}`);
      return list(objects['items']).map((item) => ({ ...target, name: text(at(item, 'metadata', 'name')) }));
    }),
  );
  return found.flat();
}
