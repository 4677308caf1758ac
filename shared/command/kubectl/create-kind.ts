import { rewriteEnvFile } from '../env-file.ts';
import { notUploaded } from '../files.ts';
import type { PodSecurity } from '../invocation.ts';
import { checkName } from '../names.ts';
import { canonicalPath } from '../paths.ts';
import { createFindings, podSecurityOf } from '../pod-security/findings.ts';
import { judgeObject } from '../pod-security/pod-security.ts';
import { refuse } from '../../lib/refuse.ts';
import { groupName, qualifiedName } from '../../kubernetes/resources.ts';
import type { FlagTable } from './verb.ts';
import { dryRun, fieldManager, globalFlags, printing, printsObject, rewritten, sent } from './flags.ts';
import { needsOfBinding } from './objects.ts';
import { isSecret, needsOfSecret } from './secrets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

/** `kubectl create KIND NAME`: one object, built by kubectl from flags. */
interface Kind {
  readonly type: string;
  readonly flags: FlagTable;
  /** What the object needs beyond `create`. */
  readonly also?: (call: Call, name: string) => Partial<Meaning> | undefined;
  /** Words after the name are the container's command. */
  readonly command?: boolean;
  /** The flags hold secrets. */
  readonly secret?: boolean;
}

const common: FlagTable = {
  ...globalFlags,
  ...printing,
  ...dryRun,
  ...fieldManager,
  'save-config': sent,
  validate: sent,
};

function createKind({ type, flags, also, command, secret }: Kind): Verb {
  return {
    flags: { ...common, ...flags },
    means: (call) => {
      const [word, ...rest] = call.parsed.args;
      const verb = call.parsed.path.join(' ');
      if (word === undefined || call.parsed.dash === 0) throw refuse(verb, 'needs a name');
      if (rest[0] !== undefined && command !== true) throw refuse(rest[0], `kubectl ${verb} takes one name`);
      const resource = call.catalog.builtIn(type);
      const name = checkName(resource, word);
      // With --append-hash kubectl makes up the end of the name.
      const place = { name: call.on('append-hash') ? '' : name, namespace: call.namespace };
      call.needs.add('create', resource, place);
      if (printsObject(call)) call.needs.add('get', resource, place);
      if (isSecret(resource)) needsOfSecret(call, place, { type: call.flag('type') ?? null });
      const podSecurity = command === true ? plainPod(call) : undefined;
      const meaning = also?.(call, name);
      return { args: [name], tail: rest.length > 0 ? rest : undefined, podSecurity, secret, ...meaning };
    },
  };
}

/** The pods of a workload that kubectl makes: nothing is said of their rights. */
function plainPod(call: Call): PodSecurity {
  const pod = createFindings();
  judgeObject(pod, call.catalog.builtIn('pods'), { spec: { containers: [{}] } });
  return podSecurityOf(pod);
}

/** Pods of a template that is in the cluster, by a caller who need only read it: any account, any rights on the node. */
const unseenTemplate: PodSecurity = {
  beyondBaseline: ['a template of the cluster that nobody judged here'],
  beyondRestricted: [],
  serviceAccounts: [''],
};

/** --from-file takes a path, `key=path`, or a folder; kubectl reads the files right below a folder. */
const fromFile = rewritten((value, { uploads }) => {
  const equals = value.indexOf('=');
  const path = value.slice(equals + 1);
  if (equals !== -1 || uploads.get(path) !== undefined) return value.slice(0, equals + 1) + uploads.use(path).path;
  const files = uploads.filesIn(path);
  if (files.length === 0) throw notUploaded(path);
  for (const file of files) uploads.use(file);
  return canonicalPath(path) || '.';
});

const fromEnvFile = rewritten((value, { uploads }) => {
  const { path, bytes } = uploads.find(value);
  return uploads.use(path, rewriteEnvFile(path, bytes)).path;
});

/** A flag whose value is the path of an uploaded file. */
const upload = rewritten((value, { uploads }) => uploads.use(value).path);

const data: FlagTable = {
  'append-hash': sent,
  'from-env-file': fromEnvFile,
  'from-file': fromFile,
  'from-literal': sent,
};
const rules: FlagTable = { resource: sent, 'resource-name': sent, verb: sent };
const subjects: FlagTable = { clusterrole: sent, group: sent, serviceaccount: sent, user: sent };
const ports: FlagTable = { tcp: sent };

const escalate =
  (type: string) =>
  (call: Call, name: string): undefined => {
    call.needs.add('escalate', call.catalog.builtIn(type), { name, namespace: call.namespace });
  };

function bind(call: Call, namespace: string): undefined {
  const clusterRole = call.flag('clusterrole') ?? '';
  const role = call.flag('role') ?? '';
  if ((clusterRole === '') === (role === '')) {
    throw refuse(call.parsed.path.join(' '), 'needs a role: --clusterrole or, for a role binding, --role');
  }
  needsOfBinding(call, role === '' ? 'clusterroles' : 'roles', role === '' ? clusterRole : role, namespace);
}

/** `--from=cronjob/NAME`. */
function fromCronJob(call: Call): Partial<Meaning> | undefined {
  const from = call.flag('from') ?? '';
  if (from === '') return undefined;
  const slash = from.indexOf('/');
  const type = call.catalog.resolve(slash === -1 ? from : from.slice(0, slash));
  if (slash === -1 || groupName(type) !== 'cronjobs.batch') throw refuse(`--from=${from}`, 'is not cronjob/NAME');
  const name = checkName(type, from.slice(slash + 1));
  call.needs.add('get', type, { name, namespace: call.namespace });
  return { flags: { from: [`${qualifiedName(type)}/${name}`] }, podSecurity: unseenTemplate };
}

const kinds: Readonly<Record<string, Kind>> = {
  clusterrole: {
    type: 'clusterroles.rbac.authorization.k8s.io',
    flags: { ...rules, 'aggregation-rule': sent, 'non-resource-url': sent },
    also: escalate('clusterroles.rbac.authorization.k8s.io'),
  },
  clusterrolebinding: {
    type: 'clusterrolebindings.rbac.authorization.k8s.io',
    flags: subjects,
    also: (call) => bind(call, ''),
  },
  configmap: { type: 'configmaps', flags: data },
  cronjob: { type: 'cronjobs.batch', flags: { image: sent, restart: sent, schedule: sent }, command: true },
  deployment: { type: 'deployments.apps', flags: { image: sent, port: sent, replicas: sent }, command: true },
  ingress: {
    type: 'ingresses.networking.k8s.io',
    flags: { annotation: sent, class: sent, 'default-backend': sent, rule: sent },
  },
  job: { type: 'jobs.batch', flags: { from: sent, image: sent }, also: fromCronJob, command: true },
  namespace: { type: 'namespaces', flags: {} },
  poddisruptionbudget: {
    type: 'poddisruptionbudgets.policy',
    flags: { 'max-unavailable': sent, 'min-available': sent, selector: sent },
  },
  priorityclass: {
    type: 'priorityclasses.scheduling.k8s.io',
    flags: { description: sent, 'global-default': sent, 'preemption-policy': sent, value: sent },
  },
  quota: { type: 'resourcequotas', flags: { hard: sent, scopes: sent } },
  role: {
    type: 'roles.rbac.authorization.k8s.io',
    flags: rules,
    also: escalate('roles.rbac.authorization.k8s.io'),
  },
  rolebinding: {
    type: 'rolebindings.rbac.authorization.k8s.io',
    flags: { ...subjects, role: sent },
    also: (call) => bind(call, call.namespace),
  },
  'secret docker-registry': {
    type: 'secrets',
    flags: {
      'append-hash': sent,
      'docker-email': sent,
      'docker-password': sent,
      'docker-server': sent,
      'docker-username': sent,
      'from-file': fromFile,
    },
    secret: true,
  },
  'secret generic': { type: 'secrets', flags: { ...data, type: sent }, secret: true, also: tokenSecret },
  'secret tls': { type: 'secrets', flags: { 'append-hash': sent, cert: upload, key: upload }, secret: true },
  'service clusterip': { type: 'services', flags: { ...ports, clusterip: sent } },
  'service externalname': { type: 'services', flags: { ...ports, 'external-name': sent } },
  'service loadbalancer': { type: 'services', flags: ports },
  'service nodeport': { type: 'services', flags: { ...ports, 'node-port': sent } },
  serviceaccount: { type: 'serviceaccounts', flags: {} },
};

/** Without the annotation that names an account the API server refuses it; the manifest form is judged in objects.ts. */
function tokenSecret(call: Call): undefined {
  if (call.flag('type') === 'kubernetes.io/service-account-token') {
    throw refuse(
      '--type=kubernetes.io/service-account-token',
      'needs an annotation that names the account; use kubectl create token',
    );
  }
}

const token: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    audience: sent,
    'bound-object-kind': sent,
    'bound-object-name': sent,
    'bound-object-uid': sent,
    duration: sent,
  },
  means: (call) => {
    const [word, surplus] = call.parsed.args;
    if (word === undefined) throw refuse('create token', 'needs the name of a service account');
    if (surplus !== undefined) throw refuse(surplus, 'kubectl create token takes one name');
    const accounts = call.catalog.builtIn('serviceaccounts');
    const name = checkName(accounts, word);
    call.needs.add('create', accounts, { name, namespace: call.namespace, subresource: 'token' });
    return { args: [name] };
  },
};

export const createVerbs: Readonly<Record<string, Verb>> = {
  ...Object.fromEntries(
    Object.entries(kinds).map(([kind, description]) => [`create ${kind}`, createKind(description)]),
  ),
  'create token': token,
};
