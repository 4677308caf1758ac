import { checkName } from '../names.ts';
import { noPods } from '../pod-security/findings.ts';
import { runsPods } from '../pod-security/pod-security.ts';
import { refuse } from '../../lib/refuse.ts';
import { groupName, qualifiedName, type ResourceType } from '../../kubernetes/resources.ts';
import type { FlagTable } from './verb.ts';
import { dryRun, fieldManager, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { splitPairs } from './label.ts';
import { needsOfChange } from './objects.ts';
import { needTargets, readTargets, type Targets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

const common: FlagTable = {
  ...globalFlags,
  ...printing,
  ...fileInput,
  ...dryRun,
  ...fieldManager,
  all: sent,
  local: refused(LOCAL),
};
const selectable: FlagTable = { ...common, selector: sent };

const typesOf = (targets: Targets): readonly ResourceType[] =>
  targets.kind === 'named' ? targets.items.map(({ type }) => type) : targets.types;

/** Reads targets that the verb changes by a patch. */
function change(call: Call, args: readonly string[], suits: (type: ResourceType) => boolean): Targets {
  const targets = readTargets(call, { query: 'flags', args });
  for (const type of typesOf(targets)) {
    if (!suits(type)) throw refuse(type.resource, `cannot be changed by kubectl ${call.parsed.path.join(' ')}`);
  }
  needTargets(call, targets, { named: ['get', 'patch'], query: ['list', 'patch'] });
  return targets;
}

const image: Verb = {
  flags: selectable,
  means: (call) => {
    const { before, pairs } = splitPairs(call.parsed.args, (word) => word.includes('='));
    if (pairs.length === 0) throw refuse('set image', 'needs CONTAINER=IMAGE');
    for (const pair of pairs) {
      if (!/^(?:\*|[a-z0-9][-a-z0-9]*)=[^\s]+$/u.test(pair)) throw refuse(pair, 'is not CONTAINER=IMAGE');
    }
    const targets = change(call, before, runsPods);
    return { ...targets.sent, args: [...targets.sent.args, ...pairs] };
  },
};

const resources: Verb = {
  flags: { ...selectable, containers: sent, limits: sent, requests: sent },
  means: (call) => change(call, call.parsed.args, runsPods).sent,
};

const serviceaccount: Verb = {
  flags: common,
  means: (call) => {
    const { args } = call.parsed;
    const account = args.at(-1);
    if (account === undefined) throw refuse('set serviceaccount', 'needs the name of a service account');
    const name = checkName(call.catalog.builtIn('serviceaccounts'), account);
    const targets = change(call, args.slice(0, -1), runsPods);
    return {
      ...targets.sent,
      args: [...targets.sent.args, name],
      podSecurity: { ...noPods, serviceAccounts: name === 'default' ? [] : [name] },
    };
  },
};

// An environment variable's name as kubectl takes it; values may be any text.
const envPattern = /^[A-Za-z_.][-A-Za-z0-9_.]*(?:=[^]*|-)$/u;

const env: Verb = {
  flags: {
    ...selectable,
    containers: sent,
    env: sent,
    from: sent,
    keys: sent,
    list: sent,
    overwrite: sent,
    prefix: sent,
    resolve: sent,
  },
  means: (call) => {
    const isPair = (word: string): boolean => word.includes('=') || word.endsWith('-');
    const { before, pairs } = splitPairs(call.parsed.args, isPair);
    for (const pair of [...pairs, ...call.flags('env')]) {
      if (!envPattern.test(pair)) throw refuse(pair.split('=', 1)[0] ?? '', 'is not NAME=VALUE or NAME-');
    }
    const reads = call.on('list');
    if (call.flags('filename').length > 0 && (reads || call.on('resolve') || (call.flag('from') ?? '') !== '')) {
      // kubectl looks for secrets and config maps in its own default namespace, not in that of the object in the file.
      throw refuse('-f', 'name the object: TYPE/NAME');
    }
    const targets = readTargets(call, { query: 'flags', args: before });
    needTargets(
      call,
      targets,
      reads ? { named: ['get'], query: ['list'] } : { named: ['get', 'patch'], query: ['list', 'patch'] },
    );
    // It prints the values behind the references; --list alone prints the references.
    if (call.on('resolve')) {
      for (const kind of ['secrets', 'configmaps']) {
        call.needs.add('get', call.catalog.builtIn(kind), { namespace: call.namespace });
      }
    }
    const from = readSource(call);
    return {
      ...targets.sent,
      args: [...targets.sent.args, ...pairs],
      flags: { ...targets.sent.flags, ...(from === undefined ? {} : { from: [from] }) },
      secret: pairs.length > 0 || call.flags('env').length > 0,
    };
  },
};

/** `--from=secret/NAME` or `configmap/NAME`. */
function readSource(call: Call): string | undefined {
  const from = call.flag('from') ?? '';
  if (from === '') return undefined;
  const slash = from.indexOf('/');
  const type = call.catalog.resolve(slash === -1 ? from : from.slice(0, slash));
  if (slash === -1 || (groupName(type) !== 'secrets' && groupName(type) !== 'configmaps')) {
    throw refuse(`--from=${from}`, 'is not secret/NAME or configmap/NAME');
  }
  const name = checkName(type, from.slice(slash + 1));
  call.needs.add('get', type, { name, namespace: call.namespace });
  return `${qualifiedName(type)}/${name}`;
}

const selector: Verb = {
  flags: { ...common, 'resource-version': sent },
  means: (call) => {
    const { args } = call.parsed;
    const expression = args.at(-1);
    if (expression === undefined || !/^[A-Za-z0-9][-A-Za-z0-9_.=/,!() ]*$/u.test(expression)) {
      throw refuse(expression ?? 'set selector', 'is not a selector such as app=web');
    }
    const targets = change(call, args.slice(0, -1), (type) => groupName(type) === 'services');
    return { ...targets.sent, args: [...targets.sent.args, expression] };
  },
};

const isBinding = (type: ResourceType): boolean => type.kind === 'RoleBinding' || type.kind === 'ClusterRoleBinding';

const subject: Verb = {
  flags: { ...selectable, group: sent, serviceaccount: sent, user: sent },
  means: (call) => {
    const targets = change(call, call.parsed.args, isBinding);
    if (targets.kind === 'named') {
      for (const target of targets.items) needsOfChange(call, target, []);
    } else {
      for (const type of targets.types) needsOfChange(call, { type, namespace: targets.namespace, name: '' }, []);
    }
    return targets.sent;
  },
};

export const setVerbs: Readonly<Record<string, Verb>> = {
  'set env': env,
  'set image': image,
  'set resources': resources,
  'set selector': selector,
  'set serviceaccount': serviceaccount,
  'set subject': subject,
};
