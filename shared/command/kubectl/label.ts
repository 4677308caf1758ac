import { refuse } from '../../lib/refuse.ts';
import { dryRun, fieldManager, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Verb } from './verb.ts';

// kubernetes.io/docs/concepts/overview/working-with-objects/labels, "Syntax and character set".
const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/u;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/u;

/** `key=value` sets, `key-` removes; kubectl takes everything from the first such word on as these. */
export function splitPairs(
  args: readonly string[],
  isPair: (word: string) => boolean,
): { before: string[]; pairs: string[] } {
  const first = args.findIndex(isPair);
  const before = first === -1 ? [...args] : args.slice(0, first);
  const pairs = first === -1 ? [] : args.slice(first);
  for (const word of pairs)
    if (!isPair(word)) throw refuse(word, 'stands after a change; resources have to stand before');
  return { before, pairs };
}

function metadataVerb(kind: 'label' | 'annotation'): Verb {
  const check = (word: string): string => {
    const equals = word.indexOf('=');
    const key = equals === -1 ? word.slice(0, -1) : word.slice(0, equals);
    if (!KEY.test(key)) throw refuse(word, `${key} is not a key that ${kind}s can have`);
    if (equals !== -1 && kind === 'label' && !LABEL_VALUE.test(word.slice(equals + 1))) {
      throw refuse(word, 'is not a value that a label can have');
    }
    return word;
  };
  return {
    flags: {
      ...globalFlags,
      ...printing,
      ...fileInput,
      ...dryRun,
      ...fieldManager,
      all: sent,
      'all-namespaces': sent,
      'field-selector': sent,
      list: sent,
      local: refused(LOCAL),
      overwrite: sent,
      'resource-version': sent,
      selector: sent,
    },
    means: (call) => {
      const { before, pairs } = splitPairs(call.parsed.args, (word) => word.includes('=') || word.endsWith('-'));
      const targets = readTargets(call, { query: 'flags', args: before, fieldSelector: true });
      if (pairs.length === 0 && !call.on('list'))
        throw refuse(call.parsed.path.join(' '), `needs a change: key=value or key-`);
      const write = pairs.length > 0;
      needTargets(call, targets, {
        named: write ? ['get', 'patch'] : ['get'],
        query: write ? ['list', 'patch'] : ['list'],
      });
      // A label can put a cluster role's rules into admin, edit or view (aggregation).
      const roles = call.catalog.builtIn('clusterroles.rbac.authorization.k8s.io');
      const touched = targets.kind === 'named' ? targets.items.map(({ type }) => type) : targets.types;
      if (kind === 'label' && write && touched.includes(roles)) call.needs.add('escalate', roles);
      return { ...targets.sent, args: [...targets.sent.args, ...pairs.map(check)] };
    },
  };
}

export const label = metadataVerb('label');
export const annotate = metadataVerb('annotation');
