import { ALL_NAMESPACES, urlAttributes, type ResourceAttributes } from '../../kubernetes/attributes.ts';
import { builtInTypes, qualifiedName } from '../../kubernetes/resources.ts';
import { refuse } from '../../lib/refuse.ts';
import { checkName } from '../names.ts';
import { checked, globalFlags, printing, sent } from './flags.ts';
import type { Call, Meaning, Verb } from './verb.ts';

const IN_CLUSTER =
  'the answer is about the identity that run command gives the command, not about what the gateway allows you';

/**
 * Run command's identity is not the caller's, so that Kubernetes' answer would be about somebody else: the gateway answers, by policy. With
 * --in-cluster, a flag of the gateway's own, Kubernetes is asked.
 */
const canI: Verb = {
  flags: {
    ...globalFlags,
    'all-namespaces': sent,
    list: sent,
    'no-headers': sent,
    quiet: sent,
    subresource: checked((value) => {
      if (!/^[a-z/*]*$/u.test(value)) throw refuse(`--subresource=${value}`, 'is not the name of a sub-resource');
    }),
  },
  means: (call) => (call.on('list') ? listed(call) : asked(call)),
};

function listed(call: Call): Meaning {
  const [word] = call.parsed.args;
  if (word !== undefined) throw refuse(word, 'cannot be used with --list');
  if (askCluster(call, 'selfsubjectrulesreviews.authorization.k8s.io')) return { args: [] };
  const namespace = call.on('all-namespaces') ? ALL_NAMESPACES : call.namespace;
  return { args: [], answer: { kind: 'can-i-list', namespace, headers: !call.on('no-headers') } };
}

function asked(call: Call): Meaning {
  const [verb, what, surplus] = call.parsed.args;
  if (verb === undefined || what === undefined || surplus !== undefined) {
    throw refuse(surplus ?? 'auth can-i', 'takes a verb and a resource, TYPE/NAME or path');
  }
  if (!/^(?:[a-z]+|\*)$/u.test(verb)) throw refuse(verb, 'is not a verb of Kubernetes');
  const args = [verb, object(call, what)];
  if (askCluster(call, 'selfsubjectaccessreviews.authorization.k8s.io')) return { args };
  return { args, answer: { kind: 'can-i', asked: attributesOf(call, verb, what), quiet: call.on('quiet') } };
}

function askCluster(call: Call, review: string): boolean {
  if (!call.on('in-cluster')) return false;
  call.warn(IN_CLUSTER);
  call.needs.add('create', call.catalog.builtIn(review));
  return true;
}

const knownVerbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const;

/** `*` stands for every ordinary verb, and for every resource that Kubernetes has itself. */
function attributesOf(call: Call, verb: string, what: string): readonly ResourceAttributes[] {
  const verbs = verb === '*' ? knownVerbs : [verb];
  if (what.startsWith('/')) return verbs.map((one) => urlAttributes(one, what));
  const [word = '', name = ''] = what.split('/');
  const types = word === '*' ? builtInTypes : [call.catalog.resolve(word)];
  const all = call.on('all-namespaces') ? ALL_NAMESPACES : call.namespace;
  const subresource = call.flag('subresource') ?? '';
  return types.flatMap(({ group, resource, namespaced }) =>
    verbs.map((one) => ({ verb: one, group, resource, subresource, namespace: namespaced ? all : '', name })),
  );
}

function object(call: Call, what: string): string {
  if (what === '*') return what;
  if (what.startsWith('/')) {
    if (!/^\/[-A-Za-z0-9._/*]*$/u.test(what)) throw refuse(what, 'is not a path of the API server');
    return what;
  }
  const slash = what.indexOf('/');
  const type = call.catalog.resolve(slash === -1 ? what : what.slice(0, slash));
  return slash === -1 ? qualifiedName(type) : `${qualifiedName(type)}/${checkName(type, what.slice(slash + 1))}`;
}

const whoami: Verb = {
  flags: { ...globalFlags, ...printing },
  means: (call) => {
    const [word] = call.parsed.args;
    if (word !== undefined) throw refuse(word, 'kubectl auth whoami takes no arguments');
    if (askCluster(call, 'selfsubjectreviews.authentication.k8s.io')) return { args: [] };
    const output = call.flag('output') ?? '';
    if (output !== '' && output !== 'json')
      throw refuse(`-o ${output}`, 'the gateway answers as a table or -o json; --in-cluster asks Kubernetes');
    return { args: [], answer: { kind: 'whoami', output: output === 'json' ? 'json' : 'table' } };
  },
};

export const authVerbs: Readonly<Record<string, Verb>> = { 'auth can-i': canI, 'auth whoami': whoami };
