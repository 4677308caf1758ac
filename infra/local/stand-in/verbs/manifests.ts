import { isObject, type Json, type KubeObject } from '../../kubernetes/json.ts';
import { ServerError, type Resource } from '../client.ts';
import type { VerbContext } from '../verb-context.ts';

/** Does something with each object of `--filename`, and goes on when one is refused; gives the exit code. */
export async function forEachManifest(
  { client, err, read, flags }: VerbContext,
  act: (manifest: KubeObject, resource: Resource) => Promise<void>,
): Promise<number> {
  let failed = false;
  for (const path of (flags.get('filename') ?? '').split(','))
    for (const manifest of read(path) as Json[]) {
      if (manifest === null) continue;
      if (!isObject(manifest) || !isObject(manifest['metadata']))
        throw new Error(`${path} holds something that is not a Kubernetes object`);
      const whole = manifest as KubeObject;
      try {
        await act(whole, await client.kindOf(whole));
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        failed = true;
        err(`${error.message}\n`);
      }
    }
  return failed ? 1 : 0;
}
