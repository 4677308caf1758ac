import { pathOf, ServerError, type Resource } from '../client.ts';
import type { VerbContext } from '../verb-context.ts';
import { targets, named, title } from '../targets.ts';
import { forEachManifest } from './manifests.ts';

const propagations: Readonly<Record<string, string>> = {
  background: 'Background',
  foreground: 'Foreground',
  orphan: 'Orphan',
};

/** `delete`. */
export async function remove(context: VerbContext): Promise<number> {
  const { client, out, namespace, on, flags, args } = context;
  const propagationPolicy = propagations[flags.get('cascade') ?? 'background'];
  if (propagationPolicy === undefined)
    throw new Error(
      `invalid cascade value (${flags.get('cascade') ?? ''}). Must be "background", "foreground", or "orphan"`,
    );
  const one = async (resource: Resource, where: string, name: string): Promise<void> => {
    try {
      await client.json('DELETE', pathOf(resource, where, name), { body: { propagationPolicy } });
    } catch (error) {
      if (on('ignore-not-found') && error instanceof ServerError && error.status === 404) return;
      throw error;
    }
    out(`${title(resource)} "${name}" deleted\n`);
  };
  if (flags.has('filename'))
    return forEachManifest(context, (manifest, resource) =>
      one(resource, manifest.metadata.namespace ?? namespace, manifest.metadata.name),
    );
  const wanted = await targets(client, args);
  if (wanted.some(({ name }) => name === '') && !flags.has('selector'))
    throw new Error('resource(s) were provided, but no name was specified');
  for (const { resource, name } of await named(context, wanted)) await one(resource, namespace, name);
  return 0;
}
