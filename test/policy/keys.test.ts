import { describe, expect, test } from '@jest/globals';
import { noPods } from '../../shared/command/pod-security/findings.ts';
import { RuleSchema, type BindingFile, type RuleFile } from '../../shared/config/schema.ts';
import { decide, decideNonResource, type Question } from '../../shared/policy/decide.ts';
import { compile, oid, principal, question } from './fixtures.ts';

type Key = keyof RuleFile;
interface Alone {
  readonly rule: RuleFile;
  /** What is asked, and allowed without the key. */
  readonly asked: string;
  readonly changes?: Partial<Question>;
}

const web = { verbs: ['get', 'create', 'patch'], resources: ['*'], namespaces: ['*'] };

// Each restricts: what the rule allows without the key (or with `*` in its place), it does not allow with it.
const alone: Readonly<Record<Exclude<Key, 'nonResourceURLs'>, Alone>> = {
  verbs: { rule: { ...web, verbs: ['get'] }, asked: 'patch deployments.apps web @shop' },
  resources: { rule: { ...web, resources: ['pods'] }, asked: 'get services web @shop' },
  namespaces: { rule: { ...web, namespaces: ['billing'] }, asked: 'get services web @shop' },
  names: { rule: { ...web, names: ['api'] }, asked: 'get services web @shop' },
  except: { rule: { ...web, except: ['secrets'] }, asked: 'get secrets db @shop' },
  requireReason: { rule: { ...web, requireReason: true }, asked: 'get services web @shop' },
  requester: { rule: { ...web, requester: 'required' }, asked: 'get services web @shop' },
  via: { rule: { ...web, via: { app: oid } }, asked: 'get services web @shop' },
  podSecurity: {
    rule: { ...web, podSecurity: 'restricted' },
    asked: 'create pods web @shop',
    changes: { podSecurity: { ...noPods, beyondRestricted: ['no runAsNonRoot: true'] } },
  },
  serviceAccounts: {
    rule: { ...web, serviceAccounts: ['web'] },
    asked: 'create pods web @shop',
    changes: { podSecurity: { ...noPods, serviceAccounts: ['builder'] } },
  },
  charts: {
    rule: {
      verbs: ['install'],
      resources: ['releases.helm.sh'],
      namespaces: ['*'],
      charts: [`sha256:${'a'.repeat(64)}`],
    },
    asked: 'install releases.helm.sh web @shop',
    changes: { charts: [{ path: 'web', digest: `sha256:${'b'.repeat(64)}` }] },
  },
};
/** What the key is replaced by, where leaving it out means something else than "any". */
const open: RuleFile = { verbs: ['*'], resources: ['*'], namespaces: ['*'], serviceAccounts: ['*'] };

const bound = (rule: RuleFile, binding: Partial<BindingFile> = {}) =>
  compile(
    {
      roles: { r: { allow: [rule] } },
      bindings: [{ role: 'r', clusters: ['*'], subjects: [{ user: oid }], ...binding }],
    },
    ['demo', 'stage'],
  );

describe('each key alone changes a verdict:', () => {
  test('there is a case for every key of a rule', () => {
    expect([...Object.keys(alone), 'nonResourceURLs'].toSorted()).toEqual(
      Object.keys(RuleSchema.properties).toSorted(),
    );
  });

  test.each(Object.entries(alone))('%s', (key, { rule, asked, changes = {} }) => {
    const { [key as Key]: _own, ...without } = rule;
    const opened = { ...without, ...(Object.hasOwn(open, key) && { [key]: open[key as Key] }) };
    const verdict = (one: RuleFile) => decide(bound(one), question([asked], changes)).verdict;
    expect([verdict(rule), verdict(opened)]).toEqual(['deny', 'allow']);
  });

  test('nonResourceURLs', () => {
    const asked = { principal: principal(), verb: 'get', path: '/v1/audit/events', cluster: 'demo' };
    const verdict = (paths: string[]) =>
      decideNonResource(bound({ verbs: ['get'], nonResourceURLs: paths }), asked).verdict;
    expect([verdict(['/v1/commands/*']), verdict(['/v1/audit/*'])]).toEqual(['deny', 'allow']);
  });

  const template: RuleFile = { ...web, namespaces: ['{team}', '{team}-*'] };
  const bindings: readonly [
    key: string,
    rule: RuleFile,
    denied: Partial<BindingFile>,
    allowed: Partial<BindingFile>,
  ][] = [
    ['with', template, { with: { team: 'billing' } }, { with: { team: 'shop' } }],
    ['namespaces', web, { role: 'view', namespaces: ['billing'] }, { role: 'view', namespaces: ['shop'] }],
    ['namespaces, none', web, { role: 'view', namespaces: ['billing'] }, { role: 'view' }],
    ['role', web, { role: 'view', namespaces: ['billing'] }, {}],
    ['clusters', web, { clusters: ['stage'] }, { clusters: ['demo'] }],
    ['subjects', web, { subjects: [{ app: oid }] }, { subjects: [{ user: oid }] }],
  ];
  test.each(bindings)('of a binding, %s', (_key, rule, denied, allowed) => {
    const verdict = (binding: Partial<BindingFile>) =>
      decide(bound(rule, binding), question(['get services web @shop'])).verdict;
    expect([verdict(denied), verdict(allowed)]).toEqual(['deny', 'allow']);
  });
});

test('one role, bound twice with other values, gives each subject its own', () => {
  const policy = compile({
    roles: { team: { allow: [{ ...web, namespaces: ['{team}-*'] }] } },
    bindings: [
      { role: 'team', clusters: ['*'], with: { team: 'shop' }, subjects: [{ user: oid }] },
      { role: 'team', clusters: ['*'], with: { team: 'billing' }, subjects: [{ appRole: 'Billing' }] },
    ],
  });
  const ask = (roles: string[]) =>
    ['shop-eu', 'billing-eu'].map(
      (namespace) =>
        decide(policy, question([`get pods web @${namespace}`], { principal: principal({ roles }) })).verdict,
    );
  expect([ask([]), ask(['Billing'])]).toEqual([
    ['allow', 'deny'],
    ['allow', 'allow'],
  ]);
});

test('an exception denies nobody: another role may still allow it', () => {
  const roles = {
    viewer: { allow: [{ ...web, except: ['secrets'] }] },
    keeper: { allow: [{ ...web, resources: ['secrets'] }] },
  };
  const policy = (...names: string[]) =>
    compile({ roles, bindings: names.map((role) => ({ role, clusters: ['*'], subjects: [{ user: oid }] })) });
  const asked = question(['get secrets db @shop']);
  expect(decide(policy('viewer'), asked).verdict).toBe('deny');
  expect(decide(policy('viewer', 'keeper'), asked)).toMatchObject({ verdict: 'allow', rule: { role: 'keeper' } });
});

test('a built-in role is part of what the digest of the policy stands for', () => {
  expect(bound(web, { role: 'view' }).digest).not.toBe(bound(web, { role: 'r' }).digest);
});
