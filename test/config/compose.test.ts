import { describe, expect, test } from '@jest/globals';
import { exampleText, parse, problemsOf, withSections } from './valid.ts';

const user = '55555555-5555-4555-8555-555555555555';
const policy = (roles: string, binding: string): string =>
  withSections({
    policy: `policy: { roles: ${roles}, bindings: [{ clusters: ["*"], subjects: [{ user: ${user} }], ${binding} }] }`,
  });
const allow = (rule: string): string => policy(`{ r: { allow: [{ ${rule} }] } }`, 'role: r');
const team = '{ r: { allow: [{ verbs: [get], resources: [pods], namespaces: ["{team}", "{team}-*"] }] } }';

describe('roles that compose are refused where they say something else than they read:', () => {
  const rule = 'verbs: [get], resources: ["*"], namespaces: ["*"]';
  const at = '8 policy.roles.r.allow[0]';
  test.each<[name: string, text: string, problems: readonly string[]]>([
    ['an exception', allow(`${rule}, except: [secrets, pods/exec]`), []],
    [
      'of what the rule is not about',
      allow('verbs: [get], resources: [pods], namespaces: ["*"], except: [secrets]'),
      [`${at}.except[0]: leaves nothing out: the rule is not about secrets`],
    ],
    [
      'of all that it is about',
      allow('verbs: [get], resources: [pods, pods/log], namespaces: ["*"], except: [pods]'),
      [`${at}.except: leaves nothing of the rule`],
    ],
    [
      'of nothing that there is',
      allow(`${rule}, except: [secret]`),
      [`${at}.except[0]: no resource is called "secret". Did you mean "secrets"?`],
    ],
    [
      'of paths',
      allow('verbs: [get], nonResourceURLs: ["/v1/*"], except: [secrets]'),
      [
        `${at}.except: cannot stand in one rule with nonResourceURLs`,
        `${at}.except[0]: leaves nothing out: the rule is not about secrets`,
      ],
    ],
    [
      'in a deny',
      policy('{ r: { deny: [{ resources: ["*"], except: [pods] }] } }', 'role: r'),
      ['8 policy.roles.r.deny[0].except: is for allow rules only'],
    ],
    ['a parameter', policy(team, 'role: r, with: { team: shop }'), []],
    [
      'a parameter without a value',
      policy(team, 'role: r'),
      ['8 policy.bindings[0]: needs with: role r has the parameter team'],
    ],
    [
      'a value without a parameter',
      policy(team, 'role: r, with: { team: shop, taem: x }'),
      ['8 policy.bindings[0].with.taem: role r has no parameter "taem". Did you mean "team"?'],
    ],
    [
      'a value that is a glob',
      policy(team, 'role: r, with: { team: "*" }'),
      ['8 policy.bindings[0].with.team: "*" is not letters, digits and "-", in lower case'],
    ],
    [
      'braces that hold no name of a parameter',
      policy(team.replaceAll('{team}', '{Team}'), 'role: r'),
      [
        '8 policy.roles.r.allow[0].namespaces[0]: "{Team}" is neither a namespace nor a glob of one',
        '8 policy.roles.r.allow[0].namespaces[1]: "{Team}-*" is neither a namespace nor a glob of one',
      ],
    ],
    ['a built-in role', policy('{}', 'role: edit'), []],
    [
      'a built-in role in namespaces of a team',
      policy('{}', 'role: edit, namespaces: ["{team}-*"], with: { team: shop }'),
      [],
    ],
    [
      'a built-in role with a value that it has no use for',
      policy('{}', 'role: edit, with: { team: shop }'),
      ['8 policy.bindings[0].with.team: role edit has no parameter "team".'],
    ],
    [
      'a built-in role in no namespace',
      policy('{}', 'role: view, namespaces: [Shop]'),
      ['8 policy.bindings[0].namespaces: "Shop" is neither a namespace nor a glob of one'],
    ],
    [
      'another role in namespaces of the binding',
      policy(
        '{ r: { allow: [{ verbs: [get], resources: [pods], namespaces: [shop] }] } }',
        'role: r, namespaces: [shop]',
      ),
      [
        '8 policy.bindings[0].namespaces: is for the built-in roles view, edit, admin: the rules of r say their namespaces themselves, with {parameters} if need be',
      ],
    ],
    [
      'a role that takes the name of a built-in one',
      policy('{ view: { allow: [] } }', 'role: view'),
      ['8 policy.roles.view: view is built in, as Kubernetes has it: give yours another name'],
    ],
    [
      'a slip in the name of a built-in one',
      policy('{}', 'role: edti'),
      ['8 policy.bindings[0].role: no role is called "edti". Did you mean "edit"?'],
    ],
  ])('%s', (_name, text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  test('nor are the sessions of a cluster', () => {
    const text = exampleText.replace('    defaultNamespace: shop', '    sessions: {}');
    expect(problemsOf(text)).toEqual([expect.stringMatching(/clusters\.demo\.sessions: is not built yet/)]);
  });

  test.each(['approval: { count: 1 }'])('a condition of a later version, %s, is not taken for a slip', (condition) => {
    const [key = ''] = condition.split(':');
    expect(problemsOf(allow(`${rule}, ${condition}`))).toEqual([
      `${at}.${key}: is not built yet: without what it asks for, it would be a promise that nothing keeps. Leave it out`,
    ]);
  });
});

test('a built-in role warns of what it implies, at its binding', () => {
  const { warnings } = parse(policy('{}', 'role: edit, namespaces: [shop]'));
  expect(warnings.filter((warning) => warning.includes('policy.bindings[0].role'))).toEqual([
    expect.stringContaining('who may run pods as service accounts (*) in namespace shop has their rights'),
    expect.stringContaining('can read every secret there'),
    expect.stringContaining('exec in namespace shop'),
    expect.stringContaining('tokens of service accounts in namespace shop'),
  ]);
  const ofBindings = (binding: string) =>
    parse(policy('{}', binding)).warnings.filter((warning) => warning.includes('bindings'));
  expect(ofBindings("role: view, namespaces: ['*']")).toEqual([]);
  expect(ofBindings('role: view')).toEqual([
    expect.stringMatching(/:8: policy\.bindings\[0\]: view holds in every namespace .* write namespaces: \["\*"\]/),
  ]);
});
