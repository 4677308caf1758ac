import type { BindingFile, RoleFile, RuleFile } from './schema.ts';

/** `{team}`: a word of a rule that the binding fills in. */
const placeholderPattern = /\{([a-z][A-Za-z0-9]*)\}/g;

/** Where a rule may have one. Verbs and resources say what a role is for: they are the same for all who hold it. */
const filledMembers = ['namespaces', 'names', 'serviceAccounts'] as const;

const rulesOf = ({ allow = [], deny = [] }: RoleFile): readonly RuleFile[] => [...allow, ...deny];

/** The parameters of a role, each once. */
export const parametersOf = (role: RoleFile): readonly string[] =>
  placeholdersOf(rulesOf(role).flatMap((rule) => filledMembers.flatMap((key) => rule[key] ?? [])));

export const placeholdersOf = (texts: readonly string[]): readonly string[] => [
  ...new Set(texts.flatMap((text) => [...text.matchAll(placeholderPattern)].map(([, name = '']) => name))),
];

export const fillText = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(placeholderPattern, (placeholder, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? '') : placeholder,
  );

/** The text with every placeholder filled by a letter: what its form is judged by. */
export const sampleText = (text: string): string => text.replace(placeholderPattern, 'x');

/** The role as a binding has it. */
export function fillRole(role: RoleFile, values: NonNullable<BindingFile['with']>): RoleFile {
  if (parametersOf(role).length === 0) return role;
  const fill = (rule: RuleFile): RuleFile => {
    const filled = filledMembers.flatMap((key) => {
      const texts = rule[key];
      return texts ? [[key, texts.map((text) => fillText(text, values))] as const] : [];
    });
    return { ...rule, ...Object.fromEntries(filled) };
  };
  return {
    ...(role.allow && { allow: role.allow.map(fill) }),
    ...(role.deny && { deny: role.deny.map(fill) }),
  };
}
