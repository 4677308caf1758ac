/**
 * Azure Policy's reading of a rule, as far as this project's rules need it: which request is denied
 * (learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule). Texts are compared without regard to case, a
 * field that is absent equals nothing, and what is not known here is an error.
 */
export interface PolicyAssignment {
  readonly rule: { readonly if: Condition; readonly then: { readonly effect: string } };
  readonly parameters: Readonly<Record<string, { readonly value: unknown }>>;
}

/** A request by the names that a rule calls its parts: `type`, `name`, and aliases; of an alias with [*] all members. */
export type PolicyRequest = Readonly<Record<string, string | readonly string[]>>;

type Condition = Readonly<Record<string, unknown>>;

interface Scope extends PolicyAssignment {
  readonly request: PolicyRequest;
  /** The member that a count looks at, by its alias. */
  readonly current: Readonly<Record<string, string>>;
}

export function denies(assignment: PolicyAssignment, request: PolicyRequest): boolean {
  if (assignment.rule.then.effect !== 'deny') throw new Error(`the effect is ${assignment.rule.then.effect}`);
  return holds(assignment.rule.if, { ...assignment, request, current: {} });
}

function holds(condition: Condition, scope: Scope): boolean {
  if ('allOf' in condition) return listOf(condition['allOf']).every((inner) => holds(inner, scope));
  if ('anyOf' in condition) return listOf(condition['anyOf']).some((inner) => holds(inner, scope));
  const { field, value, count, ...operators } = condition;
  const [operator, ...others] = Object.keys(operators);
  if (operator === undefined || others.length > 0) throw new Error(`not one operator: ${JSON.stringify(condition)}`);
  return compare(operator, subjectOf({ field, value, count }, scope), evaluate(operators[operator], scope));
}

const listOf = (conditions: unknown): readonly Condition[] => conditions as readonly Condition[];

function subjectOf({ field, value, count }: Condition, scope: Scope): unknown {
  if (field !== undefined) return scope.request[textOf(field)];
  if (value !== undefined) return evaluate(value, scope);
  const { field: alias, where } = count as { readonly field: string; readonly where: Condition };
  const members = scope.request[alias] ?? [];
  return [members].flat().filter((member) => holds(where, { ...scope, current: { [alias]: member } })).length;
}

function compare(operator: string, subject: unknown, written: unknown): boolean {
  switch (operator) {
    case 'equals':
      return same(subject, written);
    case 'notEquals':
      return !same(subject, written);
    case 'in':
      return (written as readonly unknown[]).some((one) => same(subject, one));
    case 'notIn':
      return !(written as readonly unknown[]).some((one) => same(subject, one));
    case 'greater':
      return Number(subject) > Number(written);
    default:
      throw new Error(`the operator ${operator} is not known here`);
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null));

const same = (left: unknown, right: unknown): boolean =>
  left !== undefined && textOf(left).toLowerCase() === textOf(right).toLowerCase();

type TemplateFunction = (scope: Scope, ...values: readonly unknown[]) => unknown;

/** Template functions (learn.microsoft.com/azure/azure-resource-manager/templates/template-functions). */
const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  parameters: ({ parameters }, name) => parameters[textOf(name)]?.value,
  field: ({ request }, name) => request[textOf(name)],
  current: ({ current }, name) => current[textOf(name)],
  split: (_, text, by) => textOf(text).split(textOf(by)),
  first: (_, list) => (list as readonly unknown[]).at(0),
  last: (_, list) => (list as readonly unknown[]).at(-1),
  toLower: (_, text) => textOf(text).toLowerCase(),
  startsWith: (_, text, start) => textOf(text).toLowerCase().startsWith(textOf(start).toLowerCase()),
  endsWith: (_, text, end) => textOf(text).toLowerCase().endsWith(textOf(end).toLowerCase()),
};

/** A text in brackets is an expression: `[last(split(field('x'), '/'))]`. Anything else stands for itself. */
function evaluate(written: unknown, scope: Scope): unknown {
  if (typeof written !== 'string' || !written.startsWith('[')) return written;
  const tokens = written.slice(1, -1).match(/'[^']*'|\w+|[(),]/g) ?? [];
  let at = 0;
  const expression = (): unknown => {
    const token = tokens[at++] ?? '';
    if (token.startsWith("'")) return token.slice(1, -1);
    const call = FUNCTIONS[token];
    if (!call) throw new Error(`the function ${token} is not known here`);
    const values: unknown[] = [];
    while (tokens[at++] !== ')') if (tokens[at] !== ')') values.push(expression());
    return call(scope, ...values);
  };
  return expression();
}
