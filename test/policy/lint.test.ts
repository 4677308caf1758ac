import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { interpret } from '../../shared/command/interpret.ts';
import { parseConfig } from '../../shared/config/load.ts';
import { runPolicyCases } from '../../shared/policy/cases.ts';
import { comparePolicies, createReplay } from '../../shared/policy/difference.ts';
import { lintPolicy } from '../../shared/policy/lint.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import { whoCan } from '../../shared/policy/who-can.ts';
import { armId, lines, parse, withSections } from '../config/valid.ts';
import { ask, oid, principal } from './fixtures.ts';

const group = '66666666-6666-4666-8666-666666666666';
const identity = lines.identity.replace(' }', ', groupsClaim: emitted }');
const configOf = (policy: string, jobs = 'jobs: []', clusters = lines.clusters) =>
  parse(withSections({ identity, policy: `policy: ${policy}`, jobs, clusters }));
/** Two clusters, whose `resources:` say this. */
const clustersWith = (demo: string, stage = '[]') =>
  `clusters: { demo: { resourceId: ${armId('demo')}, resources: ${demo} }, stage: { resourceId: ${armId('stage')}, resources: ${stage} } }`;
const bind = (role: string, subject = `{ user: ${oid} }`, more = '') =>
  `{ role: ${role}, clusters: ['*'], subjects: [${subject}]${more} }`;
const read = '{ verbs: [get, list, watch], resources: [pods], namespaces: [shop] }';

describe('lint tells', () => {
  const lint = (policy: string, jobs?: string, clusters?: string) =>
    lintPolicy(configOf(policy, jobs, clusters)).map(({ path, kind }) => `${kind} ${path}`);
  const role = (body: string) => `{ roles: { r: ${body} }, bindings: [${bind('r')}] }`;
  const cases: readonly [name: string, policy: string, findings: readonly string[]][] = [
    ['of nothing where nothing is wrong', role(`{ allow: [${read}] }`), []],
    [
      'of a namespace for what is in none',
      role('{ allow: [{ verbs: [get], resources: [nodes], namespaces: [shop] }] }'),
      ['never-matches policy.roles.r.allow[0]'],
    ],
    [
      'of a verb that the resource does not have',
      role('{ allow: [{ verbs: [install], resources: [deployments.apps], namespaces: [shop] }] }'),
      ['never-matches policy.roles.r.allow[0]'],
    ],
    [
      'of an allow that a deny of its own role takes away',
      role(`{ allow: [${read}], deny: [{ resources: [pods] }] }`),
      ['never-matches policy.roles.r.allow[0]'],
    ],
    [
      'of a rule that says what another says',
      role(`{ allow: [{ verbs: [get], resources: [pods], namespaces: [shop], names: [web] }, ${read}] }`),
      ['shadowed policy.roles.r.allow[0]'],
    ],
    [
      'of nothing where a narrow deny stands before a wider one, or before an allow by any name',
      role(
        `{ allow: [${read}], deny: [{ resources: [pods], namespaces: [shop], names: [db-0] }, { resources: [pods], namespaces: [kube-system] }] }`,
      ),
      [],
    ],
    [
      'of the narrow one of two denies',
      role(
        `{ allow: [${read.replace('[shop]', '[web]')}], deny: [{ resources: [pods], namespaces: [shop], names: [db-0] }, { resources: [pods], namespaces: [shop] }] }`,
      ),
      ['shadowed policy.roles.r.deny[0]'],
    ],
    [
      'of the second of two that say the same, and of no rule that two others only share',
      role(`{ allow: [${read}, ${read}] }`),
      ['shadowed policy.roles.r.allow[1]'],
    ],
    [
      'of a deny within a deny',
      role(
        `{ allow: [${read}], deny: [{ resources: [secrets] }, { verbs: [get], resources: [secrets], namespaces: [shop] }] }`,
      ),
      ['shadowed policy.roles.r.deny[1]'],
    ],
    [
      'nothing of a rule whose twin wants a reason',
      role(`{ allow: [${read.replace(' }', ', requireReason: true }')}, ${read.replace('get, ', '')}] }`),
      [],
    ],
    [
      'of a glob without a separator',
      `{ roles: { r: { allow: [{ verbs: [get], resources: [pods], namespaces: ["shop*", "{team}-*"] }] } }, bindings: [${bind('r', undefined, ', with: { team: a }')}] }`,
      ['wider-than-meant policy.roles.r.allow[0].namespaces[0]'],
    ],
    [
      'nothing of a glob beside a narrower one, but that it ends without a separator',
      role(
        '{ allow: [{ verbs: [get], resources: [pods], namespaces: ["team-*"] }, { verbs: [get, list], resources: [pods], namespaces: ["team-q*"] }] }',
      ),
      ['wider-than-meant policy.roles.r.allow[1].namespaces[0]'],
    ],
    [
      'of the narrower one of two globs',
      role(
        '{ allow: [{ verbs: [get], resources: [pods], namespaces: ["team-*"] }, { verbs: [get], resources: [pods], namespaces: ["team-q*-x"] }] }',
      ),
      ['shadowed policy.roles.r.allow[1]'],
    ],
    [
      'of an exception that takes nothing away: what "*" never grants, what the verbs never ask, what another exception takes',
      role(
        '{ allow: [{ verbs: [get, list, create], resources: ["*"], except: [secrets, pods/exec, jobs.aksgw, services, services/proxy], namespaces: ["*"] }] }',
      ),
      [
        'never-matches policy.roles.r.allow[0].except[4]',
        'never-matches policy.roles.r.allow[0].except[2]',
        'never-matches policy.roles.r.allow[0].except[1]',
      ],
    ],
    [
      'of the later one of two exceptions that take the same away',
      role(
        '{ allow: [{ verbs: [patch], resources: [deployments.apps/scale, services], except: ["*.apps", "*/scale"], namespaces: [shop] }] }',
      ),
      ['never-matches policy.roles.r.allow[0].except[1]'],
    ],
    [
      'of paths that nothing asks for, that another rule says, or that a deny takes away',
      role(
        `{ allow: [${read}, { verbs: [get], nonResourceURLs: [/v1/clusters] }, { verbs: [post], nonResourceURLs: ["*"] }, { verbs: [get], nonResourceURLs: ["/v1/audit/*"] }, { verbs: ["*"], nonResourceURLs: [/v1/audit/events] }, { verbs: [get], nonResourceURLs: ["/v1/commands/a*"] }], deny: [{ verbs: [get], nonResourceURLs: ["/v1/commands*"] }] }`,
      ),
      [
        'never-matches policy.roles.r.allow[5]',
        'shadowed policy.roles.r.allow[4]',
        'never-matches policy.roles.r.allow[2]',
        'never-matches policy.roles.r.allow[1]',
      ],
    ],
    [
      'of a deny of paths that undoes another role',
      `{ roles: { a: { allow: [${read}], deny: [{ verbs: [get], nonResourceURLs: [/v1/audit/events] }] }, b: { allow: [{ verbs: [get], nonResourceURLs: ["/v1/audit/*"] }] } }, bindings: [${bind('a')}, ${bind('b')}] }`,
      ['undoes policy.roles.a.deny[0]'],
    ],
    [
      'of a built-in role that is bound without namespaces',
      `{ roles: {}, bindings: [${bind('edit')}] }`,
      ['wider-than-meant policy.bindings[0]'],
    ],
    [
      'nothing of one that is bound everywhere in so many words',
      `{ roles: {}, bindings: [${bind('edit', undefined, ", namespaces: ['*']")}] }`,
      [],
    ],
    [
      'of a parameter that makes kube-system of a word',
      `{ roles: { r: { allow: [{ verbs: [get], resources: [pods], namespaces: ["kube-{team}", "{team}-*"] }] } }, bindings: [${bind('r', undefined, ', with: { team: system }')}, ${bind('r', undefined, ', with: { team: kube }')}, ${bind('r', undefined, ', with: { team: shop }')}] }`,
      ['wider-than-meant policy.bindings[0].with', 'wider-than-meant policy.bindings[1].with'],
    ],
    [
      'nothing of one that is given kube-system itself',
      `{ roles: {}, bindings: [${bind('edit', undefined, ", namespaces: ['{team}'], with: { team: kube-system }")}] }`,
      [],
    ],
    [
      'of secrets among everything',
      role('{ allow: [{ verbs: [get], resources: ["*"], namespaces: ["*"] }] }'),
      ['wider-than-meant policy.roles.r.allow[0]'],
    ],
    [
      'nothing where they are left out',
      role('{ allow: [{ verbs: [get], resources: ["*"], except: [secrets], namespaces: ["*"] }] }'),
      [],
    ],
    [
      'of a deny that undoes another role of the same person',
      `{ roles: { viewer: { allow: [${read}], deny: [{ resources: [secrets] }] } }, bindings: [${bind('viewer')}, ${bind('edit', undefined, ', namespaces: [shop]')}] }`,
      ['undoes policy.roles.viewer.deny[0]'],
    ],
    [
      'of one that may, for who is in both groups',
      `{ roles: { viewer: { allow: [${read}], deny: [{ resources: [secrets] }] } }, bindings: [${bind('viewer', `{ group: ${group} }`)}, ${bind('edit', '{ appRole: Ops }', ', namespaces: [shop]')}] }`,
      ['undoes policy.roles.viewer.deny[0]'],
    ],
    [
      'nothing of one that nobody else can hold',
      `{ roles: { viewer: { allow: [${read}], deny: [{ resources: [secrets] }] } }, bindings: [${bind('viewer')}, ${bind('edit', `{ app: ${group} }`, ', namespaces: [shop]')}] }`,
      [],
    ],
    [
      'of a role that nobody has',
      `{ roles: { r: { allow: [${read}] } }, bindings: [] }`,
      ['bound-nowhere policy.roles.r'],
    ],
    [
      'of a binding on no cluster',
      `{ roles: { r: { allow: [${read}] } }, bindings: [${bind('r').replace("'*'", "'prod-*'")}] }`,
      ['bound-nowhere policy.bindings[0]'],
    ],
  ];
  test.each(cases)('%s', (_name, policy, findings) => {
    expect(lint(policy)).toEqual(findings);
  });

  test('nothing of a rule for the metrics', () => {
    expect(lint(role('{ allow: [{ verbs: [get], nonResourceURLs: [/metrics] }] }'))).toEqual([]);
  });

  describe('of custom resources', () => {
    const all = "{ verbs: [get, patch], resources: ['*'], except: [secrets], namespaces: [shop] }";
    const named = '{ verbs: [patch], resources: [rollouts.argoproj.io], namespaces: [shop] }';
    const found = '{ verbs: [get, patch], resources: [widgets.example.com], namespaces: [shop] }';
    const group = '{ verbs: [delete], resources: ["*.example.com"], namespaces: [shop] }';
    const listing = '[rollouts.argoproj.io]';
    test.each<[name: string, rules: string[], clusters: string, findings: string[]]>([
      ['nothing of what "*" does not grant, as no cluster names it', [all, named], clustersWith('[]'), []],
      ['nothing of what "*" does not grant on the one that does not name it', [all, named], clustersWith(listing), []],
      [
        'that "*" grants it where every cluster names it',
        [all, named],
        clustersWith(listing, listing),
        ['shadowed policy.roles.r.allow[1]'],
      ],
      [
        'that "*" reads it anyway',
        [all, named.replace('patch', 'get')],
        clustersWith('[]'),
        ['shadowed policy.roles.r.allow[1]'],
      ],
      ['nothing of what only the cluster knows', [all, found, group], clustersWith('discover'), []],
      [
        'of the second of two rules about what only the cluster knows',
        [found, found, group, group],
        clustersWith('discover'),
        ['shadowed policy.roles.r.allow[3]', 'shadowed policy.roles.r.allow[1]'],
      ],
    ])('%s', (_name, rules, clusters, findings) => {
      expect(lint(role(`{ allow: [${rules.join(', ')}] }`), undefined, clusters)).toEqual(findings);
    });
  });

  test('of a job that has no role', () => {
    const jobs = 'jobs: [{ name: nightly, cluster: demo, argv: [kubectl, get, pods] }]';
    expect(lint(`{ roles: { r: { allow: [${read}] } }, bindings: [${bind('r')}] }`, jobs)).toEqual([
      'bound-nowhere jobs[0]',
    ]);
    expect(lint(`{ roles: { r: { allow: [${read}] } }, bindings: [${bind('r', '{ job: nightly }')}] }`, jobs)).toEqual(
      [],
    );
  });
});

describe('who can', () => {
  const config = configOf(
    `{ roles: { viewer: { allow: [${read}], deny: [{ resources: [secrets] }] }, keeper: { allow: [{ verbs: [get], resources: [secrets], namespaces: [shop], requireReason: true }] } }, bindings: [${bind('viewer')}, ${bind('keeper', '{ appRole: Keeper }')}, ${bind('edit', `{ group: ${group} }`, ', namespaces: [shop]')}] }`,
  );
  test('names each subject, its rule and its condition, and those whom a deny stops', () => {
    expect(whoCan(compilePolicy(config), config, 'demo', ask('get secrets db @shop'))).toMatchObject([
      { subject: { user: oid }, verdict: 'deny', rule: 'viewer/deny[0]' },
      { subject: { appRole: 'Keeper' }, verdict: 'allow', rule: 'keeper/allow[0]', explanation: 'with a reason' },
      { subject: { group }, verdict: 'allow', rule: expect.stringMatching(/^edit\/allow/) },
    ]);
    expect(whoCan(compilePolicy(config), config, 'demo', ask('get secrets db @billing'))).toMatchObject([
      { subject: { user: oid }, verdict: 'deny' },
    ]);
  });
});

test('who can, through which application and with whom behind it', () => {
  const app = '77777777-7777-4777-8777-777777777777';
  const rules = [
    `{ verbs: [delete], resources: [pods], namespaces: [shop], via: { app: ${app} }, requireReason: true }`,
    '{ verbs: [get], resources: [secrets], namespaces: [shop], requester: required }',
  ];
  const config = configOf(`{ roles: { r: { allow: [${rules.join(', ')}] } }, bindings: [${bind('r')}] }`);
  const told = (asked: string) =>
    whoCan(compilePolicy(config), config, 'demo', ask(asked)).map((one) => one.explanation);
  expect(told('delete pods web @shop')).toEqual([`through app ${app} and with a reason`]);
  expect(told('get secrets db @shop')).toEqual(['with a person behind the call']);
});

describe('the difference of two policies', () => {
  const one = configOf(`{ roles: { r: { allow: [${read}] } }, bindings: [${bind('r')}] }`);
  const other = configOf(
    `{ roles: { r: { allow: [${read.replace('watch', 'delete')}] } }, bindings: [${bind('r')}, ${bind('view', '{ appRole: View }', ', namespaces: [shop]')}] }`,
  );
  test('is none of a policy to itself', () => {
    expect(comparePolicies(one, one)).toEqual([]);
  });

  test('says of each subject which verdict changes', () => {
    const changes = comparePolicies(one, other).filter(
      ({ cluster, subject }) => cluster === 'demo' && subject.startsWith('user'),
    );
    expect(changes).toEqual([
      {
        subject: `user ${oid}`,
        cluster: 'demo',
        before: 'allow',
        after: 'deny',
        namespace: 'shop',
        name: '',
        resources: new Map([['pods', ['watch']]]),
      },
      {
        subject: `user ${oid}`,
        cluster: 'demo',
        before: 'deny',
        after: 'allow',
        namespace: 'shop',
        name: '',
        resources: new Map([['pods', ['delete']]]),
      },
    ]);
    const added = comparePolicies(one, other).filter(({ subject }) => subject === 'appRole View');
    expect(added.map(({ before, after, namespace }) => [before, after, namespace])).toContainEqual([
      'deny',
      'allow',
      'shop',
    ]);
  });

  test('knows of custom resources that only one of the files names, or that only the cluster knows', () => {
    const told = (before: string, after: string, [was, is]: readonly [string, string]) => {
      const of = (rule: string, clusters: string) =>
        configOf(`{ roles: { r: { allow: [${read}, ${rule}] } }, bindings: [${bind('r')}] }`, undefined, clusters);
      return comparePolicies(of(before, was), of(after, is)).map(({ cluster, before: old, after: next, resources }) => [
        cluster,
        `${old} -> ${next}`,
        ...resources,
      ]);
    };
    const rule = (resource: string) => `{ verbs: [patch], resources: [${resource}], namespaces: [shop] }`;
    const found = clustersWith('discover');
    expect(told(rule('rollouts.argoproj.io'), rule('services'), [lines.clusters, lines.clusters])).toContainEqual([
      'demo',
      'allow -> deny',
      ['rollouts.argoproj.io', ['patch']],
    ]);
    expect(told(rule('widgets.example.com'), rule('services'), [found, found])).toContainEqual([
      'demo',
      'allow -> deny',
      ['widgets.example.com', ['patch']],
    ]);
    // `*` grants writes to it as soon as the cluster names it.
    const listed = clustersWith('[rollouts.argoproj.io]');
    expect(told(rule("'*'"), rule("'*'"), [lines.clusters, listed])).toEqual([
      [
        'demo',
        'deny -> allow',
        ['rollouts.argoproj.io', ['patch']],
        ['rollouts.argoproj.io/status', ['patch']],
        ['rollouts.argoproj.io/scale', ['patch']],
      ],
    ]);
  });

  test('tells of a name only where it fares otherwise', () => {
    const of = (verb: string) =>
      configOf(
        `{ roles: { r: { allow: [{ verbs: [${verb}], resources: [pods], namespaces: [shop] }, { verbs: [get], resources: [services], namespaces: [shop], names: [web] }] } }, bindings: [${bind('r')}] }`,
      );
    expect(comparePolicies(of('get'), of('list')).map(({ name }) => name)).toEqual(['', '', '', '']);
  });

  test('replays what was asked, and tells whether the first file decides as the trail does', () => {
    const replay = createReplay(one, other);
    const asked = { principal: principal(), cluster: 'demo', attributes: [ask('watch pods @shop')] };
    expect(replay({ ...asked, decision: 'allow' })).toMatchObject({
      before: { verdict: 'allow', rule: 'r/allow[0]' },
      after: { verdict: 'deny', explanation: expect.stringContaining('watch pods in shop') },
      faithful: true,
    });
    expect(replay({ ...asked, decision: 'deny' }).faithful).toBe(false);
  });
});

describe('five clusters, four teams, two bots and people on call, written the natural way', () => {
  const file = (name: string) => readFileSync(new URL(`five-clusters/${name}`, import.meta.url), 'utf8');
  const config = parseConfig(file('gateway.yaml'), { baseDir: '/srv', source: 'gateway.yaml' });

  test('mean what their forty intents say, without a deny', () => {
    const { results, failed, untested } = runPolicyCases(config, file('cases.yaml'), {
      interpret,
      source: 'cases.yaml',
    });
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
    expect([results.length, failed, config.clusters.size]).toEqual([40, 0, 5]);
    expect(untested).toEqual([]);
    expect(Object.values(config.policy.roles).flatMap(({ deny = [] }) => deny)).toEqual([]);
  });

  test('have nothing for lint to tell', () => {
    expect(lintPolicy(config)).toEqual([]);
  });
});

test('the ready-made roles have nothing for lint to tell', () => {
  const text = readFileSync(new URL('../../infra/policies/gateway.yaml', import.meta.url), 'utf8');
  expect(lintPolicy(parseConfig(text, { baseDir: '/srv', source: 'gateway.yaml' }))).toEqual([]);
});
