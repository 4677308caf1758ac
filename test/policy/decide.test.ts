import { describe, expect, test } from '@jest/globals';
import type { PolicyFile, RoleFile, RuleFile } from '../../shared/config/schema.ts';
import { decide, decideNonResource, explain, visibleClusters } from '../../shared/policy/decide.ts';
import { isBlocked } from '../../shared/policy/policy.ts';
import { ask, compile, groupId, oid, otherTenant, principal, question, tenant, withRoles } from './fixtures.ts';
import { urlAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { noPods } from '../../shared/command/pod-security/findings.ts';

const all: RuleFile = { verbs: ['*'], resources: ['*'], namespaces: ['*'] };
const read: RuleFile = { verbs: ['get', 'list', 'watch'], resources: ['*'], namespaces: ['*'] };

const verdict = (role: RoleFile, ...asked: string[]): string => decide(withRoles({ r: role }), question(asked)).verdict;
const reason = (role: RoleFile, ...asked: string[]): string => {
  const decision = decide(withRoles({ r: role }), question(asked));
  return decision.verdict === 'deny' ? decision.reason : 'allowed';
};

describe('an allow contains what is asked', () => {
  const rule = (changes: RuleFile): RuleFile => ({
    verbs: ['get'],
    resources: ['pods'],
    namespaces: ['shop'],
    ...changes,
  });
  const cases: readonly [rule: RuleFile, asked: string, verdict: 'allow' | 'deny'][] = [
    [rule({}), 'get pods web-0 @shop', 'allow'],
    [rule({}), 'get pods @shop', 'allow'],
    [rule({}), 'list pods @shop', 'deny'],
    [rule({}), 'get services web @shop', 'deny'],
    [rule({}), 'get pods.metrics.k8s.io @shop', 'deny'],
    [rule({}), 'get pods web-0 @other', 'deny'],
    // Sub-resources: `*` includes them, a name does not.
    [rule({}), 'get pods/log web-0 @shop', 'deny'],
    [rule({ resources: ['pods/log'] }), 'get pods/log web-0 @shop', 'allow'],
    [rule({ resources: ['pods/log'] }), 'get pods web-0 @shop', 'deny'],
    [rule({ resources: ['*'] }), 'get pods/log web-0 @shop', 'allow'],
    [rule({ resources: ['*/scale'] }), 'get deployments.apps/scale web @shop', 'allow'],
    [rule({ resources: ['*/scale'] }), 'get deployments.apps web @shop', 'deny'],
    [rule({ resources: ['*.apps'] }), 'get deployments.apps/scale web @shop', 'allow'],
    [rule({ resources: ['*.apps'] }), 'get pods web @shop', 'deny'],
    // Only ["*"] covers what is cluster-scoped, and -A.
    [rule({ namespaces: ['*'] }), 'get pods @*', 'allow'],
    [rule({}), 'get pods @*', 'deny'],
    [rule({ namespaces: ['s*'] }), 'get pods @*', 'deny'],
    [rule({ namespaces: ['s*'] }), 'get pods @shop', 'allow'],
    [rule({ namespaces: ['s*', '*'] }), 'get pods @*', 'allow'],
    [rule({ resources: ['nodes'] }), 'get nodes', 'deny'],
    [rule({ resources: ['nodes'], namespaces: ['*'] }), 'get nodes', 'allow'],
    [rule({ resources: ['namespaces'] }), 'get namespaces shop', 'deny'],
    [rule({ resources: ['namespaces'], namespaces: ['*'] }), 'get namespaces shop', 'allow'],
    // "No name" is every name.
    [rule({ names: ['web-*'] }), 'get pods web-0 @shop', 'allow'],
    [rule({ names: ['web-*'] }), 'get pods api-0 @shop', 'deny'],
    [rule({ names: ['web-*'] }), 'get pods @shop', 'deny'],
    [rule({ names: ['*'] }), 'get pods @shop', 'allow'],
    // aks-command only by its own name.
    [rule({ namespaces: ['*'] }), 'get pods @aks-command', 'deny'],
    [rule({ namespaces: ['aks-*'] }), 'get pods @aks-command', 'deny'],
    [rule({ namespaces: ['*', 'aks-command'] }), 'get pods @aks-command', 'allow'],
    [rule({ namespaces: ['aks-command'] }), 'get pods @aks-command', 'allow'],
    // Nor its Namespace object: who deletes that deletes all that is in it.
    [rule({ verbs: ['delete'], resources: ['*'], namespaces: ['*'] }), 'delete namespaces aks-command', 'deny'],
    [rule({ verbs: ['delete'], resources: ['*'], namespaces: ['*'] }), 'delete namespaces', 'deny'],
    [rule({ verbs: ['delete'], resources: ['*'], namespaces: ['*'] }), 'delete namespaces shop', 'allow'],
    [
      rule({ verbs: ['delete'], resources: ['*'], namespaces: ['*', 'aks-command'] }),
      'delete namespaces aks-command',
      'allow',
    ],
  ];
  test.each(cases)('%j on "%s": %s', (rule, asked, expected) => {
    expect(verdict({ allow: [rule] }, asked)).toBe(expected);
  });

  test('one rule has to contain the whole attribute: two that share it do not', () => {
    const allow = [rule({ namespaces: ['shop'], names: ['a'] }), rule({ namespaces: ['other'], names: ['b'] })];
    expect(verdict({ allow }, 'get pods b @shop')).toBe('deny');
  });

  test('every attribute has to be allowed, each by any rule of any role', () => {
    const policy = withRoles({ a: { allow: [rule({})] }, b: { allow: [rule({ verbs: ['delete'] })] } });
    expect(decide(policy, question(['get pods x @shop', 'delete pods x @shop']))).toMatchObject({
      verdict: 'allow',
      rule: { role: 'b', rule: 'allow[0]' },
      roles: [{ name: 'a' }, { name: 'b' }],
      because: [{ rule: { role: 'a', rule: 'allow[0]' } }, { rule: { role: 'b' } }],
    });
    expect(decide(policy, question(['get pods x @shop', 'delete pods x @shop', 'list pods @shop']))).toMatchObject({
      verdict: 'deny',
      reason: 'no-rule',
      attributes: ask('list pods @shop'),
    });
  });
});

describe('never by *, only by name', () => {
  test.each([
    ['create serviceaccounts/token', 'serviceaccounts/token'],
    [
      'update certificatesigningrequests.certificates.k8s.io/approval',
      'certificatesigningrequests.certificates.k8s.io/approval',
    ],
    ['approve signers.certificates.k8s.io', 'signers.certificates.k8s.io'],
    [
      'create mutatingwebhookconfigurations.admissionregistration.k8s.io',
      'mutatingwebhookconfigurations.admissionregistration.k8s.io',
    ],
    [
      'patch validatingwebhookconfigurations.admissionregistration.k8s.io',
      'validatingwebhookconfigurations.admissionregistration.k8s.io',
    ],
    ['create customresourcedefinitions.apiextensions.k8s.io', 'customresourcedefinitions.apiextensions.k8s.io'],
    ['delete apiservices.apiregistration.k8s.io', 'apiservices.apiregistration.k8s.io'],
    ['patch nodes', 'nodes'],
    ['create pods/exec', 'pods/exec'],
    ['create pods/attach', 'pods/attach'],
    ['create pods/portforward', 'pods/portforward'],
    ['patch pods/ephemeralcontainers', 'pods/ephemeralcontainers'],
    ['create rolebindings.rbac.authorization.k8s.io', 'rolebindings.rbac.authorization.k8s.io'],
    ['update clusterroles.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io'],
  ])('%s', (asked, resource) => {
    const group = resource.split('/')[0]?.split('.').slice(1).join('.');
    const wild = ['*', group && `*.${group}`, resource.includes('/') && `*/${resource.split('/')[1]}`];
    for (const text of wild) {
      if (text) expect(verdict({ allow: [{ ...all, resources: [text] }] }, `${asked} x @shop`)).toBe('deny');
    }
    expect(verdict({ allow: [{ ...all, resources: [resource] }] }, `${asked} x @shop`)).toBe('allow');
  });

  test.each(['bind', 'escalate', 'impersonate'])('the verb %s', (verb) => {
    const resources = ['clusterroles.rbac.authorization.k8s.io'];
    expect(verdict({ allow: [{ ...all, resources }] }, `${verb} ${resources[0]} admin`)).toBe('deny');
    expect(verdict({ allow: [{ ...all, verbs: [verb], resources }] }, `${verb} ${resources[0]} admin`)).toBe('allow');
  });

  test.each([
    'get nodes x',
    'list customresourcedefinitions.apiextensions.k8s.io',
    'get roles.rbac.authorization.k8s.io x @shop',
  ])('but %s is only a look', (asked) => expect(verdict({ allow: [read] }, asked)).toBe('allow'));
});

test('an allow grants a resource under the group that it names', () => {
  const rule = { verbs: ['*'], resources: ['events'], namespaces: ['*'] };
  expect(verdict({ allow: [rule] }, 'list events @shop')).toBe('allow');
  expect(verdict({ allow: [rule] }, 'list events.events.k8s.io @shop')).toBe('deny');
});

describe('custom resources that the configuration does not name', () => {
  const named = (verbs: string[], ...resources: string[]): RuleFile => ({ verbs, resources, namespaces: ['*'] });
  const wellKnown = 'certificates.cert-manager.io x @shop';
  const found = 'widgets.example.com x @shop';
  const cases: readonly [rule: RuleFile, asked: string, verdict: 'allow' | 'deny'][] = [
    // Of the well-known ones * covers reads.
    [read, `get ${wellKnown}`, 'allow'],
    [all, `create ${wellKnown}`, 'deny'],
    [named(['*'], '*.cert-manager.io'), `create ${wellKnown}`, 'allow'],
    [named(['*'], 'certificates.cert-manager.io'), `create ${wellKnown}`, 'allow'],
    [named(['*'], '*.acme.cert-manager.io'), `get ${wellKnown}`, 'deny'],
    // Of those that are found in a cluster nothing.
    [read, `get ${found}`, 'deny'],
    [all, `delete ${found}`, 'deny'],
    [named(['get'], '*.example.com'), `get ${found}`, 'allow'],
    [named(['get'], 'widgets.example.com'), `get ${found}`, 'allow'],
    [named(['get'], 'widgets.example.com'), `delete ${found}`, 'deny'],
  ];
  test.each(cases)('%j on "%s": %s', (rule, asked, expected) => {
    expect(verdict({ allow: [rule] }, asked)).toBe(expected);
  });

  test('a deny on * meets them all the same', () => {
    const rules = { allow: [named(['*'], '*.example.com')], deny: [{ resources: ['*'], namespaces: ['shop'] }] };
    expect(verdict(rules, `get ${found}`)).toBe('deny');
  });

  test('a denial says that the group has to be named', () => {
    const decision = decide(withRoles({ r: { allow: [all] } }), question([`delete ${found}`]));
    expect(decision).toMatchObject({ explanation: expect.stringContaining('the resource or its group by name') });
  });

  test('those that it names for the cluster are as any other', () => {
    const policy = withRoles({ r: { allow: [all] } });
    const listed = { ...policy, listed: new Map([['demo', new Set(['widgets.example.com'])]]) };
    expect(decide(listed, question([`delete ${found}`])).verdict).toBe('allow');
  });
});

describe('a deny hits what it merely touches', () => {
  const cases: readonly [deny: RuleFile, asked: string, verdict: 'allow' | 'deny'][] = [
    [{ resources: ['secrets'] }, 'get secrets db @shop', 'deny'],
    [{ resources: ['secrets'] }, 'list secrets @*', 'deny'],
    [{ resources: ['secrets'] }, 'get pods x @shop', 'allow'],
    [{ resources: ['pods'] }, 'get pods/log x @shop', 'deny'],
    [{ resources: ['pods/log'] }, 'get pods x @shop', 'allow'],
    [{ resources: ['pods/log'] }, 'get pods/log x @shop', 'deny'],
    [{ resources: ['*.apps'] }, 'patch deployments.apps/scale x @shop', 'deny'],
    [{ resources: ['*/scale'] }, 'patch deployments.apps x @shop', 'allow'],
    // One object, served in two groups.
    [{ resources: ['events'] }, 'list events.events.k8s.io @shop', 'deny'],
    [{ resources: ['events.events.k8s.io'] }, 'get events x @shop', 'deny'],
    [{ resources: ['*.events.k8s.io'] }, 'get events x @shop', 'deny'],
    [{ resources: ['*.events.k8s.io'] }, 'get pods x @shop', 'allow'],
    [{ resources: ['ingresses.networking.k8s.io'] }, 'get ingresses.extensions x @shop', 'deny'],
    [{ resources: ['*.apps'] }, 'get deployments.extensions x @shop', 'deny'],
    [{ resources: ['*.apps'] }, 'get ingresses.extensions x @shop', 'allow'],
    [{ verbs: ['delete'] }, 'delete pods x @shop', 'deny'],
    [{ verbs: ['delete'] }, 'get pods x @shop', 'allow'],
    // "No name" is touched by any name, -A by any namespace.
    [{ resources: ['pods'], names: ['db-0'] }, 'list pods @shop', 'deny'],
    [{ resources: ['pods'], names: ['db-0'] }, 'get pods web-0 @shop', 'allow'],
    [{ resources: ['pods'], names: ['db-*'] }, 'get pods db-1 @shop', 'deny'],
    [{ namespaces: ['prod'] }, 'list pods @*', 'deny'],
    [{ namespaces: ['prod'] }, 'list pods @shop', 'allow'],
    [{ namespaces: ['prod*'] }, 'list pods @prod-eu', 'deny'],
    [{ namespaces: ['prod'] }, 'get nodes x', 'allow'],
    [{ namespaces: ['*'] }, 'get nodes x', 'deny'],
    // Who deletes a Namespace deletes what is in it.
    [{ namespaces: ['prod'] }, 'delete namespaces prod', 'deny'],
    [{ namespaces: ['prod'] }, 'delete namespaces', 'deny'],
    [{ namespaces: ['prod'] }, 'delete namespaces shop', 'allow'],
    [{ namespaces: ['prod'] }, 'get namespaces prod', 'allow'],
  ];
  test.each(cases)('%j on "%s": %s', (deny, asked, expected) => {
    expect(verdict({ allow: [all], deny: [deny] }, asked)).toBe(expected);
  });

  test('of any bound role, whatever another allows, and for any of the attributes', () => {
    const policy = withRoles({
      admin: { allow: [all] },
      viewer: { allow: [read], deny: [{ resources: ['secrets'] }] },
    });
    expect(decide(policy, question(['get pods x @shop', 'get secrets db @shop']))).toEqual({
      verdict: 'deny',
      reason: 'deny-rule',
      rule: { role: 'viewer', rule: 'deny[0]' },
      attributes: ask('get secrets db @shop'),
      explanation: 'get secrets db in shop is denied by role viewer, deny[0], which no allow overrides.',
    });
  });

  test('a deny comes before an attribute that nothing allows, so that the reason does not depend on the order', () => {
    const role: RoleFile = { allow: [read], deny: [{ resources: ['secrets'] }] };
    expect(reason(role, 'delete pods x @shop', 'get secrets @shop')).toBe('deny-rule');
    expect(reason(role, 'get secrets @shop', 'delete pods x @shop')).toBe('deny-rule');
  });
});

describe('conditions', () => {
  const rule: RuleFile = { verbs: ['*'], resources: ['*'], namespaces: ['shop'] };
  const restart = 'patch deployments.apps web @shop';

  test.each([[undefined], [''], ['  \t'], ['...'], ['\u200b']])('a rule with requireReason is not met by %j', (why) => {
    const decision = decide(
      withRoles({ r: { allow: [{ ...rule, requireReason: true }] } }),
      question([restart], { reason: why }),
    );
    expect(decision).toMatchObject({
      verdict: 'deny',
      reason: 'reason-required',
      rule: { role: 'r', rule: 'allow[0]' },
    });
  });

  test('a reason is enough, and a plain rule needs none', () => {
    const policy = withRoles({ r: { allow: [{ ...rule, requireReason: true }] } });
    expect(decide(policy, question([restart], { reason: 'INC-1' })).verdict).toBe('allow');
    expect(verdict({ allow: [{ ...rule, requireReason: true }, rule] }, restart)).toBe('allow');
  });

  const privileged = { ...noPods, beyondBaseline: ['hostPath volume "root"'], beyondRestricted: ['no runAsNonRoot'] };
  test('pods with special rights want a rule that says so, for what brings them into being', () => {
    const plain = withRoles({ r: { allow: [rule] } });
    const special = withRoles({ r: { allow: [rule, { ...rule, podSecurity: 'privileged' }] } });
    expect(
      decide(plain, question(['get pods x @shop', 'create pods x @shop'], { podSecurity: privileged })),
    ).toMatchObject({
      verdict: 'deny',
      reason: 'pod-security',
      attributes: ask('create pods x @shop'),
      explanation: expect.stringContaining('hostPath volume "root"'),
    });
    expect(
      decide(special, question(['get pods x @shop', 'create pods x @shop'], { podSecurity: privileged })).verdict,
    ).toBe('allow');
    expect(decide(plain, question(['delete pods x @shop'], { podSecurity: privileged })).verdict).toBe('allow');
  });

  test.each<[rule: RuleFile['podSecurity'], ...verdicts: string[]]>([
    ['restricted', 'allow', 'deny', 'deny'],
    ['baseline', 'allow', 'allow', 'deny'],
    [undefined, 'allow', 'allow', 'deny'],
    ['privileged', 'allow', 'allow', 'allow'],
  ])('podSecurity: %s is met by what is restricted, of the baseline, privileged: %s, %s, %s', (level, ...verdicts) => {
    const policy = withRoles({ r: { allow: [{ ...rule, ...(level && { podSecurity: level }) }] } });
    const baseline = { ...privileged, beyondBaseline: [] };
    const found = [noPods, baseline, privileged].map((podSecurity) =>
      decide(policy, question(['create pods x @shop'], { podSecurity })),
    );
    expect(found.map(({ verdict }) => verdict)).toEqual(verdicts);
    if (level === 'restricted') {
      expect(found[1]).toMatchObject({
        explanation: expect.stringMatching(/no runAsNonRoot.*podSecurity: baseline$|baseline\.$/),
      });
    }
  });

  test.each<[accounts: string[] | undefined, named: string[], verdict: string]>([
    [undefined, [], 'allow'],
    [undefined, ['web'], 'deny'],
    [['web'], ['web'], 'allow'],
    [['web'], ['admin'], 'deny'],
    [['web'], ['web', 'admin'], 'deny'],
    [['web-*'], ['web-1'], 'allow'],
    [['web-*'], [''], 'deny'],
    [['*'], ['', 'anything'], 'allow'],
  ])('with serviceAccounts: %j a pod that names %j: %s', (accounts, serviceAccounts, verdict) => {
    const policy = withRoles({ r: { allow: [{ ...rule, ...(accounts && { serviceAccounts: accounts }) }] } });
    const asking = question(['create pods x @shop'], { podSecurity: { ...noPods, serviceAccounts } });
    expect(decide(policy, asking).verdict).toBe(verdict);
    expect(decide(policy, { ...asking, attributes: [ask('delete pods x @shop')] }).verdict).toBe('allow');
  });

  test('a denial names the service account and the line to add', () => {
    const podSecurity = { ...noPods, serviceAccounts: ['web'] };
    const decision = decide(withRoles({ r: { allow: [rule] } }), question(['create pods x @shop'], { podSecurity }));
    expect(decision).toMatchObject({
      reason: 'service-account',
      rule: { role: 'r', rule: 'allow[0]' },
      explanation: expect.stringContaining('serviceAccounts: [web]'),
    });
  });

  test('a rule with podSecurity: privileged lets pods name any account, unless it lists them', () => {
    const podSecurity = { ...noPods, serviceAccounts: ['web'] };
    const verdictOf = (more: Partial<RuleFile>) =>
      decide(
        withRoles({ r: { allow: [{ ...rule, podSecurity: 'privileged', ...more }] } }),
        question(['create pods x @shop'], { podSecurity }),
      ).verdict;
    expect(verdictOf({})).toBe('allow');
    expect(verdictOf({ serviceAccounts: ['api'] })).toBe('deny');
  });

  const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
  test('a rule may be limited to charts', () => {
    const policy = withRoles({ r: { allow: [{ ...rule, charts: [digest('a')] }] } });
    const install = (...letters: string[]) =>
      decide(
        policy,
        question(['install releases.helm.sh web @shop'], {
          charts: letters.map((letter) => ({ path: letter, digest: digest(letter) })),
        }),
      );
    expect(install('a').verdict).toBe('allow');
    expect(install('b')).toMatchObject({
      verdict: 'deny',
      reason: 'chart-not-listed',
      explanation: expect.stringContaining(digest('b')),
    });
    expect(install('a', 'b').verdict).toBe('deny');
    expect(install().verdict).toBe('deny');
    expect(decide(policy, question(['list releases.helm.sh @shop'])).verdict).toBe('allow');
  });

  test('the nearest rule is the one that is named: least is missing from it', () => {
    const allow = [
      { ...rule, requireReason: true, podSecurity: 'restricted' as const },
      { ...rule, requireReason: true, podSecurity: 'privileged' as const },
    ];
    const decision = decide(
      withRoles({ r: { allow } }),
      question(['create pods x @shop'], { podSecurity: privileged }),
    );
    expect(decision).toMatchObject({ reason: 'reason-required', rule: { rule: 'allow[1]' } });
  });
});

describe('who is bound', () => {
  const roles = { r: { allow: [read] } };
  const bound = (
    subject: object,
    clusters = ['demo', 'stage'],
    pattern = '*',
    tenants = [tenant],
  ): ReturnType<typeof compile> =>
    compile({ roles, bindings: [{ role: 'r', clusters: [pattern], subjects: [subject as never] }] }, clusters, tenants);
  const asks = question(['get pods x @shop']);

  const cases: readonly [subject: object, who: Parameters<typeof principal>[0], verdict: 'allow' | 'deny'][] = [
    [{ user: oid }, {}, 'allow'],
    [{ user: oid.toUpperCase() }, {}, 'allow'],
    [{ user: oid }, { kind: 'app' }, 'deny'],
    [{ app: oid }, { kind: 'app' }, 'allow'],
    [{ app: oid }, {}, 'deny'],
    [{ user: oid }, { tid: otherTenant }, 'deny'],
    [{ group: groupId }, { groups: { known: true, ids: [groupId] } }, 'allow'],
    [{ group: groupId }, { kind: 'app', groups: { known: true, ids: [groupId] } }, 'allow'],
    [{ group: groupId }, {}, 'deny'],
    [{ group: groupId }, { tid: otherTenant, groups: { known: true, ids: [groupId] } }, 'deny'],
    [{ appRole: 'Viewer' }, { roles: ['Viewer'] }, 'allow'],
    [{ appRole: 'Viewer' }, { roles: ['viewer'] }, 'deny'],
    [{ appRole: 'Viewer' }, { tid: otherTenant, roles: ['Viewer'] }, 'deny'],
    // One kind of subject never passes as another.
    [{ appRole: oid }, {}, 'deny'],
    [{ group: oid }, {}, 'deny'],
    [{ user: groupId }, { groups: { known: true, ids: [groupId] } }, 'deny'],
  ];
  test.each(cases)('%j for %j: %s', (subject, who, expected) => {
    expect(decide(bound(subject), { ...asks, principal: principal(who) }).verdict).toBe(expected);
  });

  test('with several tenants, each subject counts in its own', () => {
    const policy = bound({ appRole: 'Viewer', tenant: otherTenant }, ['demo'], '*', [tenant, otherTenant]);
    expect(decide(policy, { ...asks, principal: principal({ roles: ['Viewer'] }) }).verdict).toBe('deny');
    expect(decide(policy, { ...asks, principal: principal({ roles: ['Viewer'], tid: otherTenant }) }).verdict).toBe(
      'allow',
    );
    expect(() => bound({ appRole: 'Viewer' }, ['demo'], '*', [tenant, otherTenant])).toThrow('names no tenant');
  });

  test('a binding reaches the clusters that it names, and only they are seen', () => {
    const policy = bound({ user: oid }, ['stage-eu', 'stage-us', 'prod'], 'stage-*');
    expect(visibleClusters(policy, principal())).toEqual(['stage-eu', 'stage-us']);
    expect(visibleClusters(policy, principal({ kind: 'app' }))).toEqual([]);
    expect(decide(policy, { ...asks, cluster: 'stage-eu' }).verdict).toBe('allow');
    expect(decide(policy, { ...asks, cluster: 'prod' })).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
    expect(decide(policy, { ...asks, cluster: 'elsewhere' })).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
  });

  test('a role that is not bound decides nothing', () => {
    const policy = compile({
      roles: { ...roles, none: { deny: [{ verbs: ['*'] }] } },
      bindings: [{ role: 'r', clusters: ['*'], subjects: [{ user: oid }] }],
    });
    expect(decide(policy, asks).verdict).toBe('allow');
  });

  test('a command that asks nothing of a resource is for everyone who is bound at all', () => {
    expect(decide(bound({ user: oid }), question([]))).toEqual({
      verdict: 'allow',
      rule: { role: 'r', rule: 'bound' },
      roles: [{ name: 'r', values: {} }],
      because: [],
    });
    expect(decide(bound({ app: oid }), question([]))).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
  });

  describe('when the token leaves the groups out', () => {
    const unknown = principal({ groups: { known: false, ids: [] } });
    const denied: PolicyFile = {
      roles: { admin: { allow: [all] }, frozen: { deny: [{ resources: ['*'] }] } },
      bindings: [
        { role: 'admin', clusters: ['*'], subjects: [{ user: oid }] },
        { role: 'frozen', clusters: ['prod'], subjects: [{ group: groupId }] },
      ],
    };
    const policy = compile(denied, ['prod', 'stage']);

    test('nothing is decided where a group is bound, so that no deny gets lost', () => {
      for (const asked of [['get pods x @shop'], []]) {
        expect(decide(policy, question(asked, { principal: unknown, cluster: 'prod' }))).toMatchObject({
          verdict: 'deny',
          reason: 'groups-overage',
        });
      }
      expect(decide(policy, question(['get pods x @shop'], { cluster: 'prod' })).verdict).toBe('allow');
    });

    test('elsewhere nothing changes', () => {
      expect(decide(policy, question(['get pods x @shop'], { principal: unknown, cluster: 'stage' })).verdict).toBe(
        'allow',
      );
    });

    test('the cluster is not hidden, for the answer is 403 and says why', () => {
      const stranger = principal({ oid: groupId, groups: { known: false, ids: [] } });
      expect(visibleClusters(policy, stranger)).toEqual(['prod']);
      expect(visibleClusters(policy, principal({ oid: groupId }))).toEqual([]);
    });

    test('groups of another tenant are not theirs', () => {
      const foreign = principal({ tid: otherTenant, groups: { known: false, ids: [] } });
      const several: PolicyFile = {
        ...denied,
        bindings: [
          { role: 'admin', clusters: ['*'], subjects: [{ user: oid, tenant: otherTenant }] },
          { role: 'frozen', clusters: ['*'], subjects: [{ group: groupId, tenant }] },
        ],
      };
      const asked = question(['get pods x @shop'], { principal: foreign });
      expect(decide(compile(several, ['demo'], [tenant, otherTenant]), asked).verdict).toBe('allow');
    });

    test('the gateway’s own pages are as closed', () => {
      expect(decideNonResource(policy, { principal: unknown, verb: 'get', path: '/v1/audit/events' })).toMatchObject({
        reason: 'groups-overage',
      });
    });
  });
});

describe('the blocked', () => {
  const blocked = (entry: object): ReturnType<typeof compile> =>
    compile({
      roles: { r: { allow: [all, { verbs: ['get'], nonResourceURLs: ['*'] }] } },
      bindings: [{ role: 'r', clusters: ['*'], subjects: [{ user: oid }, { app: oid }] }],
      blocked: [entry as never],
    });

  test.each([[{ user: oid }], [{ app: oid }], [{ user: oid.toUpperCase() }], [{ user: oid, tenant }]])(
    '%j stops every door',
    (entry) => {
      const policy = blocked(entry);
      for (const kind of ['user', 'app'] as const) {
        const who = principal({ kind });
        expect(isBlocked(policy, who)).toBe(true);
        expect(decide(policy, question(['get pods @shop'], { principal: who }))).toMatchObject({
          verdict: 'deny',
          reason: 'blocked',
        });
        expect(decide(policy, question([], { principal: who }))).toMatchObject({ reason: 'blocked' });
        expect(decideNonResource(policy, { principal: who, verb: 'get', path: '/v1/audit/events' })).toMatchObject({
          reason: 'blocked',
        });
        expect(visibleClusters(policy, who)).toEqual([]);
      }
    },
  );

  test('nobody else', () => {
    expect(isBlocked(blocked({ user: groupId }), principal())).toBe(false);
    expect(isBlocked(blocked({ user: oid }), principal({ tid: otherTenant }))).toBe(false);
  });
});

describe('the gateway’s own paths', () => {
  const auditor: RoleFile = {
    allow: [{ verbs: ['get'], nonResourceURLs: ['/v1/audit/*', '/v1/commands/*'] }],
    deny: [{ verbs: ['get'], nonResourceURLs: ['/v1/audit/checkpoints'] }],
  };
  const policy = compile(
    {
      roles: { auditor, viewer: { allow: [read] } },
      bindings: [
        { role: 'auditor', clusters: ['*'], subjects: [{ user: oid }] },
        { role: 'auditor', clusters: ['stage'], subjects: [{ app: oid }] },
        { role: 'viewer', clusters: ['*'], subjects: [{ app: oid }] },
      ],
    },
    ['stage', 'prod'],
  );
  const get = (path: string, who: 'user' | 'app' = 'user', cluster?: string) =>
    decideNonResource(policy, { principal: principal({ kind: who }), verb: 'get', path, cluster });

  test('are for those whose role names them', () => {
    expect(get('/v1/audit/events')).toMatchObject({ verdict: 'allow', rule: { role: 'auditor', rule: 'allow[0]' } });
    expect(get('/v1/commands/01ABC')).toMatchObject({ verdict: 'allow' });
    expect(get('/v1/clusters')).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
    expect(
      decideNonResource(policy, { principal: principal(), verb: 'delete', path: '/v1/audit/events' }).verdict,
    ).toBe('deny');
  });

  test('a deny wins here too', () => {
    expect(get('/v1/audit/checkpoints')).toMatchObject({
      verdict: 'deny',
      reason: 'deny-rule',
      rule: { role: 'auditor', rule: 'deny[0]' },
    });
  });

  test('what spans all clusters wants the right on all of them', () => {
    expect(get('/v1/audit/events', 'app')).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
    expect(get('/v1/audit/events', 'app', 'stage').verdict).toBe('allow');
    expect(get('/v1/audit/events', 'app', 'prod').verdict).toBe('deny');
    expect(get('/v1/audit/events', 'app', 'gone').verdict).toBe('deny');
    expect(get('/v1/audit/events', 'user', 'gone').verdict).toBe('allow');
  });

  test('a denial names no cluster on which the caller is not bound', () => {
    const stranger = principal({ oid: groupId });
    for (const cluster of [undefined, 'stage', 'prod']) {
      const decision = decideNonResource(policy, {
        principal: stranger,
        verb: 'get',
        path: '/v1/audit/events',
        cluster,
      });
      expect(JSON.stringify(decision)).not.toMatch(/stage|prod/);
      expect(decision).toMatchObject({
        verdict: 'deny',
        reason: 'no-rule',
        explanation: expect.stringContaining('clusters ["*"]'),
      });
    }
  });

  test('a rule for resources never opens them, nor the other way round', () => {
    expect(
      decideNonResource(withRoles({ r: { allow: [all] } }), {
        principal: principal(),
        verb: 'get',
        path: '/v1/audit/events',
      }).verdict,
    ).toBe('deny');
    expect(verdict({ allow: [{ verbs: ['*'], nonResourceURLs: ['*'] }] }, 'get pods @shop')).toBe('deny');
    expect(verdict({ allow: [all], deny: [{ nonResourceURLs: ['*'] }] }, 'get pods @shop')).toBe('allow');
  });

  test('a path of the API server that a command asks for is decided by these rules too', () => {
    const ready = (role: RoleFile, path = '/readyz', more: readonly ResourceAttributes[] = []) =>
      decide(withRoles({ r: role }), {
        principal: principal(),
        cluster: 'demo',
        attributes: [urlAttributes('get', path), ...more],
        podSecurity: noPods,
        charts: [],
      });
    const paths = { verbs: ['get'], nonResourceURLs: ['/readyz', '/livez'] };
    expect(ready({ allow: [paths] })).toMatchObject({ verdict: 'allow', rule: { role: 'r', rule: 'allow[0]' } });
    expect(ready({ allow: [paths] }, '/metrics')).toMatchObject({
      verdict: 'deny',
      explanation: expect.stringContaining('get /metrics'),
    });
    expect(ready({ allow: [all] }).verdict).toBe('deny');
    expect(ready({ allow: [paths], deny: [{ nonResourceURLs: ['/ready*'] }] })).toMatchObject({
      reason: 'deny-rule',
      explanation: expect.stringContaining('get /readyz is denied'),
    });
    const pods = { verb: 'list', group: '', resource: 'pods', subresource: '', namespace: 'shop', name: '' };
    expect(ready({ allow: [paths] }, '/readyz', [pods]).verdict).toBe('deny');
    expect(ready({ allow: [paths, all] }, '/readyz', [pods]).verdict).toBe('allow');
  });
});

describe('what a denial says', () => {
  const role: RoleFile = {
    allow: [
      { ...read, namespaces: ['shop'] },
      { verbs: ['patch'], resources: ['deployments.apps'], namespaces: ['shop'], requireReason: true },
    ],
  };
  const cases: readonly [asked: string, explanation: string][] = [
    [
      'delete pods web-0 @shop',
      'No rule of your role r allows delete pods web-0 in shop on cluster demo; it would take a rule with verbs [delete], resources [pods], namespaces [shop]. The built-in role edit has one.',
    ],
    [
      'list pods @*',
      'No rule of your role r allows list pods in all namespaces on cluster demo; it would take a rule with verbs [list], resources [pods], namespaces ["*"] and no names. The built-in role view has one.',
    ],
    [
      'create pods/exec web-0 @shop',
      'No rule of your role r allows create pods/exec web-0 in shop on cluster demo; it would take a rule with verbs [create], resources [pods/exec], namespaces [shop] (the resource by name: "*" does not grant this). The built-in role edit has one.',
    ],
    [
      'get pods x @aks-command',
      'No rule of your role r allows get pods x in aks-command on cluster demo; it would take a rule with verbs [get], resources [pods], namespaces [aks-command] (the namespace by name: "*" does not grant this).',
    ],
    [
      'patch deployments.apps web @shop',
      'patch deployments.apps web in shop is allowed by role r, allow[1] only with a reason: send "reason" with your ticket or purpose.',
    ],
  ];
  test.each(cases)('%s', (asked, explanation) => {
    expect(decide(withRoles({ r: role }), question([asked]))).toMatchObject({ verdict: 'deny', explanation });
  });

  test('following it is enough', () => {
    for (const [asked] of cases.slice(0, 4)) {
      const sentence = decide(withRoles({ r: role }), question([asked]));
      const found = /verbs \[(.*?)\], resources \[(.*?)\], namespaces \["?(.*?)"?\]/.exec(
        'explanation' in sentence ? sentence.explanation : '',
      );
      const [, verb = '', resource = '', namespace = ''] = found ?? [];
      const added = { verbs: [verb], resources: [resource], namespaces: [namespace] };
      expect(verdict({ allow: [...(role.allow ?? []), added] }, asked)).toBe('allow');
    }
  });
});

test('explain tells of every attribute, not of the first that fails', () => {
  const policy = withRoles({ r: { allow: [read], deny: [{ resources: ['secrets'] }] } });
  const { decision, attributes } = explain(
    policy,
    question(['get pods x @shop', 'delete pods x @shop', 'get secrets db @shop']),
  );
  expect(decision.verdict).toBe('deny');
  expect(attributes).toMatchObject([
    { verdict: 'allow', rule: { role: 'r', rule: 'allow[0]' } },
    { verdict: 'deny', reason: 'no-rule' },
    { verdict: 'deny', reason: 'deny-rule', rule: { role: 'r', rule: 'deny[0]' } },
  ]);
});

describe('the digest', () => {
  const policy: PolicyFile = { roles: { r: { allow: [read] } }, bindings: [] };
  test('stands for the policy, its clusters and tenants, however they are ordered', () => {
    const same = compile(
      {
        bindings: [],
        roles: { r: { allow: [{ namespaces: ['*'], verbs: ['get', 'list', 'watch'], resources: ['*'] }] } },
      },
      ['a', 'b'],
    );
    expect(compile(policy, ['b', 'a']).digest).toBe(same.digest);
  });
  test('changes with each of them', () => {
    const digests = [
      compile(policy),
      compile(policy, ['other']),
      compile(policy, ['demo'], [otherTenant]),
      compile({ ...policy, roles: {} }),
    ].map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(4);
  });
});
