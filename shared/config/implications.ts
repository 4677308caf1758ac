import { isBuiltInRole, roleOf } from './built-in-roles.ts';
import type { Cluster } from './config.ts';
import { compileGlob } from './glob.ts';
import { parseResourcePattern } from '../kubernetes/resource-pattern.ts';
import type { Report } from './problem.ts';
import type { PolicyFile, RuleFile } from './schema.ts';

/**
 * Tells what a role lets its holders do beyond what it says (policy/README.md; the
 * Kubernetes page "RBAC good practices", privilege escalation risks). Warnings, since an operator may well mean it.
 */
export function warnOfImplications(policy: PolicyFile, clusters: ReadonlyMap<string, Cluster>, report: Report): void {
  for (const [role, { allow = [] }] of Object.entries(policy.roles)) {
    const bound = clustersOf(role, policy, clusters);
    allow.forEach((rule, index) => {
      for (const message of implications(rule, bound))
        report.warning(['policy', 'roles', role, 'allow', index], message);
    });
  }
  policy.bindings.forEach((binding, index) => {
    if (!isBuiltInRole(binding.role)) return;
    const bound = boundClusters(binding.clusters, clusters);
    const messages = (roleOf(binding, policy.roles)?.allow ?? []).flatMap((rule) => implications(rule, bound));
    for (const message of new Set(messages)) report.warning(['policy', 'bindings', index, 'role'], message);
  });
}

const workloads = [
  'pods',
  'deployments.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'replicasets.apps',
  'replicationcontrollers',
  'jobs.batch',
  'cronjobs.batch',
];
const rbac = ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map(
  (resource) => `${resource}.rbac.authorization.k8s.io`,
);

function implications(rule: RuleFile, clusters: readonly Cluster[]): readonly string[] {
  const { verbs = [], resources = [], except = [], namespaces = [], podSecurity, serviceAccounts = [] } = rule;
  const may = (...wanted: readonly string[]): boolean =>
    verbs.includes('*') || wanted.some((verb) => verbs.includes(verb));
  const on = (...names: readonly string[]): boolean =>
    names.some((name) => !except.some((text) => covers(text, name)) && resources.some((text) => covers(text, name)));
  const named = (...names: readonly string[]): boolean => names.some((name) => resources.includes(name));
  const where = namespaces.includes('*') ? 'any namespace' : `namespace ${namespaces.join(', ')}`;
  const messages: string[] = [];
  if (resources.length > 0 && verbs.includes('*')) {
    messages.push('verbs: ["*"] takes in verbs that later versions add: name the ones that are needed');
  }
  if (may('create', 'update', 'patch') && on(...workloads)) {
    messages.push(`who may change workloads in ${where} can read every secret there: a pod can mount them`);
  }
  if (serviceAccounts.some((name) => name !== 'default')) {
    messages.push(`who may run pods as service accounts (${serviceAccounts.join(', ')}) in ${where} has their rights`);
  }
  if (may('install', 'upgrade', 'rollback') && on('releases.helm.sh')) {
    const open = clusters
      .filter((cluster) => !cluster.impersonate && cluster.runAs === 'gateway')
      .map(({ name }) => name);
    const wider =
      open.length === 0
        ? ''
        : `, and cluster-admin on ${open.join(', ')} if managed Entra integration is off there (neither impersonate nor runAs: caller is set)`;
    messages.push(`a chart can hold anything: helm ${verbs.join(', ')} makes admin of ${where}${wider}`);
  }
  if (podSecurity === 'privileged') {
    messages.push(`podSecurity: privileged makes root on the nodes, and so of everything on them`);
  }
  if (may('create') && named('pods/exec', 'pods/attach')) {
    messages.push(`exec in ${where} reads whatever the pods can read, their secrets and tokens included`);
  }
  if (may('create') && named('serviceaccounts/token')) {
    messages.push(`tokens of service accounts in ${where} work outside the gateway, where nothing is recorded`);
  }
  if (may('create', 'update', 'patch') && named(...rbac) && ['bind', 'escalate'].some((verb) => verbs.includes(verb))) {
    messages.push(`who may write RBAC objects and bind or escalate can give themselves any right`);
  }
  return messages;
}

/** Whether a rule's spelling takes in a built-in resource itself. */
function covers(text: string, name: string): boolean {
  const rule = parseResourcePattern(text);
  const asked = parseResourcePattern(name);
  if (!rule || !asked) return false;
  if (rule.resource === '*') return rule.subresource === '*' && (rule.group === '*' || rule.group === asked.group);
  return text === name;
}

function clustersOf(role: string, policy: PolicyFile, clusters: ReadonlyMap<string, Cluster>): readonly Cluster[] {
  const globs = policy.bindings.filter((binding) => binding.role === role).flatMap((binding) => binding.clusters);
  return boundClusters(globs, clusters);
}

function boundClusters(globs: readonly string[], clusters: ReadonlyMap<string, Cluster>): readonly Cluster[] {
  const matchers = globs.map(compileGlob);
  return [...clusters.values()].filter(({ name }) => matchers.some((glob) => glob.matches(name)));
}
