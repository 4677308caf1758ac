import { refuse } from '../../lib/refuse.ts';
import { checked, globalFlags, sent } from './flags.ts';
import type { FlagRule, FlagTable } from './verb.ts';
import type { Verb } from './verb.ts';

const oneOf = (...formats: readonly string[]): FlagRule =>
  checked((value, _call, flag) => {
    if (value !== '' && !formats.includes(value))
      throw refuse(`${flag}=${value}`, `is not one of ${formats.join(', ')}`);
  });

/** Verbs that ask for what every authenticated user may read (system:discovery): versions, resources, schemas. No attributes. */
function discovery(flags: FlagTable): Verb {
  return {
    flags: { ...globalFlags, ...flags },
    means: ({ parsed }) => {
      const [word] = parsed.args;
      if (word !== undefined) throw refuse(word, `kubectl ${parsed.path.join(' ')} takes no arguments`);
      return { args: [] };
    },
  };
}

/** `explain deployments.spec.replicas`: the schemas are public to every authenticated user. */
const explain: Verb = {
  flags: {
    ...globalFlags,
    'api-version': sent,
    'max-depth': sent,
    output: oneOf('plaintext', 'plaintext-openapiv2'),
    recursive: sent,
  },
  means: ({ parsed }) => {
    const [word, surplus] = parsed.args;
    if (word === undefined || !/^[A-Za-z][-A-Za-z0-9.]*$/u.test(word)) {
      throw refuse(word ?? 'explain', 'needs a resource or field, such as deployments.spec');
    }
    if (surplus !== undefined) throw refuse(surplus, 'kubectl explain takes one resource');
    return { args: [word] };
  },
};

/** Asks for the services that are marked as the cluster's own; unless told otherwise in kube-system. */
const clusterInfo: Verb = {
  flags: globalFlags,
  means: (call) => {
    const [word] = call.parsed.args;
    if (word !== undefined) throw refuse(word, 'kubectl cluster-info takes no arguments');
    const namespace = call.namespaceGiven ? call.namespace : 'kube-system';
    call.needs.add('list', call.catalog.builtIn('services'), { namespace });
    return { args: [], flags: { namespace: [namespace] }, namespace: 'none' };
  },
};

export const discoveryVerbs: Readonly<Record<string, Verb>> = {
  'api-resources': discovery({
    'api-group': sent,
    cached: sent,
    categories: sent,
    namespaced: sent,
    'no-headers': sent,
    output: oneOf('wide', 'name'),
    'show-managed-fields': sent,
    'sort-by': sent,
    verbs: sent,
  }),
  'api-versions': discovery({}),
  'cluster-info': clusterInfo,
  explain,
  version: discovery({ client: sent, output: oneOf('json', 'yaml') }),
};
