import { expect, test } from '@jest/globals';
import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import type { BlockedFile, PolicyFile, RoleFile, RuleFile, SubjectFile } from '../../shared/config/schema.ts';
import { decide, explain, type Question } from '../../shared/policy/decide.ts';
import { compile, fc, groupId, oid, otherTenant, principal, properties, tenant } from './fixtures.ts';
import { referenceVerdict } from './reference.ts';
import { NO_PODS } from '../../shared/command/pod-security/findings.ts';

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
const attributes = fc
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
const names = some('*', 'web-*', 'web-0', 'd*b', 'db');
const excepted = some('secrets', 'secrets', 'pods', 'pods/exec', '*/scale', '*.apps', 'nodes', 'events');
const charts = some('sha256:a', 'sha256:b');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;

const allowRule = fc
  .record({
    verbs,
    resources,
    namespaces,
    names: fc.option(names, { nil: undefined, freq: 1 }),
    except: fc.option(excepted, { nil: undefined, freq: 1 }),
    requireReason: fc.option(fc.boolean(), { nil: undefined, freq: 1 }),
    podSecurity: maybe(fc.constantFrom('restricted' as const, 'baseline' as const, 'privileged' as const)),
    serviceAccounts: maybe(fc.constantFrom<string[][]>(['*'], ['web'], ['web-*', 'default'])),
    charts: fc.option(charts, { nil: undefined, freq: 1 }),
  })
  .map((rule) => defined(rule) as RuleFile);
const denyRule = fc
  .record({ verbs: maybe(verbs), resources: maybe(resources), namespaces: maybe(namespaces), names: maybe(names) })
  .map((rule) => defined(rule) as RuleFile)
  .filter((rule) => Object.keys(rule).length > 0);
const allButSecrets: RuleFile = { verbs: ['*'], resources: ['*'], except: ['secrets'], namespaces: ['*'] };
const broad: RuleFile = { verbs: ['*'], resources: ['*'], namespaces: ['*'] };
const role: fc.Arbitrary<RoleFile> = fc.record({
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

const me: SubjectFile = { user: oid, tenant };
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
const file: fc.Arbitrary<PolicyFile> = fc
  .record({
    roles: fc.array(role, { minLength: 1, maxLength: 3 }),
    bound: fc.array(
      fc.tuple(fc.nat(2), subject, some('*', '*', 'demo', 'd*', 'stage'), fc.constantFrom('shop', 'stage')),
      {
        minLength: 1,
        maxLength: 5,
      },
    ),
    blocked: fc.constantFrom<BlockedFile[][]>([], [], [], [], [], [], [], [{ user: oid, tenant }]),
  })
  .map(({ roles, bound, blocked }) => ({
    roles: Object.fromEntries(roles.map((each, index) => [`r${index}`, each])),
    bindings: bound.map(([index, each, clusters, team]) => ({
      role: `r${index % roles.length}`,
      clusters,
      with: { team },
      subjects: [each],
    })),
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
const asked: fc.Arbitrary<Question> = fc.record({
  principal: who,
  cluster: fc.constantFrom('demo', 'demo', 'demo', 'demo', 'demo', 'demo', 'stage', 'elsewhere'),
  attributes: fc.array(attributes, { maxLength: 2 }),
  reason: fc.constantFrom(undefined, ' ', 'INC-1'),
  podSecurity: fc.constantFrom(
    NO_PODS,
    { ...NO_PODS, beyondRestricted: ['no runAsNonRoot: true'] },
    { ...NO_PODS, beyondBaseline: ['hostPath'] },
    { ...NO_PODS, serviceAccounts: ['web'] },
    { ...NO_PODS, beyondRestricted: ['runAsUser: 0'], serviceAccounts: ['web-1', ''] },
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

const make = (policy: PolicyFile) => compile(policy, ['demo', 'stage'], [tenant, otherTenant]);
const verdict = (policy: PolicyFile, question: Question) => decide(make(policy), question).verdict;

test('the decision is that of a reference written straight from the specification', () => {
  // Of those with something to decide.
  let allowed = 0;
  let total = 0;
  fc.assert(
    fc.property(file, asked, (policy, question) => {
      const expected = referenceVerdict(policy, question);
      total++;
      if (expected === 'allow' && question.attributes.length > 0) allowed++;
      expect(decide(make(policy), question).verdict).toBe(expected);
    }),
    { ...properties, numRuns: properties.numRuns * 3 },
  );
  // The comparison says something only if both answers come up.
  expect(allowed / total).toBeGreaterThan(0.04);
  expect(allowed / total).toBeLessThan(0.5);
});

test('adding an allow never denies', () => {
  fc.assert(
    fc.property(file, asked, allowRule, fc.nat(2), (policy, question, rule, index) => {
      if (verdict(policy, question) !== 'allow') return;
      const [key = ''] = Object.keys(policy.roles).slice(index % Object.keys(policy.roles).length);
      const changed = { ...policy.roles[key], allow: [rule, ...(policy.roles[key]?.allow ?? [])] };
      expect(verdict({ ...policy, roles: { ...policy.roles, [key]: changed } }, question)).toBe('allow');
    }),
    properties,
  );
});

test('adding an exception never allows, and takes nothing but its resources', () => {
  fc.assert(
    fc.property(file, asked, excepted, (policy, question, except) => {
      const narrow = (rule: RuleFile): RuleFile => ({ ...rule, except: [...(rule.except ?? []), ...except] });
      const roles = Object.fromEntries(
        Object.entries(policy.roles).map(([key, each]) => [key, { ...each, allow: (each.allow ?? []).map(narrow) }]),
      );
      const narrowed = verdict({ ...policy, roles }, question);
      if (verdict(policy, question) === 'deny') expect(narrowed).toBe('deny');
      const denied = { deny: [{ resources: except }] };
      const bindings = [
        ...policy.bindings,
        {
          role: 'denied',
          clusters: ['*'],
          subjects: [
            { user: oid, tenant },
            { app: oid, tenant },
          ],
        },
      ];
      // Where an exception of every rule takes a command away, a deny of the same would as well.
      if (narrowed !== verdict(policy, question) && question.principal.tid === tenant)
        expect(verdict({ ...policy, bindings, roles: { ...policy.roles, denied } }, question)).toBe('deny');
    }),
    properties,
  );
});

test('adding a deny never allows', () => {
  fc.assert(
    fc.property(file, asked, denyRule, fc.nat(2), (policy, question, rule, index) => {
      if (verdict(policy, question) !== 'deny') return;
      const [key = ''] = Object.keys(policy.roles).slice(index % Object.keys(policy.roles).length);
      const changed = { ...policy.roles[key], deny: [...(policy.roles[key]?.deny ?? []), rule] };
      expect(verdict({ ...policy, roles: { ...policy.roles, [key]: changed } }, question)).toBe('deny');
    }),
    properties,
  );
});

test('asking for less never loses an allow', () => {
  // One name instead of all, one namespace instead of all, one attribute fewer. aks-command is not part of "all" (its pods hold the commands and tokens of others).
  const narrower = (asked: ResourceAttributes, pick: number): ResourceAttributes =>
    pick === 0
      ? { ...asked, name: asked.name || 'web-0' }
      : { ...asked, namespace: asked.namespace === '*' ? 'stage-1' : asked.namespace };
  fc.assert(
    fc.property(file, asked, fc.nat(2), fc.nat(2), (policy, question, index, pick) => {
      if (verdict(policy, question) !== 'allow' || question.attributes.length === 0) return;
      const at = index % question.attributes.length;
      const fewer = question.attributes.flatMap((each, place) =>
        place !== at ? [each] : pick === 2 ? [] : [narrower(each, pick)],
      );
      expect(verdict(policy, { ...question, attributes: fewer })).toBe('allow');
    }),
    properties,
  );
});

test('the order of rules, roles, bindings and attributes never matters', () => {
  fc.assert(
    fc.property(file, asked, (policy, question) => {
      const turned = (each: RoleFile): RoleFile => ({
        allow: each.allow?.toReversed() ?? [],
        deny: each.deny?.toReversed() ?? [],
      });
      const roles = Object.fromEntries(
        Object.entries(policy.roles)
          .map(([key, each]) => [key, turned(each)] as const)
          .toReversed(),
      );
      const other = { ...policy, roles, bindings: policy.bindings.toReversed() };
      expect(verdict(other, { ...question, attributes: question.attributes.toReversed() })).toBe(
        verdict(policy, question),
      );
    }),
    properties,
  );
});

test('explain agrees with the decision: allowed exactly when every attribute is', () => {
  fc.assert(
    fc.property(file, asked, (policy, question) => {
      fc.pre(question.attributes.length > 0);
      const { decision, attributes } = explain(make(policy), question);
      expect(decision).toEqual(decide(make(policy), question));
      expect(attributes.every((each) => each.verdict === 'allow')).toBe(decision.verdict === 'allow');
    }),
    properties,
  );
});
