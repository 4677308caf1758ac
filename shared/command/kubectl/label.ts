import { refuse } from '../../lib/refuse.ts';
import { dryRun, fieldManager, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { needsOfChange } from './objects.ts';
import { isSecret, needsOfRelease, releaseLabels } from './secrets.ts';
import { needTargets, readTargets, type Target, type Targets } from './targets.ts';
import type { Verb } from './verb.ts';

// kubernetes.io/docs/concepts/overview/working-with-objects/labels, "Syntax and character set".
const keyPattern = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/u;
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/u;

/** `key=value` sets, `key-` removes; kubectl takes everything from the first such word on as these. */
export function splitPairs(
  args: readonly string[],
  isPair: (word: string) => boolean,
): { before: string[]; pairs: string[] } {
  const first = args.findIndex(isPair);
  const before = first === -1 ? [...args] : args.slice(0, first);
  const pairs = first === -1 ? [] : args.slice(first);
  for (const word of pairs) if (!isPair(word)) throw refuse(word, 'comes after a change; resources have to come first');
  return { before, pairs };
}

/** Of `key=value` or `key-`. */
function keyOf(word: string): string {
  const equals = word.indexOf('=');
  return equals === -1 ? word.slice(0, -1) : word.slice(0, equals);
}

/** `key=value`; nothing for `key-`, which removes. */
function setPair(word: string): [key: string, value: string][] {
  const equals = word.indexOf('=');
  return equals === -1 ? [] : [[word.slice(0, equals), word.slice(equals + 1)]];
}

const touched = (targets: Targets): readonly Target[] =>
  targets.kind === 'named'
    ? targets.items
    : targets.types.map((type) => ({ type, name: '', namespace: targets.namespace }));

function metadataVerb(kind: 'label' | 'annotation'): Verb {
  const check = (word: string): string => {
    const equals = word.indexOf('=');
    const key = keyOf(word);
    if (!keyPattern.test(key)) throw refuse(word, `${key} is not a key that ${kind}s can have`);
    if (equals !== -1 && kind === 'label' && !labelValue.test(word.slice(equals + 1))) {
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
      if (write) {
        // A label can put a cluster role's rules into admin, edit or view (aggregation), and make a Secret a release of helm.
        const clusterRoles = call.catalog.builtIn('clusterroles.rbac.authorization.k8s.io');
        const part = { metadata: { [`${kind}s`]: Object.fromEntries(pairs.flatMap(setPair)) } };
        for (const target of touched(targets)) {
          const aggregates = kind === 'label' && target.type === clusterRoles;
          if (aggregates || isSecret(target.type)) needsOfChange(call, target, [part]);
          // What a query finds may be a release already.
          const relabels = kind === 'label' && target.name === '' && isSecret(target.type);
          if (relabels && pairs.some((pair) => releaseLabels.has(keyOf(pair)))) needsOfRelease(call, target);
        }
      }
      return { ...targets.sent, args: [...targets.sent.args, ...pairs.map(check)] };
    },
  };
}

export const label = metadataVerb('label');
export const annotate = metadataVerb('annotation');
