import { authVerbs } from './auth.ts';
import { certificateVerbs } from './certificate.ts';
import { attach, cp, exec } from './container.ts';
import { createVerbs } from './create-kind.ts';
import { deleteVerb } from './delete.ts';
import { autoscale, expose } from './derive.ts';
import { describe } from './describe.ts';
import { discoveryVerbs } from './discovery.ts';
import { get } from './get.ts';
import { annotate, label } from './label.ts';
import { lastAppliedVerbs } from './last-applied.ts';
import { logs } from './logs.ts';
import { cordon, drain, taint, uncordon } from './nodes.ts';
import { events, topNode, topPod } from './observe.ts';
import { patch } from './patch.ts';
import { rolloutVerbs } from './rollout.ts';
import { debug, run } from './run.ts';
import { scale } from './scale.ts';
import { setVerbs } from './set.ts';
import type { Verb } from './verb.ts';
import { wait } from './wait.ts';
import { apply, create, diff, replace } from './write.ts';

/** Every verb that is relayed, by its path in the grammar. A verb that is in neither table is refused as well. */
export const verbs: ReadonlyMap<string, Verb> = new Map(
  Object.entries<Verb>({
    annotate,
    apply,
    attach,
    autoscale,
    cordon,
    cp,
    create,
    debug,
    delete: deleteVerb,
    describe,
    diff,
    drain,
    events,
    exec,
    expose,
    get,
    label,
    logs,
    patch,
    replace,
    run,
    scale,
    taint,
    'top node': topNode,
    'top pod': topPod,
    uncordon,
    wait,
    ...authVerbs,
    ...certificateVerbs,
    ...createVerbs,
    ...discoveryVerbs,
    ...lastAppliedVerbs,
    ...rolloutVerbs,
    ...setVerbs,
  }),
);

/** Verbs of kubectl that are not relayed, and why: by path, a parent standing for all below it. */
export const refusedVerbs: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'apply edit-last-applied': 'needs an editor',
    'auth reconcile': 'changes roles and bindings in ways that are only known afterwards; apply them',
    'cluster-info dump':
      'reads everything of whole namespaces, logs too; ask for what you need: kubectl get all, kubectl events, kubectl logs',
    completion: 'is for a shell of your own',
    config:
      'is about a kubeconfig, which the gateway does not use; the cluster is in the address, a namespace is given with -n',
    edit: 'needs an editor; kubectl get … -o yaml, change the file, kubectl apply -f it; or kubectl patch, kubectl set',
    kuberc: 'is about preferences of your own machine',
    kustomize: 'can fetch remote bases and run plugins; run it yourself and send the result with -f',
    plugin: 'runs programs that nobody has judged',
    'port-forward':
      'needs a connection that lasts, and run command has none; kubectl exec POD -- curl …, or run tmp --rm -i --image=… -- curl … ask from inside',
    proxy: 'needs a connection that lasts, and run command has none; name what you want to read: kubectl get …',
  }),
);
