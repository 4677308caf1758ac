import { expect, test } from '@jest/globals';
import { noPods } from '../../shared/command/pod-security/findings.ts';
import type { Config } from '../../shared/config/config.ts';
import type { PolicyFile, RoleFile, RuleFile } from '../../shared/config/schema.ts';
import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { askables } from '../../shared/policy/askable.ts';
import type { Question } from '../../shared/policy/decide.ts';
import { comparePolicies } from '../../shared/policy/difference.ts';
import { lintPolicy } from '../../shared/policy/lint.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import { whoCan } from '../../shared/policy/who-can.ts';
import { allowRule, attributes, denyRule, file, me, question, role } from './arbitraries.ts';
import { fc, otherTenant, principal, properties, tenant } from './fixtures.ts';
import { referenceVerdict } from './reference.ts';

// What lint, diff and who-can tell of a policy is held against the reference decision: a tool that is wrong is worse than none.

/** As much of a configuration as the tools look at. */
const configOf = (policy: PolicyFile): Config => {
  const cluster = (name: string) => [name, { name, resources: [] }] as const;
  const identity = { tenants: [tenant, otherTenant], scopes: [] };
  return { policy, identity, jobs: [], clusters: new Map([cluster('demo'), cluster('stage')]) } as unknown as Config;
};
const holding = (roles: Readonly<Record<string, RoleFile>>): PolicyFile => ({
  roles,
  bindings: Object.keys(roles).map((name) => ({ role: name, clusters: ['*'], with: { team: 'shop' }, subjects: [me] })),
});

const keyOf = ({ group, resource, subresource }: Pick<ResourceAttributes, 'group' | 'resource' | 'subresource'>) =>
  `${resource}.${group}/${subresource}`;
const askable = new Map(askables([], []).map((one) => [keyOf(one), one] as const));
/** What a command can ask for: no verb that the resource does not have, no namespace where there is none. */
const isAskable = (asked: ResourceAttributes): boolean => {
  const known = askable.get(keyOf(asked));
  return known !== undefined && known.verbs.includes(asked.verb) && known.namespaced === (asked.namespace !== '');
};
const asking = attributes.filter(isAskable);

/** What lint says of: without it, nothing would change. */
function pathsOf(policy: PolicyFile): ReadonlySet<string> {
  const useless = lintPolicy(configOf(policy)).filter(({ kind }) => kind === 'never-matches' || kind === 'shadowed');
  return new Set(useless.map(({ path }) => path));
}

const numRuns = Math.max(40, Math.round(properties.numRuns / 10));

test('what lint calls useless can be taken out, all of it at once, and no verdict changes', () => {
  let told = 0;
  fc.assert(
    fc.property(
      role,
      fc.constantFrom(0, 1, 2),
      fc.noShrink(fc.array(fc.tuple(question, asking), { minLength: 60, maxLength: 60 })),
      (one, again, asked) => {
        // Now and then a rule is there twice.
        const { allow = [], deny = [] } = one;
        const twice = { allow: [...allow, ...allow.slice(0, again)], deny: [...deny, ...deny.slice(0, again)] };
        const paths = pathsOf(holding({ r: twice }));
        told += paths.size;
        const keep = (side: 'allow' | 'deny') =>
          twice[side].flatMap((rule: RuleFile, index): RuleFile[] => {
            const path = `policy.roles.r.${side}[${index}]`;
            const except = rule.except?.filter((_text, place) => !paths.has(`${path}.except[${place}]`));
            return paths.has(path) ? [] : [except ? { ...rule, except } : rule];
          });
        const left = { allow: keep('allow'), deny: keep('deny') };
        for (const [circumstances, each] of asked) {
          const put = { ...circumstances, principal: principal(), cluster: 'demo', attributes: [each] };
          expect([each, referenceVerdict(holding({ r: left }), put)]).toEqual([
            each,
            referenceVerdict(holding({ r: twice }), put),
          ]);
        }
      },
    ),
    { ...properties, numRuns },
  );
  expect(told).toBeGreaterThan(numRuns / 4);
});

const plainRule = (rule: RuleFile): RuleFile => {
  const { charts: _charts, via: _via, ...others } = rule;
  return others;
};
const plain = (each: RoleFile): RoleFile => ({ ...each, allow: (each.allow ?? []).map(plainRule) });

/** May one do it, on which conditions, or not at all: as the reference has it. */
function standing(policy: PolicyFile, asked: Omit<Question, 'reason' | 'podSecurity' | 'charts'>): string {
  const reason = 'INC-1';
  const requester = principal();
  const ways: readonly [told: string, met: Partial<Question>][] = [
    ['allow', {}],
    ['allow, with a reason', { reason }],
    ['allow, with a person behind the call', { requester }],
    ['allow, with a person behind the call and with a reason', { requester, reason }],
  ];
  const allows = ([, met]: (typeof ways)[number]): boolean =>
    referenceVerdict(policy, { ...asked, ...met, podSecurity: noPods, charts: [] }) === 'allow';
  return ways.find(allows)?.[0] ?? 'deny';
}

test('diff tells of every verdict that changes, and of no other', () => {
  let changed = 0;
  let found = 0;
  fc.assert(
    fc.property(
      role.map(plain),
      fc.oneof(allowRule.map(plainRule), allowRule.map(plainRule), denyRule),
      fc.noShrink(fc.array(asking, { minLength: 150, maxLength: 150 })),
      (one, rule, asked) => {
        const side = rule.namespaces && rule.verbs && rule.resources ? 'allow' : 'deny';
        const before = holding({ r: one });
        const after = holding({ r: { ...one, [side]: [...(one[side] ?? []).slice(1), rule] } });
        const changes = comparePolicies(configOf(before), configOf(after)).filter(({ cluster }) => cluster === 'demo');
        const put = (each: ResourceAttributes) => ({ principal: principal(), cluster: 'demo', attributes: [each] });
        for (const each of asked) {
          const [was, is] = [standing(before, put(each)), standing(after, put(each))];
          if (was === is) continue;
          changed += 1;
          const name = `${each.resource}${each.group && `.${each.group}`}${each.subresource && `/${each.subresource}`}`;
          const telling = changes.filter(
            (change) =>
              change.before === was && change.after === is && change.resources.get(name)?.includes(each.verb) === true,
          );
          expect([each, was, is, telling.length > 0]).toEqual([each, was, is, true]);
        }
        for (const { before: was, after: is, namespace, name, resources } of changes) {
          const [[spelt, verbs] = ['', []]] = resources;
          const [full = '', subresource = ''] = spelt.split('/');
          const [resource = '', ...group] = full.split('.');
          const [verb = ''] = verbs;
          if (!askable.has(keyOf({ resource, group: group.join('.'), subresource }))) continue;
          const each = { verb, resource, group: group.join('.'), subresource, namespace, name };
          found += 1;
          expect([each, standing(before, put(each)), standing(after, put(each))]).toEqual([each, was, is]);
        }
      },
    ),
    { ...properties, numRuns: Math.max(6, Math.round(properties.numRuns / 60)) },
  );
  expect([changed > 0, found > 0]).toEqual([true, true]);
});

test('who-can names who may and whom a deny stops, as the reference has it', () => {
  let named = 0;
  fc.assert(
    fc.property(file, asking, (policy, asked) => {
      const stripped = Object.fromEntries(Object.entries(policy.roles).map(([name, each]) => [name, plain(each)]));
      const config = configOf({ ...policy, roles: stripped });
      const holders = whoCan(compilePolicy(config), config, 'demo', asked);
      const people = {
        user: principal(),
        app: principal({ kind: 'app' }),
        group: principal({ oid: '', groups: { known: true, ids: ['66666666-6666-4666-8666-666666666666'] } }),
        appRole: principal({ oid: '', roles: ['Ops'] }),
      };
      for (const [kind, each] of Object.entries(people)) {
        const expected = standing(config.policy, { principal: each, cluster: 'demo', attributes: [asked] });
        const holder = holders.find(
          ({ subject }) => kind in subject && 'tenant' in subject && subject.tenant === tenant,
        );
        const told = [
          holder?.verdict ?? 'deny',
          ...(holder?.verdict === 'allow' ? [holder.explanation ?? []].flat() : []),
        ].join(', ');
        if (told !== 'deny') named += 1;
        expect(told).toBe(expected);
      }
      expect(holders.every(({ subject }) => !('job' in subject))).toBe(true);
    }),
    { ...properties, numRuns: numRuns * 3 },
  );
  expect(named).toBeGreaterThan(5);
});
