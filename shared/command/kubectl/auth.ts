import { refuse } from '../../lib/refuse.ts';
import { qualifiedName } from '../../kubernetes/resources.ts';
import { checkName } from '../names.ts';
import { checked, globalFlags, printing, sent } from './flags.ts';
import type { Call, Verb } from './verb.ts';

const WHOSE =
  'the answer is about the identity that run command gives the command, not about what the gateway allows you';

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
  means: (call) => {
    call.warn(WHOSE);
    const kind = call.on('list') ? 'selfsubjectrulesreviews' : 'selfsubjectaccessreviews';
    call.needs.add('create', call.catalog.builtIn(`${kind}.authorization.k8s.io`));
    const { args } = call.parsed;
    if (call.on('list')) {
      if (args[0] !== undefined) throw refuse(args[0], 'stands beside --list');
      return { args: [] };
    }
    const [verb, what, surplus] = args;
    if (verb === undefined || what === undefined || surplus !== undefined) {
      throw refuse(surplus ?? 'auth can-i', 'takes a verb and a resource, TYPE/NAME or path');
    }
    if (!/^(?:[a-z]+|\*)$/u.test(verb)) throw refuse(verb, 'is not a verb of Kubernetes');
    return { args: [verb, object(call, what)] };
  },
};

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
    if (word !== undefined) throw refuse(word, 'kubectl auth whoami takes no words');
    call.needs.add('create', call.catalog.builtIn('selfsubjectreviews.authentication.k8s.io'));
    return { args: [] };
  },
};

export const authVerbs: Readonly<Record<string, Verb>> = { 'auth can-i': canI, 'auth whoami': whoami };
