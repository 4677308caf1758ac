import { apply } from './apply.ts';
import { deleteVerb } from './delete.ts';
import { describe } from './describe.ts';
import { discoveryVerbs } from './discovery.ts';
import { get } from './get.ts';
import { logs } from './logs.ts';
import { rolloutVerbs } from './rollout.ts';
import { scale } from './scale.ts';
import type { Verb } from './verb.ts';

/** Every verb that is relayed, by its path in the grammar. A verb that is in neither table is refused as well. */
export const verbs: ReadonlyMap<string, Verb> = new Map(
  Object.entries<Verb>({
    apply,
    delete: deleteVerb,
    describe,
    get,
    logs,
    scale,
    ...rolloutVerbs,
    ...discoveryVerbs,
  }),
);

/** Verbs of kubectl that are not relayed, and why: by path, a parent standing for all below it. */
export const refusedVerbs: ReadonlyMap<string, string> = new Map(
  Object.entries({
    alpha: 'is not settled yet',
    'apply edit-last-applied': 'needs an editor',
    config: 'is about a kubeconfig, which the gateway does not use',
    completion: 'is for a shell of your own',
    edit: 'needs an editor; get the object, change it and apply it',
    kustomize: 'can fetch remote bases and run plugins; run it yourself and send the result',
    options: 'is help; run kubectl yourself',
    plugin: 'runs programs that nobody has judged',
    'port-forward': 'needs a connection that lasts, and run command has none',
    proxy: 'needs a connection that lasts, and run command has none',
  }),
);
