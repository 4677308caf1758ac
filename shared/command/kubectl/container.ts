import type { ResourceType } from '../../kubernetes/resources.ts';
import { refuse } from '../../lib/refuse.ts';
import { checkPath, notUploaded } from '../files.ts';
import { checkName, checkNamespace } from '../names.ts';
import type { FlagTable } from './verb.ts';
import { globalFlags, NOT_TERMINAL, refused, sent } from './flags.ts';
import { container, needPodOf } from './logs.ts';
import { readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

/** exec, attach, cp: into a running container. */
const into: FlagTable = {
  ...globalFlags,
  container,
  'pod-running-timeout': sent,
  quiet: sent,
  stdin: sent,
  tty: refused(NOT_TERMINAL),
};

const NAMED_ONLY = refused('name the pod instead');

/**
 * kubectl first tries a WebSocket, a GET, and then a POST (measured); the permission asked for stays `create`, as RBAC roles have
 * it.
 */
function needContainer(call: Call, word: string, subresource: 'exec' | 'attach'): readonly string[] {
  const { needs, catalog, namespace } = call;
  const pods = catalog.builtIn('pods');
  const targets = readTargets(call, { query: 'none', bareType: pods, args: [word], selecting: [] });
  if (targets.kind !== 'named') throw refuse(word, 'is not a pod or TYPE/NAME');
  for (const { type, name } of targets.items) {
    checkHasPods(type);
    needs.add('get', type, { namespace, name });
    if (type !== pods) needPodOf(call);
    needs.add('create', pods, { namespace, name: type === pods ? name : '', subresource });
  }
  return targets.sent.args;
}

function checkHasPods(type: ResourceType): void {
  if (!type.namespaced) throw refuse(type.resource, 'has no pods');
}

/** The request's stdin for a container, with -i. */
function stdin(call: Call): Uint8Array | undefined {
  if (!call.on('stdin')) return undefined;
  if (call.request.stdin === undefined) throw refuse('--stdin', 'the request has no stdin');
  return new TextEncoder().encode(call.request.stdin);
}

export const exec: Verb = {
  flags: { ...into, filename: NAMED_ONLY },
  means: (call) => {
    const { args, dash } = call.parsed;
    const [pod, ...surplus] = args.slice(0, dash);
    if (pod === undefined) throw refuse('exec', 'needs a pod or TYPE/NAME before the --');
    if (dash === undefined || surplus[0] !== undefined) {
      throw refuse(surplus[0] ?? pod, 'the command for the container has to stand after a --');
    }
    const tail = args.slice(dash);
    if (tail.length === 0) throw refuse('--', 'no command for the container follows it');
    return { args: needContainer(call, pod, 'exec'), tail, stdin: stdin(call) };
  },
};

export const attach: Verb = {
  flags: { ...into, 'detach-keys': refused(NOT_TERMINAL) },
  means: (call) => {
    const [pod, surplus] = call.parsed.args;
    if (pod === undefined) throw refuse('attach', 'needs a pod or TYPE/NAME');
    if (surplus !== undefined) throw refuse(surplus, 'kubectl attach takes one pod');
    return { args: needContainer(call, pod, 'attach'), stdin: stdin(call) };
  },
};

/** Only into a container: what came out of one would stay in the pod that runs the command. */
export const cp: Verb = {
  flags: {
    ...globalFlags,
    container,
    'no-preserve': refused('is for copies out of a container'),
    retries: refused('is for copies out of a container'),
  },
  means: (call) => {
    const [source, destination, surplus] = call.parsed.args;
    if (source === undefined || destination === undefined) throw refuse('cp', 'needs a source and a destination');
    if (surplus !== undefined) throw refuse(surplus, 'kubectl cp takes a source and a destination');
    if (source.includes(':')) {
      throw refuse(source, 'the copy would be lost with the pod that runs the command; use kubectl exec … -- cat FILE');
    }
    const colon = destination.indexOf(':');
    if (colon < 1) throw refuse(destination, 'is not [NAMESPACE/]POD:PATH');
    return copyInto(call, source, destination.slice(0, colon), destination.slice(colon + 1));
  },
};

function copyInto(call: Call, source: string, pod: string, path: string): Meaning {
  const pods = call.catalog.builtIn('pods');
  const slash = pod.indexOf('/');
  const namespace = slash === -1 ? call.namespace : checkNamespace(pod.slice(0, slash));
  const name = checkName(pods, pod.slice(slash + 1));
  if (path === '') throw refuse(`${pod}:`, 'needs a path in the container');
  call.needs.add('get', pods, { namespace, name });
  call.needs.add('create', pods, { namespace, name, subresource: 'exec' });
  const files = call.uploads.get(source) === undefined ? call.uploads.below(source) : [source];
  if (files.length === 0) throw notUploaded(source);
  for (const file of files) call.uploads.use(file);
  return { args: [checkPath(source), `${namespace}/${name}:${path}`] };
}
