import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { clusterRoles } from '../../shared/kubernetes/cluster-roles.ts';
import type { BindingFile, PolicyFile, RoleFile, RuleFile, SubjectFile } from '../../shared/config/schema.ts';
import type { Principal } from '../../shared/identity/principal.ts';
import type { Question } from '../../shared/policy/decide.ts';

/**
 * The specification's "Matching" and "Who is bound" once more, sentence by sentence, without index, cache or shared helper: what
 * the real thing is held against. Slow on purpose; shares no code with shared/policy, only what the API server's roles were recorded as.
 */
export function referenceVerdict(policy: PolicyFile, question: Question): 'allow' | 'deny' {
  const { principal, cluster } = question;
  if (!['demo', 'stage'].includes(cluster)) return 'deny';
  if (
    (policy.blocked ?? []).some(
      (entry) => entry.tenant === principal.tid && Object.values(entry).includes(principal.oid),
    )
  )
    return 'deny';
  const here = policy.bindings.filter((binding) => binding.clusters.some((pattern) => glob(pattern, cluster)));
  const groupHere = here.some(
    (binding) =>
      (policy.roles[binding.role]?.deny ?? []).length > 0 &&
      binding.subjects.some((subject) => 'group' in subject && subject.tenant === principal.tid),
  );
  if (!principal.groups.known && groupHere) return 'deny';
  const roles = here
    .filter((binding) => binding.subjects.some((subject) => is(subject, principal)))
    .map((binding) =>
      Object.entries(binding.with ?? {}).reduce(
        (text, [name, value]) => text.replaceAll(`{${name}}`, value),
        JSON.stringify(policy.roles[binding.role] ?? asKubernetesHasIt(binding)),
      ),
    )
    .map((text) => JSON.parse(text) as RoleFile);
  if (roles.length === 0) return 'deny';
  // A binding is not a permission: what asks nothing of a resource takes some rule about resources.
  if (!roles.some((role) => role?.allow?.some((rule) => !rule.nonResourceURLs))) return 'deny';
  for (const asked of question.attributes) {
    if (roles.some((role) => role?.deny?.some((rule) => touches(rule, asked)))) return 'deny';
    if (!roles.some((role) => role?.allow?.some((rule) => holds(rule, asked, question)))) return 'deny';
  }
  return 'allow';
}

/** "`view`, `edit` and `admin` … mean what Kubernetes' ClusterRoles of these names grant", in the namespaces of the binding. */
function asKubernetesHasIt({ role, namespaces = ['*'] }: BindingFile): RoleFile {
  const rules = clusterRoles[role as keyof typeof clusterRoles].map(({ groups, resources, verbs }) => ({
    verbs: [...verbs],
    namespaces,
    serviceAccounts: role === 'view' ? ['default'] : ['*'],
    resources: groups.flatMap((group) =>
      resources.map((text) => (group === '' ? text : text.replace(/^[^/]+/, (plural) => `${plural}.${group}`))),
    ),
  }));
  return { allow: rules };
}

const glob = (pattern: string, text: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.\\/-]/g, '\\$&'))
      .join('.*')}$`,
  ).test(text);

function is(subject: SubjectFile, principal: Principal): boolean {
  if ('job' in subject || subject.tenant !== principal.tid) return false;
  if ('user' in subject) return principal.kind === 'user' && subject.user === principal.oid;
  if ('app' in subject) return principal.kind === 'app' && subject.app === principal.oid;
  if ('appRole' in subject) return principal.roles.includes(subject.appRole);
  return principal.groups.ids.includes(subject.group);
}

const spell = ({ resource, group }: ResourceAttributes): string => (group ? `${resource}.${group}` : resource);
const isRead = (verb: string): boolean => ['get', 'list', 'watch'].includes(verb);

/** "Never granted by `*`, only by name". */
function onlyByName(asked: ResourceAttributes): boolean {
  const full = `${spell(asked)}${asked.subresource && `/${asked.subresource}`}`;
  if (asked.group === 'aksgw') return true;
  if (
    ['serviceaccounts/token', 'pods/exec', 'pods/attach', 'pods/portforward', 'pods/ephemeralcontainers'].includes(full)
  )
    return true;
  if (full === 'certificatesigningrequests.certificates.k8s.io/approval' || full === 'signers.certificates.k8s.io')
    return true;
  if (asked.group === 'rbac.authorization.k8s.io' && !isRead(asked.verb)) return true;
  return full === 'nodes' && !isRead(asked.verb);
}

function holds(rule: RuleFile, asked: ResourceAttributes, question: Question): boolean {
  const { reason, podSecurity, charts, requester, principal, caller = principal } = question;
  const { verbs = [], resources = [], namespaces = [], names = ['*'] } = rule;
  const star = ['bind', 'run'].includes(asked.verb) ? false : verbs.includes('*');
  if (!star && !verbs.includes(asked.verb)) return false;
  const byName = `${spell(asked)}${asked.subresource && `/${asked.subresource}`}`;
  const wide = ['*', asked.group && `*.${asked.group}`, asked.subresource && `*/${asked.subresource}`];
  if (
    !resources.includes(byName) &&
    (onlyByName(asked) || !wide.some((text) => text !== '' && resources.includes(text)))
  )
    return false;
  if (rule.except && touches({ resources: rule.except }, asked)) return false;
  const itself = spell(asked) === 'namespaces' && asked.namespace === '' && !isRead(asked.verb);
  if (asked.namespace === 'aks-command') {
    if (!namespaces.includes('aks-command')) return false;
  } else if (itself && ['', 'aks-command'].includes(asked.name)) {
    if (!namespaces.includes('aks-command') || !namespaces.includes('*')) return false;
  } else if (asked.namespace === '' || asked.namespace === '*') {
    if (!namespaces.includes('*')) return false;
  } else if (!namespaces.some((pattern) => glob(pattern, asked.namespace))) return false;
  if (
    spell(asked) === 'jobs.aksgw' &&
    asked.verb === 'run' &&
    !names.some((name) => name !== '*' && glob(name, asked.name))
  )
    return false;
  if (asked.name === '' ? !names.includes('*') : !names.some((pattern) => glob(pattern, asked.name))) return false;
  if (rule.requireReason && (reason ?? '').trim() === '') return false;
  if (rule.requester && requester?.kind !== 'user') return false;
  const { via } = rule;
  if (via && !(caller.kind === 'app' && caller.oid === via.app && [undefined, caller.tid].includes(via.tenant)))
    return false;
  const brings = !['get', 'list', 'watch', 'delete'].includes(asked.verb);
  const level = rule.podSecurity ?? 'baseline';
  if (brings && level !== 'privileged' && podSecurity.beyondBaseline.length > 0) return false;
  if (brings && level === 'restricted' && podSecurity.beyondRestricted.length > 0) return false;
  const accounts = rule.serviceAccounts ?? (level === 'privileged' ? ['*'] : ['default']);
  const mayName = (account: string): boolean =>
    accounts.includes('*') || (account !== '' && accounts.some((pattern) => glob(pattern, account)));
  if (brings && !podSecurity.serviceAccounts.every(mayName)) return false;
  const unlisted = charts.some(({ digest }) => !rule.charts?.includes(digest));
  return !rule.charts || !(unlisted || (charts.length === 0 && asked.verb === 'install'));
}

/** Events are served in two groups, and are the same objects. */
function touches(rule: RuleFile, asked: ResourceAttributes): boolean {
  const events = asked.resource === 'events' && ['', 'events.k8s.io'].includes(asked.group);
  return (events ? ['', 'events.k8s.io'] : [asked.group]).some((group) => touchesAsIs(rule, { ...asked, group }));
}

function touchesAsIs(rule: RuleFile, asked: ResourceAttributes): boolean {
  const { verbs = ['*'], resources = ['*'], namespaces = ['*'], names = ['*'] } = rule;
  if (!verbs.includes('*') && !verbs.includes(asked.verb)) return false;
  const ways = ['*', spell(asked), asked.group && `*.${asked.group}`];
  if (asked.subresource) ways.push(`${spell(asked)}/${asked.subresource}`, `*/${asked.subresource}`);
  if (!ways.some((text) => text !== '' && resources.includes(text))) return false;
  const where =
    namespaces.includes('*') ||
    asked.namespace === '*' ||
    (asked.namespace !== '' && namespaces.some((pattern) => glob(pattern, asked.namespace))) ||
    // A change to a Namespace object is a change to all that is in it.
    (spell(asked) === 'namespaces' &&
      asked.namespace === '' &&
      !isRead(asked.verb) &&
      (asked.name === '' || namespaces.some((pattern) => glob(pattern, asked.name))));
  return where && (asked.name === '' || names.some((pattern) => glob(pattern, asked.name)));
}
