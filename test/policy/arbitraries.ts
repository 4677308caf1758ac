import type {
  BindingFile,
  BlockedFile,
  PolicyFile,
  RoleFile,
  RuleFile,
  SubjectFile,
} from '../../shared/config/schema.ts';
import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import type { Question } from '../../shared/policy/decide.ts';
import { noPods } from '../../shared/command/pod-security/findings.ts';
import { fc, groupId, oid, otherTenant, principal, tenant } from './fixtures.ts';

// Small vocabularies, so that rules and attributes meet often.
const verb = fc.constantFrom(
  'get',
  'get',
  'get',
  'list',
  'list',
  'create',
  'create',
  'patch',
  'delete',
  'bind',
  'approve',
  'install',
  'run',
);
const name = fc.constantFrom('', 'web-0', 'web-0', 'web-1', 'db');
const namespace = fc.constantFrom('', '*', 'shop', 'shop', 'shop', 'stage-1', 'stage-1', 'stage-2', 'aks-command');
const kind = fc.constantFrom(
  { group: '', resource: 'pods', subresource: '' },
  { group: '', resource: 'secrets', subresource: '' },
  { group: '', resource: 'pods', subresource: '' },
  { group: '', resource: 'pods', subresource: 'exec' },
  { group: '', resource: 'pods', subresource: 'log' },
  { group: '', resource: 'secrets', subresource: '' },
  { group: '', resource: 'nodes', subresource: '' },
  { group: '', resource: 'namespaces', subresource: '' },
  { group: '', resource: 'serviceaccounts', subresource: 'token' },
  { group: '', resource: 'events', subresource: '' },
  { group: 'events.k8s.io', resource: 'events', subresource: '' },
  { group: 'apps', resource: 'deployments', subresource: '' },
  { group: 'apps', resource: 'deployments', subresource: 'scale' },
  { group: 'metrics.k8s.io', resource: 'pods', subresource: '' },
  { group: 'rbac.authorization.k8s.io', resource: 'roles', subresource: '' },
  { group: 'certificates.k8s.io', resource: 'signers', subresource: '' },
  { group: 'helm.sh', resource: 'releases', subresource: '' },
  { group: 'aksgw', resource: 'jobs', subresource: '' },
);
export const attributes = fc
  .record({ verb, name, namespace, kind })
  .map(({ kind, ...rest }): ResourceAttributes => ({ ...rest, ...kind }));

const some = <T>(...values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 4 });
const verbs = some('*', 'get', 'list', 'create', 'patch', 'delete', 'bind', 'approve', 'install', 'run');
const resources = some(
  '*',
  '*',
  '*',
  '*',
  'pods',
  '*.apps',
  '*/scale',
  '*/exec',
  'pods',
  'pods/exec',
  'pods/log',
  'secrets',
  'nodes',
  'namespaces',
  'serviceaccounts/token',
  'deployments.apps',
  'deployments.apps/scale',
  'pods.metrics.k8s.io',
  'roles.rbac.authorization.k8s.io',
  'signers.certificates.k8s.io',
  'releases.helm.sh',
  'jobs.aksgw',
);
const namespaces = some('*', '*', 'shop', '{team}', '{team}-*', 'stage-*', 'stage-1', 'aks-*', 'aks-command');
const names = some('*', 'web-*', 'web-0', 'd*b', 'db', '{team}-*', '{team}');
export const excepted = some('secrets', 'secrets', 'pods', 'pods/exec', '*/scale', '*.apps', 'nodes', 'events');
const charts = some('sha256:a', 'sha256:b');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
const rarely = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;

export const allowRule = fc
  .record({
    verbs,
    resources,
    namespaces,
    names: fc.option(names, { nil: undefined, freq: 3 }),
    except: fc.option(excepted, { nil: undefined, freq: 3 }),
    requireReason: fc.option(fc.boolean(), { nil: undefined, freq: 3 }),
    requester: rarely(fc.constant('required' as const)),
    via: rarely(fc.constantFrom<RuleFile['via'][]>({ app: oid }, { app: oid, tenant: otherTenant })),
    podSecurity: maybe(fc.constantFrom('restricted' as const, 'baseline' as const, 'privileged' as const)),
    serviceAccounts: maybe(fc.constantFrom<string[][]>(['*'], ['web'], ['web-*', 'default'], ['{team}'], ['{team}-*'])),
    charts: fc.option(charts, { nil: undefined, freq: 3 }),
  })
  .map((rule) => defined(rule) as RuleFile);
export const denyRule = fc
  .record({ verbs: maybe(verbs), resources: maybe(resources), namespaces: maybe(namespaces), names: maybe(names) })
  .map((rule) => defined(rule) as RuleFile)
  .filter((rule) => Object.keys(rule).length > 0);
const allButSecrets: RuleFile = { verbs: ['*'], resources: ['*'], except: ['secrets'], namespaces: ['*'] };
export const broad: RuleFile = { verbs: ['*'], resources: ['*'], namespaces: ['*'] };
export const role: fc.Arbitrary<RoleFile> = fc.record({
  // A broad rule now and then, or hardly anything would be allowed and half the properties would say nothing.
  allow: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: allowRule },
      { weight: 2, arbitrary: fc.constantFrom(broad, broad, allButSecrets) },
    ),
    {
      maxLength: 4,
    },
  ),
  deny: fc.oneof(
    { weight: 4, arbitrary: fc.constant<RuleFile[]>([]) },
    { weight: 1, arbitrary: fc.array(denyRule, { maxLength: 2 }) },
  ),
});

export const me: SubjectFile = { user: oid, tenant };
const subject = fc.constantFrom<SubjectFile[]>(
  me,
  me,
  me,
  me,
  me,
  me,
  me,
  { user: oid, tenant: otherTenant },
  { app: oid, tenant },
  { group: groupId, tenant },
  { appRole: 'Ops', tenant },
);
/** `view`, `edit` or `admin`, in some namespaces or in all of them. */
const builtInBinding: fc.Arbitrary<BindingFile> = fc
  .record({
    role: fc.constantFrom('view', 'edit', 'admin'),
    clusters: some('*', 'demo', 'stage'),
    namespaces: maybe(some('*', 'shop', 'stage-*', '{team}', '{team}-*')),
    team: fc.constantFrom('shop', 'stage'),
    subject,
  })
  .map(({ team, subject: one, ...binding }) => defined({ ...binding, with: { team }, subjects: [one] }) as BindingFile);
export const file: fc.Arbitrary<PolicyFile> = fc
  .record({
    roles: fc.array(role, { minLength: 1, maxLength: 3 }),
    bound: fc.array(
      fc.tuple(fc.nat(2), subject, some('*', '*', 'demo', 'd*', 'stage'), fc.constantFrom('shop', 'stage', 'web')),
      {
        minLength: 1,
        maxLength: 5,
      },
    ),
    builtIn: fc.oneof(
      { weight: 7, arbitrary: fc.constant<BindingFile[]>([]) },
      { weight: 1, arbitrary: fc.tuple(builtInBinding) },
    ),
    blocked: fc.constantFrom<BlockedFile[][]>([], [], [], [], [], [], [], [{ user: oid, tenant }]),
  })
  .map(({ roles, bound, builtIn, blocked }) => ({
    roles: Object.fromEntries(roles.map((each, index) => [`r${index}`, each])),
    bindings: [
      ...bound.map(([index, each, clusters, team]) => ({
        role: `r${index % roles.length}`,
        clusters,
        with: { team },
        subjects: [each],
      })),
      ...builtIn,
    ],
    blocked,
  }));

const who = fc.constantFrom(
  principal(),
  principal(),
  principal(),
  principal(),
  principal(),
  principal(),
  principal(),
  principal({ kind: 'app' }),
  principal({ groups: { known: true, ids: [groupId] } }),
  principal({ groups: { known: false, ids: [] } }),
  principal({ roles: ['Ops'] }),
  principal({ tid: otherTenant }),
);
export const question: fc.Arbitrary<Question> = fc.record({
  principal: who,
  cluster: fc.constantFrom('demo', 'demo', 'demo', 'demo', 'demo', 'demo', 'stage', 'elsewhere'),
  attributes: fc.array(attributes, { maxLength: 2 }),
  reason: fc.constantFrom(undefined, ' ', 'INC-1'),
  requester: fc.constantFrom(undefined, principal(), principal({ kind: 'app' })),
  caller: fc.constantFrom(undefined, principal({ kind: 'app' }), principal({ kind: 'app', tid: otherTenant })),
  podSecurity: fc.constantFrom(
    noPods,
    { ...noPods, beyondRestricted: ['no runAsNonRoot: true'] },
    { ...noPods, beyondBaseline: ['hostPath'] },
    { ...noPods, serviceAccounts: ['web'] },
    { ...noPods, beyondRestricted: ['runAsUser: 0'], serviceAccounts: ['web-1', ''] },
  ),
  charts: fc.constantFrom(
    [],
    [],
    [{ path: 'a', digest: 'sha256:a' }],
    [
      { path: 'a', digest: 'sha256:a' },
      { path: 'c', digest: 'sha256:c' },
    ],
  ),
});
