import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { compileGlob } from '../../config/glob.ts';
import { checkPath, notUploaded } from '../files.ts';
import type { SentFile } from '../invocation.ts';
import { readManifest, sentManifest, writeManifest, type ManifestFile, type ManifestObject } from '../manifests.ts';
import { checkName } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import { qualifiedName, type ResourceType } from '../../kubernetes/resources.ts';
import type { Call, Meaning } from './verb.ts';

/** Other callers' commands, and the tokens that they run with, are in this namespace. */
export const RUN_COMMAND_NAMESPACE = 'aks-command';

/** An object that the command names. */
export interface Target {
  readonly type: ResourceType;
  readonly name: string;
  /** '' for cluster-scoped types. */
  readonly namespace: string;
}

/** What a command is about: objects by name, or whatever of some types a query finds. */
export type Targets =
  | {
      readonly kind: 'named';
      readonly items: readonly Target[];
      /** Set when they come from manifests. */
      readonly objects?: readonly ManifestObject[];
      readonly sent: SentTargets;
    }
  | {
      readonly kind: 'query';
      readonly types: readonly ResourceType[];
      /** ALL_NAMESPACES with -A. */
      readonly namespace: string;
      readonly sent: SentTargets;
    };

/** The part of the sent command that names the targets. */
type SentTargets = Pick<Meaning, 'args' | 'flags' | 'files' | 'stdin' | 'namespace'>;

interface TargetRules {
  /** The type of a bare NAME, for verbs that need none (`certificate approve NAME`). */
  readonly bareType?: ResourceType | undefined;
  /** How else than by name objects may be chosen: not at all, by these flags, or `free`: a type alone is enough (get, describe). */
  readonly query: 'none' | 'flags' | 'free';
  /** Positional words at the end that are not targets (`key=value` of label). */
  readonly args?: readonly string[];
  /** The verb's flags that choose objects; `expose --selector` for one is another thing. */
  readonly selecting?: readonly string[];
  /** Whether the verb of kubectl has --field-selector (then aks-command can be left out of -A). */
  readonly fieldSelector?: boolean;
  /** Manifests may leave the name to the server (create). */
  readonly generateName?: boolean;
}

/** Reads positional words, -f, selectors and -A as kubectl's resource builder does. Throws Problem `command-refused`. */
export function readTargets(call: Call, rules: TargetRules): Targets {
  const args = rules.args ?? call.parsed.args;
  const selecting = selectionFlag(call, rules.selecting ?? selectingFlags);
  const all = call.on('all-namespaces');
  if (call.on('all') && selecting !== undefined && selecting !== '--all') {
    throw refuse('--all', `cannot be used with ${selecting}`);
  }
  if (call.flags('filename').length > 0) {
    if (args[0] !== undefined) throw refuse(args[0], 'a resource cannot be named beside -f');
    if (selecting !== undefined && selecting !== '--selector') throw refuse(selecting, 'cannot be used with -f');
    if (all) throw refuse('--all-namespaces', 'cannot be used with -f');
    return fromManifests(readManifests(call, rules.generateName ?? false));
  }
  if (call.on('recursive')) throw refuse('--recursive', 'has no meaning without -f');
  const named = byName(call, args, rules);
  if (named.items.length > 0) {
    if (selecting !== undefined) throw refuse(selecting, 'a selector and a name exclude each other');
    if (all)
      throw refuse('--all-namespaces', 'an object cannot be named across namespaces; give its namespace with -n');
    const words = named.items.map(({ type, name }) => `${qualifiedName(type)}/${name}`);
    return { kind: 'named', items: named.items, sent: { args: words, namespace: 'given' } };
  }
  if (rules.query === 'none')
    throw refuse(args[0] ?? call.parsed.path.join(' '), 'needs the name of an object: TYPE/NAME');
  if (rules.query === 'flags' && selecting === undefined) {
    throw refuse(args[0] ?? call.parsed.path.join(' '), 'needs a name, a selector (-l) or --all');
  }
  return query(call, named.types, rules);
}

const selectingFlags = ['selector', 'field-selector', 'all'] as const;

function selectionFlag(call: Call, flags: readonly string[]): string | undefined {
  for (const name of flags) {
    const value = call.flag(name);
    if (value !== undefined && value !== '' && value !== 'false') return `--${name}`;
  }
  return undefined;
}

/** `TYPE[,TYPE…] [NAME…]` or `TYPE/NAME…`; kubectl takes no mixture of the two. */
function byName(
  call: Call,
  args: readonly string[],
  { bareType }: TargetRules,
): { items: Target[]; types: ResourceType[] } {
  const target = (type: ResourceType, name: string): Target => ({
    type,
    name: checkName(type, name),
    namespace: type.namespaced ? call.namespace : '',
  });
  if (args.some((word) => word.includes('/'))) {
    const items = args.map((word) => {
      const slash = word.indexOf('/');
      if (slash === -1) throw refuse(word, 'is not TYPE/NAME, and other words here are; kubectl takes no mixture');
      return target(call.catalog.resolve(word.slice(0, slash)), word.slice(slash + 1));
    });
    return { items, types: [] };
  }
  if (bareType !== undefined) return { items: args.map((name) => target(bareType, name)), types: [bareType] };
  const [first, ...names] = args;
  if (first === undefined) throw refuse(call.parsed.path.join(' '), 'needs a resource: TYPE, TYPE NAME or TYPE/NAME');
  const types = call.catalog.resolveList(first);
  return { items: types.flatMap((type) => names.map((name) => target(type, name))), types };
}

function query(call: Call, types: readonly ResourceType[], rules: TargetRules): Targets {
  const args = [types.map(qualifiedName).join(',')];
  const namespaced = types.some((type) => type.namespaced);
  if (!call.on('all-namespaces') || !namespaced) {
    const flags = { 'all-namespaces': [] };
    return { kind: 'query', types, namespace: call.namespace, sent: { args, flags, namespace: 'given' } };
  }
  return {
    kind: 'query',
    types,
    namespace: ALL_NAMESPACES,
    sent: { args, flags: acrossNamespaces(call, types, rules), namespace: 'none' },
  };
}

/** -A without what belongs to run command itself: the field selector that says so is merged into the caller's (measured). */
export function acrossNamespaces(
  call: Call,
  types: readonly ResourceType[],
  rules: Pick<TargetRules, 'fieldSelector'>,
): Record<string, readonly string[]> {
  const why = `would show the namespace ${RUN_COMMAND_NAMESPACE}, where other callers' commands run`;
  if (rules.fieldSelector !== true) {
    throw refuse(
      '--all-namespaces',
      `kubectl ${call.parsed.path.join(' ')} across namespaces ${why}; give a namespace with -n`,
    );
  }
  const clusterScoped = types.find((type) => !type.namespaced);
  if (clusterScoped !== undefined) {
    // The selector is one for all types of a command, and the API server refuses it for cluster-scoped ones.
    throw refuse(clusterScoped.resource, 'is cluster-scoped; ask for it apart from what has namespaces when using -A');
  }
  const own = call.flag('field-selector') ?? '';
  const merged = `${own}${own && ','}metadata.namespace!=${RUN_COMMAND_NAMESPACE}`;
  // kubectl takes --all or a field selector, not both; they mean the same here.
  return { all: [], 'all-namespaces': ['true'], 'field-selector': [merged] };
}

/** Asks for verbs on every target: on each named object, or on all of a type when a query finds them. */
export function needTargets(
  call: Call,
  targets: Targets,
  verbs: {
    readonly named: readonly string[];
    readonly query: readonly string[];
    readonly subresource?: string | undefined;
  },
): void {
  const { subresource } = verbs;
  if (targets.kind === 'named') {
    for (const { type, name, namespace } of targets.items)
      call.needs.add(verbs.named, type, { name, namespace, subresource });
  } else {
    for (const type of targets.types) call.needs.add(verbs.query, type, { namespace: targets.namespace, subresource });
  }
}

/** The manifests of -f, in kubectl's order. */
interface Manifests {
  readonly files: readonly ManifestFile[];
  readonly objects: readonly ManifestObject[];
}

function readManifests(call: Call, generateName: boolean): Manifests {
  const options = {
    catalog: call.catalog,
    namespace: call.namespace,
    namespaceGiven: call.namespaceGiven,
    generateName,
    budget: call.yamlBudget,
  };
  const files = sources(call).map(({ path, bytes }) => readManifest(path, bytes, options));
  const objects = files.flatMap((file) => file.objects);
  if (objects.length === 0) throw refuse('-f', 'the files hold no object');
  return { files, objects };
}

interface Source {
  readonly path: string | undefined;
  readonly bytes: Uint8Array;
}

/** What kubectl reads in a folder (cli-runtime, FileExtensions). */
const manifestName = /\.(?:json|ya?ml)$/u;

function sources(call: Call): Source[] {
  const found = new Map<string, Source>();
  for (const value of call.flags('filename')) {
    if (value === '-') {
      if (call.request.stdin === undefined) throw refuse('-f -', 'the request has no stdin');
      if (found.has('-')) throw refuse('-f -', 'stdin can be read once only');
      found.set('-', { path: undefined, bytes: new TextEncoder().encode(call.request.stdin) });
      continue;
    }
    if (/^[a-z][a-z0-9+.-]*:/iu.test(value)) {
      throw refuse(value, 'is an address; the gateway relays only files that came with the request and were judged');
    }
    const bytes = call.uploads.get(value);
    if (bytes !== undefined) {
      const path = checkPath(value);
      found.set(path, { path, bytes });
      continue;
    }
    const matching = matches(call, value);
    for (const source of matching ?? folder(call, value)) found.set(source.path ?? '', source);
  }
  return [...found.values()];
}

/** `-f 'k8s/*.yaml'`: of the uploads those that kubectl would find, by Go's filepath.Glob; undefined for what is not a pattern. */
function matches(call: Call, value: string): Source[] | undefined {
  if (!/[*?[]/u.test(value)) return undefined;
  if (/[?[\\]/u.test(value)) throw refuse(value, 'a pattern can have * here, and nothing else');
  const globs = value
    .replace(/^(?:\.\/+)+/u, '')
    .split('/')
    .map(compileGlob);
  const found = call.uploads.below('').filter((path) => {
    const segments = path.split('/');
    return segments.length === globs.length && segments.every((segment, at) => globs[at]?.matches(segment));
  });
  if (found.length === 0) throw notUploaded(value);
  return found.map((path) => ({ path: checkPath(path), bytes: call.uploads.get(path) ?? new Uint8Array() }));
}

function folder(call: Call, value: string): Source[] {
  const below = call.on('recursive') ? call.uploads.below(value) : call.uploads.filesIn(value);
  if (call.uploads.below(value).length === 0) throw notUploaded(value);
  return below
    .filter((path) => manifestName.test(path))
    .map((path) => ({ path, bytes: call.uploads.get(path) ?? new Uint8Array() }));
}

function fromManifests({ files, objects }: Manifests): Targets {
  return {
    kind: 'named',
    items: objects.map(({ type, name, namespace }) => ({ type, name, namespace })),
    objects,
    sent: sendManifests(files),
  };
}

/** The words and files that stand for manifests: each file under its own name, written again; empty ones are left out. */
function sendManifests(files: readonly ManifestFile[]): SentTargets {
  const names: string[] = [];
  const sentFiles: SentFile[] = [];
  let stdin: Uint8Array | undefined;
  for (const { path, objects } of files) {
    if (objects.length === 0) continue;
    names.push(path ?? '-');
    if (path === undefined) stdin = writeManifest(objects);
    else sentFiles.push(sentManifest(path, objects));
  }
  return { args: [], flags: { filename: names, recursive: [] }, files: sentFiles, stdin, namespace: 'none' };
}
