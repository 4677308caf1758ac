import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import type { PolicyFile, RoleFile, RuleFile } from '../../shared/config/schema.ts';
import type { Principal } from '../../shared/identity/principal.ts';
import { decide, type Question } from '../../shared/policy/decide.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import { noPods } from '../../shared/command/pod-security/findings.ts';

/**
 * Decisions a second on one core, over 20 roles and 200 rules: for a caller who holds three of the roles through a group, and
 * for one who holds all twenty. Prints one JSON object; `node test/bench/policy.ts`.
 */
const tenant = '11111111-1111-4111-8111-111111111111';
const oid = '55555555-5555-4555-8555-555555555555';
const groups = Array.from(
  { length: 20 },
  (_none, index) => `66666666-6666-4666-8666-${String(index).padStart(12, '0')}`,
);
const resources = [
  'pods',
  'pods/log',
  'services',
  'configmaps',
  'deployments.apps',
  'statefulsets.apps',
  'jobs.batch',
  'releases.helm.sh',
];

function rule(role: number, index: number): RuleFile {
  const pick = <T>(values: readonly T[], at: number): T[] => values.filter((_value, place) => (place + at) % 3 !== 0);
  return {
    verbs: pick(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'], role + index),
    resources: index === 0 ? ['*'] : pick(resources, role + index),
    namespaces: [`team-${role}`, `stage-${role}-*`, ...(role === 19 ? ['shop'] : [])],
    ...(index % 3 === 0 && { names: ['web-*', 'api'] }),
    ...(index % 4 === 0 && { requireReason: true }),
  };
}

const roles = Object.fromEntries(
  Array.from({ length: 20 }, (_none, role): [string, RoleFile] => [
    `role-${role}`,
    {
      allow: Array.from({ length: 9 }, (_nothing, index) => rule(role, index)),
      deny: [{ resources: ['secrets'], namespaces: [`team-${role}`, 'kube-*'] }],
    },
  ]),
);
const file: PolicyFile = {
  roles,
  bindings: Object.keys(roles).map((role, index) => ({
    role,
    clusters: ['*'],
    subjects: [{ user: oid }, ...(index > 16 ? [{ group: groups[7] ?? '' }] : [])],
  })),
};
const policy = compilePolicy({ policy: file, clusters: new Map([['demo', {}]]), identity: { tenants: [tenant] } });
const everything: Principal = {
  kind: 'user',
  tid: tenant,
  oid,
  azp: 'client',
  uti: 'uti',
  roles: ['Ops', 'Viewer'],
  scopes: ['Commands.Run'],
  groups: { known: true, ids: groups },
};
const team: Principal = { ...everything, oid: '77777777-7777-4777-8777-777777777777' };
const attribute = (verb: string, resource: string, group = ''): ResourceAttributes => ({
  verb,
  group,
  resource,
  subresource: '',
  namespace: 'shop',
  name: 'web-0',
});
const commands: Readonly<Record<string, readonly ResourceAttributes[]>> = {
  get: [attribute('get', 'pods')],
  'apply of three objects': ['get', 'create', 'patch'].flatMap((verb) => [
    attribute(verb, 'deployments', 'apps'),
    attribute(verb, 'services'),
    attribute(verb, 'configmaps'),
  ]),
  'denied, after every rule was tried': [{ ...attribute('get', 'pods'), namespace: 'elsewhere' }],
};

const measure = (principal: Principal, attributes: readonly ResourceAttributes[]) => {
  const question: Question = {
    principal,
    cluster: 'demo',
    attributes,
    reason: 'INC-1',
    podSecurity: noPods,
    charts: [],
  };
  const verdict = decide(policy, question).verdict;
  for (let warm = 0; warm < 20_000; warm++) decide(policy, question);
  const count = 100_000;
  // The process's own CPU time: other work on the machine does not count.
  const start = process.cpuUsage();
  for (let index = 0; index < count; index++) decide(policy, question);
  const { user, system } = process.cpuUsage(start);
  const microseconds = (user + system) / count;
  return { verdict, microseconds: Number(microseconds.toFixed(2)), perSecond: Math.round(1e6 / microseconds) };
};

const each = (principal: Principal) =>
  Object.fromEntries(Object.entries(commands).map(([name, attributes]) => [name, measure(principal, attributes)]));
const result = {
  bench: 'policy',
  roles: 20,
  rules: 200,
  groups: 20,
  'three roles held': each(team),
  'all roles held': each(everything),
};
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
