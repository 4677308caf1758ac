import { isList, isObject, type Value } from './value.ts';

/**
 * What Azure refuses in a policy's rule and no provider looks at: conditions that it does not know, and wildcards where it takes none or
 * one (learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule, "Conditions"). One sentence for each fault.
 */
export function checkPolicyRule(rule: Value): readonly string[] {
  const condition = isObject(rule) ? rule['if'] : undefined;
  return condition === undefined ? ['the rule of a policy must have an "if"'] : checkCondition(condition);
}

function checkCondition(condition: Value): readonly string[] {
  if (!isObject(condition)) return [`${JSON.stringify(condition)} is not a condition of a policy`];
  const [name, ...others] = Object.keys(condition);
  if (others.length > 0 || name === undefined) return checkComparison(condition);
  const inner = condition[name] ?? null;
  if (name === 'not') return checkCondition(inner);
  if (name !== 'allOf' && name !== 'anyOf') return checkComparison(condition);
  return isList(inner) && inner.length > 0 ? inner.flatMap(checkCondition) : [`${name} must list conditions`];
}

const ruleSubjects: ReadonlySet<string> = new Set(['field', 'value', 'count']);
const textOperators = ['like', 'match', 'matchInsensitively', 'equals', 'contains', 'in', 'containsKey'];
const ruleOperators: ReadonlySet<string> = new Set([
  ...textOperators.flatMap((name) => [name, `not${name.charAt(0).toUpperCase()}${name.slice(1)}`]),
  'less',
  'lessOrEquals',
  'greater',
  'greaterOrEquals',
  'exists',
]);

/** `{ field | value | count, <operator> }`. */
function checkComparison(condition: { readonly [name: string]: Value }): readonly string[] {
  const names = Object.keys(condition);
  const subjects = names.filter((name) => ruleSubjects.has(name));
  const operators = names.filter((name) => ruleOperators.has(name));
  if (names.length !== 2 || subjects.length !== 1 || operators.length !== 1)
    return [`a condition of a policy has a field, value or count, and one operator: not ${names.join(', ')}`];
  const [operator = ''] = operators;
  return [...checkWildcards(operator, condition[operator]), ...checkCount(condition['count'])];
}

function checkWildcards(operator: string, value: Value | undefined): readonly string[] {
  if (typeof value !== 'string') return [];
  const most = { like: 1, notLike: 1, contains: 0, notContains: 0 }[operator] ?? Infinity;
  if (value.split('*').length - 1 <= most) return [];
  return [`"${operator}" takes ${most === 0 ? 'no wildcard' : 'one wildcard'}: ${value}`];
}

function checkCount(count: Value | undefined): readonly string[] {
  if (count === undefined) return [];
  const where = isObject(count) ? count['where'] : null;
  return where === undefined ? [] : checkCondition(where);
}
