import { isLabel } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import { checked, globalFlags, refused, sent } from './flags.ts';
import { readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

/** A container's name: a DNS label (Kubernetes API, Container.name). */
export const container = checked((value, _call, flag) => {
  if (value !== '') checkContainer(value, `${flag}=${value}`);
});

function checkContainer(name: string, word: string): string {
  if (!isLabel(name)) throw refuse(word, 'is not a name that a container can have');
  return name;
}

/** A workload stands for one of its pods: kubectl lists them, and watches for one when there is none (polymorphichelpers, GetPodList). */
export function needPodOf({ needs, catalog, namespace }: Call): void {
  needs.add(['list', 'watch'], catalog.builtIn('pods'), { namespace });
}

export const logs: Verb = {
  flags: {
    ...globalFlags,
    'all-containers': sent,
    'all-pods': sent,
    container,
    follow: sent,
    'ignore-errors': sent,
    'insecure-skip-tls-verify-backend': refused('the kubelet has to prove who it is'),
    'limit-bytes': sent,
    'max-log-requests': sent,
    'pod-running-timeout': sent,
    prefix: sent,
    previous: sent,
    selector: sent,
    since: sent,
    'since-time': sent,
    tail: sent,
    timestamps: sent,
  },
  means: (call) => {
    const { needs, catalog, namespace } = call;
    const pods = catalog.builtIn('pods');
    const [first, second, third] = call.parsed.args;
    if (first === undefined) {
      if ((call.flag('selector') ?? '') === '') throw refuse('logs', 'needs a pod, TYPE/NAME or a selector (-l)');
      needs.add('list', pods, { namespace });
      needs.add('get', pods, { namespace, subresource: 'log' });
      return { args: [] };
    }
    if (third !== undefined) throw refuse(third, 'kubectl logs takes a pod or TYPE/NAME, and at most a container');
    const targets = readTargets(call, { query: 'none', bareType: pods, args: [first] });
    if (targets.kind !== 'named') throw refuse(first, 'is not a pod or TYPE/NAME');
    for (const { type, name } of targets.items) {
      needs.add('get', type, { namespace, name });
      if (type === pods) {
        needs.add('get', pods, { namespace, name, subresource: 'log' });
      } else {
        needPodOf(call);
        needs.add('get', pods, { namespace, subresource: 'log' });
      }
    }
    return { ...targets.sent, flags: inlineContainer(call, second) };
  },
};

/** `logs POD CONTAINER`, an old spelling of -c. */
function inlineContainer(call: Call, name: string | undefined): Meaning['flags'] {
  if (name === undefined) return {};
  if (call.flag('container') !== undefined) throw refuse(name, 'the container is named twice');
  return { container: [checkContainer(name, name)] };
}
