import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { interpret } from '../../shared/command/interpret.ts';
import { parseConfig } from '../../shared/config/load.ts';
import { ConfigError } from '../../shared/config/problem.ts';
import { runPolicyCases, type CaseReport } from '../../shared/policy/cases.ts';
import { parse, withSections } from '../config/valid.ts';

const read = (path: string): string => readFileSync(new URL(`../../infra/${path}`, import.meta.url), 'utf8');
const configOf = (folder: string) =>
  parseConfig(read(`${folder}/gateway.yaml`), { baseDir: '/srv', source: 'gateway.yaml' });
const run = (folder: string, cases = read(`${folder}/cases.yaml`)): CaseReport =>
  runPolicyCases(configOf(folder), cases, { interpret, source: 'cases.yaml' });
const told = ({ results }: CaseReport) =>
  results.filter(({ passed }) => !passed).map(({ line, name, actual }) => ({ line, name, ...actual }));

describe.each(['policies', 'local'])('infra/%s', (folder) => {
  test('says what its cases say', () => {
    expect(told(run(folder))).toEqual([]);
  });

  test('has no rule that no case touches', () => {
    expect(run(folder).untested).toEqual([]);
  });
});

test('the ready-made roles warn of nothing but what their comments say', () => {
  const places = configOf('policies').warnings.map((warning) => warning.replace(/^.*?policy\.(.*?): .*$/, '$1'));
  expect([...new Set(places)]).toEqual([
    'roles.operator.allow[0]',
    'roles.deployer.allow[2]',
    'bindings[2].role',
    'bindings[4].role',
  ]);
});

const people = `principals:
  bot: { app: 33333333-3333-4333-8333-333333333333 }
cases:
`;

test('a case that goes another way fails with its line, the rule that decided and the sentence', () => {
  const report = run(
    'local',
    `${people}  - { principal: bot, cluster: demo, command: kubectl get secrets, expect: allow }
  - { principal: bot, cluster: demo, command: kubectl get pods, expect: allow, rule: 'shop-deployer/allow[0]' }
  - { principal: bot, cluster: demo, command: 'kubectl get pods | sh', expect: deny }
  - { principal: bot, cluster: demo, command: kubectl get pods, expect: allow }`,
  );
  expect(report.failed).toBe(3);
  expect(report.results).toMatchObject([
    {
      line: 4,
      name: 'bot: kubectl get secrets on demo',
      passed: false,
      actual: {
        verdict: 'deny',
        rule: 'viewer/deny[0]',
        explanation: expect.stringContaining('denied by role viewer'),
      },
    },
    { line: 5, passed: false, actual: { verdict: 'allow', rule: 'viewer/allow[0]' } },
    { line: 6, passed: false, actual: { verdict: 'refuse', explanation: expect.stringContaining('pipe') } },
    { line: 7, passed: true },
  ]);
  expect(report.untested).toContain('auditor/allow[0]');
});

test('cases know the person behind a caller, whose rights count too, the application it comes through, and jobs', () => {
  const [app, job] = ['33333333-3333-4333-8333-333333333333', 'nightly'];
  const rule = (more: string) => `{ verbs: [delete], resources: [pods], namespaces: [shop]${more} }`;
  const config = parse(
    withSections({
      jobs: `jobs: [{ name: ${job}, cluster: demo, argv: [kubectl, get, pods] }]`,
      policy:
        `policy: { roles: { bot: { allow: [${rule(', requester: required')}] }, hand: { allow: [${rule(`, via: { app: ${app} }`)}] }, r: { allow: [${rule('')}] } }, bindings: [
        { role: bot, clusters: ['*'], subjects: [{ app: ${app} }] },
        { role: hand, clusters: ['*'], subjects: [{ appRole: Ops }] },
        { role: r, clusters: ['*'], subjects: [{ job: ${job} }] }] }`.replaceAll('\n', ' '),
    }),
  );
  const asked = 'cluster: demo, command: kubectl delete pod web -n shop --wait=false';
  const { results, untested } = runPolicyCases(
    config,
    `principals:
  bot: { app: ${app} }
  ops: { user: 44444444-4444-4444-8444-444444444444, appRoles: [Ops] }
  guest: { user: 55555555-5555-4555-8555-555555555555 }
  night: { job: ${job} }
cases:
  - { principal: bot, ${asked}, expect: deny, rule: 'bot/allow[0]' }
  - { principal: bot, requester: ops, ${asked}, expect: allow, rule: 'bot/allow[0]' }
  - { principal: bot, requester: guest, ${asked}, expect: deny }
  - { principal: ops, ${asked}, expect: deny, rule: 'hand/allow[0]' }
  - { principal: night, ${asked}, expect: allow, rule: 'r/allow[0]' }
`,
    { interpret, source: 'cases.yaml' },
  );
  expect(results.filter(({ passed }) => !passed)).toEqual([]);
  expect(untested).toEqual([]);
  expect(results[1]?.name).toBe('bot for ops: kubectl delete pod web -n shop --wait=false on demo');
});

describe('a file of cases that is wrong is refused with its lines', () => {
  const cases: readonly [name: string, text: string, problem: string][] = [
    [
      'an unknown principal',
      `${people}  - { principal: bto, cluster: demo, command: kubectl version, expect: allow }`,
      '4 cases[0].principal: there is no principal of that name. Did you mean "bot"?',
    ],
    [
      'an unknown cluster',
      `${people}  - { principal: bot, cluster: dmo, command: kubectl version, expect: allow }`,
      '4 cases[0].cluster: no cluster is called "dmo". Did you mean "demo"?',
    ],
    [
      'an unknown requester',
      `${people}  - { principal: bot, requester: bob, cluster: demo, command: kubectl version, expect: allow }`,
      '4 cases[0].requester: there is no principal of that name. Did you mean "bot"?',
    ],
    [
      'an application as requester',
      `${people}  - { principal: bot, requester: bot, cluster: demo, command: kubectl version, expect: allow }`,
      '4 cases[0].requester: is not a person: only a user can stand behind a caller',
    ],
    [
      'an unknown job',
      `${people.replace(/app: \S+/, 'job: nigthly')}  - { principal: bot, cluster: demo, command: kubectl version, expect: allow }`,
      '2 principals.bot.job: no job is called "nigthly".',
    ],
    [
      'an unknown rule',
      `${people}  - { principal: bot, cluster: demo, command: kubectl version, expect: allow, rule: 'viewer/allow[7]' }`,
      '4 cases[0].rule: there is no such rule. Did you mean "viewer/allow[0]"?',
    ],
    [
      'nothing asked',
      `${people}  - { principal: bot, cluster: demo, expect: allow }`,
      '4 cases[0]: needs one of argv, command, get',
    ],
    [
      'nothing expected',
      `${people}  - { principal: bot, cluster: demo, command: kubectl version }`,
      '4 cases[0].expect: is missing',
    ],
    [
      'what is not an expectation',
      `${people}  - { principal: bot, cluster: demo, command: kubectl version, expect: yes }`,
      '4 cases[0].expect: must be allow or deny or refuse, not "yes"',
    ],
    [
      'two commands',
      `${people}  - { principal: bot, cluster: demo, command: kubectl version, argv: [kubectl], expect: allow }`,
      '4 cases[0].command: unknown key. Known here: name, principal, expect, rule, cluster, requester, reason, stdin, files, argv',
    ],
    [
      'a path that is refused',
      `${people}  - { principal: bot, get: /v1/audit/events, expect: refuse }`,
      '4 cases[0].expect: a path is allowed or denied, never refused',
    ],
    ['no cases', people.replace('cases:', 'cases: []'), '3 cases: must not be empty'],
    [
      'a foreign tenant',
      `${people.replace(' }', ', tenant: 99999999-9999-4999-8999-999999999999 }')}  - { principal: bot, cluster: demo, command: kubectl version, expect: allow }`,
      '2 principals.bot.tenant: is not one of identity.tenants',
    ],
    [
      'groups that are known and not',
      `${people.replace(' }', ', groups: [33333333-3333-4333-8333-333333333333], groupsOverage: true }')}  - { principal: bot, cluster: demo, command: kubectl version, expect: allow }`,
      '2 principals.bot.groups: are not known with groupsOverage',
    ],
    [
      'no GUID',
      `${people.replace(/app: \S+/, 'app: bot')}  - { principal: bot, cluster: demo, command: kubectl version, expect: allow }`,
      '2 principals.bot.app: "bot" is not a GUID (00000000-0000-0000-0000-000000000000)',
    ],
  ];
  test.each(cases)('%s', (_name, text, problem) => {
    let problems: string[] = [];
    try {
      run('local', text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems = error.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
    }
    expect(problems).toEqual([problem]);
  });
});
