import type { ResourceType } from '../../kubernetes/resources.ts';
import { refuse } from '../../lib/refuse.ts';
import { checkPath, notUploaded } from '../files.ts';
import { checkName, checkNamespace } from '../names.ts';
import { canonicalPath } from '../paths.ts';
import type { FlagTable } from './verb.ts';
import { globalFlags, refused, sent, terminal } from './flags.ts';
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
  tty: terminal.tty,
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

/** The request's stdin for a container, with -i; without any, `-i` is left out, as it is typed from habit. */
function stdinOf(call: Call): Pick<Meaning, 'stdin' | 'flags'> {
  if (!call.on('stdin')) return {};
  if (call.request.stdin !== undefined) return { stdin: new TextEncoder().encode(call.request.stdin) };
  call.warn('The request has no stdin: --stdin was left out.');
  return { flags: { stdin: [] } };
}

const shells = /^(?:\/\w+)*\/?(?:ba|da|a|z)?sh$/u;

export const isBareShell = (tail: readonly string[]): boolean => tail.length === 1 && shells.test(tail[0] ?? '');

/** A shell that has nothing to read ends at once, without a word. */
function warnOfShell(call: Call, tail: readonly string[]): void {
  if (isBareShell(tail) && call.request.stdin === undefined)
    call.warn(`${tail[0]} has nothing to read here and ends at once; give it the command: -- sh -c '…'.`);
}

export const exec: Verb = {
  flags: { ...into, filename: NAMED_ONLY },
  means: (call) => {
    const { args, dash } = call.parsed;
    const [pod, ...surplus] = args.slice(0, dash);
    if (pod === undefined) throw refuse('exec', 'needs a pod or TYPE/NAME before the --');
    if (dash === undefined || surplus[0] !== undefined) {
      throw refuse(surplus[0] ?? pod, 'the command for the container has to come after a --');
    }
    const tail = args.slice(dash);
    if (tail.length === 0) throw refuse('--', 'no command for the container follows it');
    warnOfShell(call, tail);
    return { args: needContainer(call, pod, 'exec'), tail, ...stdinOf(call) };
  },
};

export const attach: Verb = {
  flags: { ...into, ...terminal },
  means: (call) => {
    const [pod, surplus] = call.parsed.args;
    if (pod === undefined) throw refuse('attach', 'needs a pod or TYPE/NAME');
    if (surplus !== undefined) throw refuse(surplus, 'kubectl attach takes one pod');
    return { args: needContainer(call, pod, 'attach'), ...stdinOf(call) };
  },
};

/** Into a container through the request's files; out of one through stdout, for nothing that is written here outlives the command. */
export const cp: Verb = {
  flags: { ...globalFlags, container, 'no-preserve': sent, retries: sent },
  means: (call) => {
    const [source, destination, surplus] = call.parsed.args;
    if (source === undefined || destination === undefined) throw refuse('cp', 'needs a source and a destination');
    if (surplus !== undefined) throw refuse(surplus, 'kubectl cp takes a source and a destination');
    const from = inContainer(call, source);
    const to = inContainer(call, destination);
    if (from !== undefined && to !== undefined)
      throw refuse(destination, 'one side of a copy has to be a file of your own');
    if (from !== undefined) return copyOut(call, from, destination);
    if (to === undefined) throw refuse(destination, 'is not [NAMESPACE/]POD:PATH');
    return copyInto(call, source, to);
  },
};

interface PathInContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly path: string;
}

/** `[NAMESPACE/]POD:PATH`, as kubectl splits it (pkg/cmd/cp, extractFileSpec); undefined for a path of the caller's. */
function inContainer(call: Call, word: string): PathInContainer | undefined {
  const colon = word.indexOf(':');
  if (colon === -1) return undefined;
  const pods = call.catalog.builtIn('pods');
  const [pod, path] = [word.slice(0, colon), word.slice(colon + 1)];
  if (pod === '') throw refuse(word, 'is not [NAMESPACE/]POD:PATH');
  if (path === '') throw refuse(word, 'needs a path in the container');
  const slash = pod.indexOf('/');
  const namespace = slash === -1 ? call.namespace : checkNamespace(pod.slice(0, slash));
  return { namespace, pod: checkName(pods, pod.slice(slash + 1)), path };
}

function needExec({ needs, catalog }: Call, { namespace, pod: name }: PathInContainer): void {
  const pods = catalog.builtIn('pods');
  needs.add('get', pods, { namespace, name });
  needs.add('create', pods, { namespace, name, subresource: 'exec' });
}

function copyInto(call: Call, source: string, to: PathInContainer): Meaning {
  needExec(call, to);
  const files = call.uploads.get(source) === undefined ? call.uploads.below(source) : [source];
  if (files.length === 0) throw notUploaded(source);
  for (const file of files) call.uploads.use(file);
  return {
    args: [checkPath(source), `${to.namespace}/${to.pod}:${to.path}`],
    flags: { 'no-preserve': [], retries: [] },
  };
}

/**
 * `cp POD:FILE -` is the file itself on stdout; to any other name an archive, made as kubectl makes it (pkg/cmd/cp, copyFromPod). The words in
 * the container are the gateway's own but for the path, which stands after `--`.
 */
function copyOut(call: Call, from: PathInContainer, destination: string): Meaning {
  needExec(call, from);
  const file = destination === '-';
  if (!file) {
    if (canonicalPath(destination) !== '') checkPath(destination.replace(/^\.\/+/u, ''));
    call.warn(
      `stdout is a tar archive of ${from.path}: aksgw unpacks it, and tar xf - does. kubectl cp POD:FILE - gives a file as it is.`,
    );
  }
  const program = file ? ['cat', '--', from.path] : ['tar', 'cf', '-', '--', from.path];
  const chosen = call.flag('container') ?? '';
  return {
    args: [],
    words: [
      'kubectl',
      'exec',
      `pods.v1./${from.pod}`,
      ...(chosen === '' ? [] : [`--container=${chosen}`]),
      '--quiet=true',
      `--namespace=${from.namespace}`,
      '--',
      ...program,
    ],
  };
}
