import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { qualifiedName, type ResourceType } from '../../kubernetes/resources.ts';
import { refuse } from '../../lib/refuse.ts';
import type { Program } from '../invocation.ts';
import { sh } from '../program.ts';
import { readPath } from './raw.ts';
import { checked, fileInput, globalFlags, printing, sent } from './flags.ts';
import { acrossNamespaces, readTargets, type Targets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

const subresources = new Set(['status', 'scale', 'resize']);

/** `--subresource` enters the attribute, so only those whose meaning is known. */
export const subresource = checked((value) => {
  if (value !== '' && !subresources.has(value)) {
    throw refuse(`--subresource=${value}`, 'only status, scale and resize are relayed');
  }
});

export const get: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    'all-namespaces': sent,
    'chunk-size': sent,
    'field-selector': sent,
    'ignore-not-found': sent,
    'label-columns': sent,
    'no-headers': sent,
    'output-watch-events': sent,
    raw: sent,
    selector: sent,
    'server-print': sent,
    'show-kind': sent,
    'show-labels': sent,
    'sort-by': sent,
    subresource,
    watch: sent,
    'watch-only': sent,
  },
  means: (call) => {
    if (call.parsed.flags.has('raw')) return readPath(call);
    const mixed = mixedScopes(call);
    if (mixed !== undefined) return getApart(call, mixed);
    const targets = readTargets(call, { query: 'free', fieldSelector: true });
    needToRead(call, targets, call.flag('subresource') ?? '');
    return targets.sent;
  },
};

function needToRead(call: Call, targets: Targets, subresource: string): void {
  const watch = call.on('watch') || call.on('watch-only');
  if (targets.kind === 'named') {
    if (watch && targets.items.length > 1) throw refuse('--watch', 'one object or one type can be watched');
    for (const { type, name, namespace } of targets.items) {
      call.needs.add('get', type, { name, namespace, subresource });
      if (watch) call.needs.add('watch', type, { name, namespace, subresource });
    }
    return;
  }
  if (subresource !== '') throw refuse(`--subresource=${subresource}`, 'needs the name of an object');
  if (watch && targets.types.length > 1) throw refuse('--watch', 'one object or one type can be watched');
  for (const type of targets.types) {
    call.needs.add(watch ? ['list', 'watch'] : 'list', type, { namespace: targets.namespace });
  }
}

/** The types of `get pv,pvc -A`, in groups of one scope; undefined where all are of one. */
function mixedScopes(call: Call): readonly (readonly ResourceType[])[] | undefined {
  const [first, ...names] = call.parsed.args;
  if (!call.on('all-namespaces') || first === undefined || names.length > 0 || first.includes('/')) return undefined;
  if (call.flags('filename').length > 0) return undefined;
  const groups: ResourceType[][] = [];
  for (const type of call.catalog.resolveList(first)) {
    const last = groups.at(-1);
    if (last?.[0]?.namespaced === type.namespaced) last.push(type);
    else groups.push([type]);
  }
  return groups.length > 1 ? groups : undefined;
}

/** Output in which several types are a table each, so that asked apart they look as if they were asked together. */
const inTables = new Set(['', 'wide', 'name']);

/**
 * The API server refuses the field selector that leaves out run command's namespace for what has none, and kubectl has one for all types of a
 * command: so those with namespaces are asked apart from those without, one after the other in one pod.
 */
function getApart(call: Call, groups: readonly (readonly ResourceType[])[]): Meaning {
  const output = call.flag('output') ?? '';
  if (!inTables.has(output) || (call.flag('template') ?? '') !== '')
    throw refuse(`-o ${output}`, 'would be one list of what has namespaces and what has none; ask for them apart');
  if (call.on('watch') || call.on('watch-only')) throw refuse('--watch', 'one object or one type can be watched');
  for (const name of ['field-selector', 'subresource'] as const) {
    if ((call.flag(name) ?? '') !== '')
      throw refuse(`--${name}`, 'cannot be for all of these types; ask for them apart');
  }
  for (const type of groups.flat()) call.needs.add('list', type, { namespace: ALL_NAMESPACES });
  const flags = { 'all-namespaces': [], 'show-kind': ['true'] };
  return {
    args: [],
    flags,
    namespace: 'none',
    program: ([, , ...rest]) => [
      ...sh`r=0; `,
      ...groups.flatMap((types, at): Program => {
        const across = types[0]?.namespaced ? acrossNamespaces(call, types, { fieldSelector: true }) : {};
        const more = Object.entries(across).flatMap(([name, values]) => values.map((value) => `--${name}=${value}`));
        const words = ['kubectl', 'get', types.map(qualifiedName).join(','), ...rest, ...more];
        // As kubectl has it between two tables.
        const gap = at > 0 && output !== 'name' ? sh`echo; ` : [];
        return [...gap, ...sh`${words} || r=$?; `];
      }),
      ...sh`exit "$r"`,
    ],
  };
}
