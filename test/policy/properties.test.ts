import { expect, test } from '@jest/globals';
import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { RuleSchema, type PolicyFile, type RoleFile, type RuleFile } from '../../shared/config/schema.ts';
import { decide, explain, type Question } from '../../shared/policy/decide.ts';
import { allowRule, broad, denyRule, excepted, file, me, question } from './arbitraries.ts';
import { compile, fc, oid, otherTenant, principal, properties, tenant } from './fixtures.ts';
import { referenceVerdict } from './reference.ts';

const make = (policy: PolicyFile) => compile(policy, ['demo', 'stage'], [tenant, otherTenant]);
const verdict = (policy: PolicyFile, asked: Question) => decide(make(policy), asked).verdict;

test('the decision is that of a reference written straight from the specification', () => {
  // Of those with something to decide.
  let allowed = 0;
  let total = 0;
  fc.assert(
    fc.property(file, question, (policy, asked) => {
      const expected = referenceVerdict(policy, asked);
      total++;
      if (expected === 'allow' && asked.attributes.length > 0) allowed++;
      expect(decide(make(policy), asked).verdict).toBe(expected);
    }),
    { ...properties, numRuns: properties.numRuns * 3 },
  );
  // The comparison says something only if both answers come up.
  expect(allowed / total).toBeGreaterThan(0.04);
  expect(allowed / total).toBeLessThan(0.5);
});

test('adding an allow never denies', () => {
  fc.assert(
    fc.property(file, question, allowRule, fc.nat(2), (policy, asked, rule, index) => {
      if (verdict(policy, asked) !== 'allow') return;
      const [key = ''] = Object.keys(policy.roles).slice(index % Object.keys(policy.roles).length);
      const changed = { ...policy.roles[key], allow: [rule, ...(policy.roles[key]?.allow ?? [])] };
      expect(verdict({ ...policy, roles: { ...policy.roles, [key]: changed } }, asked)).toBe('allow');
    }),
    properties,
  );
});

test('adding an exception never allows, and takes nothing but its resources', () => {
  fc.assert(
    fc.property(file, question, excepted, (policy, asked, except) => {
      const narrow = (rule: RuleFile): RuleFile => ({ ...rule, except: [...(rule.except ?? []), ...except] });
      const roles = Object.fromEntries(
        Object.entries(policy.roles).map(([key, each]) => [key, { ...each, allow: (each.allow ?? []).map(narrow) }]),
      );
      const narrowed = verdict({ ...policy, roles }, asked);
      if (verdict(policy, asked) === 'deny') expect(narrowed).toBe('deny');
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
      if (narrowed !== verdict(policy, asked) && asked.principal.tid === tenant)
        expect(verdict({ ...policy, bindings, roles: { ...policy.roles, denied } }, asked)).toBe('deny');
    }),
    properties,
  );
});

test('adding a deny never allows', () => {
  fc.assert(
    fc.property(file, question, denyRule, fc.nat(2), (policy, asked, rule, index) => {
      if (verdict(policy, asked) !== 'deny') return;
      const [key = ''] = Object.keys(policy.roles).slice(index % Object.keys(policy.roles).length);
      const changed = { ...policy.roles[key], deny: [...(policy.roles[key]?.deny ?? []), rule] };
      expect(verdict({ ...policy, roles: { ...policy.roles, [key]: changed } }, asked)).toBe('deny');
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
    fc.property(file, question, fc.nat(2), fc.nat(2), (policy, asked, index, pick) => {
      if (verdict(policy, asked) !== 'allow' || asked.attributes.length === 0) return;
      const at = index % asked.attributes.length;
      const fewer = asked.attributes.flatMap((each, place) =>
        place !== at ? [each] : pick === 2 ? [] : [narrower(each, pick)],
      );
      expect(verdict(policy, { ...asked, attributes: fewer })).toBe('allow');
    }),
    properties,
  );
});

test('the order of rules, roles, bindings and attributes never matters', () => {
  fc.assert(
    fc.property(file, question, (policy, asked) => {
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
      expect(verdict(other, { ...asked, attributes: asked.attributes.toReversed() })).toBe(verdict(policy, asked));
    }),
    properties,
  );
});

test('explain agrees with the decision and the reference: each attribute by itself, allowed exactly when all of them are', () => {
  fc.assert(
    fc.property(file, question, (policy, asked) => {
      fc.pre(asked.attributes.length > 0);
      const { decision, attributes } = explain(make(policy), asked);
      expect(decision).toEqual(decide(make(policy), asked));
      expect(attributes.every((each) => each.verdict === 'allow')).toBe(decision.verdict === 'allow');
      for (const each of attributes)
        expect(each.verdict).toBe(referenceVerdict(policy, { ...asked, attributes: [each.attributes] }));
    }),
    properties,
  );
});

test('each key of a rule alone changes a verdict somewhere, as the reference has it', () => {
  const bound = (rule: RuleFile): PolicyFile => ({
    roles: { r: { allow: [rule] } },
    bindings: [{ role: 'r', clusters: ['*'], with: { team: 'shop' }, subjects: [me] }],
  });
  const changing = new Set<string>();
  fc.assert(
    fc.property(allowRule, question, (rule, asked) => {
      const one = { ...asked, principal: principal(), attributes: asked.attributes.slice(0, 1) };
      const open = verdict(bound(broad), one);
      for (const [key, value] of Object.entries(rule)) {
        const policy = bound({ ...broad, [key]: value });
        const narrowed = verdict(policy, one);
        if (narrowed === open) continue;
        changing.add(key);
        expect([referenceVerdict(bound(broad), one), referenceVerdict(policy, one)]).toEqual([open, narrowed]);
      }
    }),
    { ...properties, numRuns: Math.max(properties.numRuns, 600) },
  );
  const { nonResourceURLs: _paths, ...keys } = RuleSchema.properties;
  expect([...changing].toSorted()).toEqual(Object.keys(keys).toSorted());
});
