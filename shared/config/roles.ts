import { nonResourceVerbs, readResource, resourceVerbs, type CustomNames } from '../kubernetes/known-kinds.ts';
import { overlap, parseResourcePattern, takesIn, type ResourcePattern } from '../kubernetes/resource-pattern.ts';
import type { Path, Report } from './problem.ts';
import { isBuiltInRole } from './built-in-roles.ts';
import { sampleText } from './role-parameters.ts';
import type { PolicyFile, RoleFile, RuleFile } from './schema.ts';
import { didYouMean } from '../lib/suggest.ts';
import { isName } from './values.ts';

/**
 * Holds each rule to the rules of matching (policy/README.md): a word that is not understood, or that reads as something else than it would do, is a
 * problem, since a deny that silently does nothing is a hole. `custom` are the custom resources that a rule
 * may name.
 */
export function checkRoles(roles: PolicyFile['roles'], custom: CustomNames, report: Report): void {
  for (const [name, role] of Object.entries(roles)) {
    const path = ['policy', 'roles', name];
    if (!isName(name)) report.problem(path, 'a role\'s name is letters, digits, ".", "_" and "-", at most 63');
    if (isBuiltInRole(name)) report.problem(path, `${name} is built in, as Kubernetes has it: give yours another name`);
    checkRole(role, path, custom, report);
  }
}

function checkRole(role: RoleFile, path: Path, custom: CustomNames, report: Report): void {
  role.allow?.forEach((rule, index) => {
    const at = [...path, 'allow', index];
    checkRule(rule, at, custom, report);
    if (!rule.verbs) report.problem(at, 'an allow needs verbs');
    if (!rule.resources && !rule.nonResourceURLs) report.problem(at, 'an allow needs resources (or nonResourceURLs)');
    if (rule.resources && !rule.namespaces) {
      report.problem(at, 'an allow needs namespaces: ["*"] for all of them and for what is cluster-scoped');
    }
    checkExcept(rule, [...at, 'except'], report);
    checkOwnRule(rule, at, report);
  });
  role.deny?.forEach((rule, index) => {
    const at = [...path, 'deny', index];
    checkRule(rule, at, custom, report);
    if (Object.keys(rule).length === 0) {
      report.problem(at, 'an empty deny would deny everything: if that is meant, write resources: ["*"]');
    }
    for (const condition of conditions) {
      if (rule[condition] !== undefined) report.problem([...at, condition], 'is for allow rules only');
    }
  });
}

/** An exception that takes nothing away is a mistake, and so is one that leaves nothing. Misspelt ones are told where they stand. */
function checkExcept({ resources = [], except = [] }: RuleFile, at: Path, report: Report): void {
  const covered = resources.flatMap((text) => parseResourcePattern(text) ?? []);
  const left = covered.filter((pattern) => !except.some((text) => takes(text, pattern)));
  if (covered.length > 0 && left.length === 0) return report.problem(at, 'leaves nothing of the rule');
  except.forEach((text, index) => {
    const pattern = parseResourcePattern(text);
    if (pattern && !covered.some((other) => overlap(pattern, other)))
      report.problem([...at, index], `leaves nothing out: the rule is not about ${text}`);
  });
}

function takes(text: string, other: ResourcePattern): boolean {
  const pattern = parseResourcePattern(text);
  return pattern !== undefined && takesIn(pattern, other);
}

/** What is the gateway's own belongs to no cluster: a rule about it that can never match would be found out at night. */
function checkOwnRule({ verbs, resources, namespaces, names }: RuleFile, at: Path, report: Report): void {
  for (const own of resources?.filter((name) => name.endsWith('.aksgw')) ?? [])
    if (namespaces && !namespaces.includes('*'))
      report.problem([...at, 'namespaces'], `${own} are in no namespace: write ["*"]`);
  const named = names?.some((name) => name !== '*');
  for (const [own, verb] of [
    ['jobs.aksgw', 'run'],
    ['webhooks.aksgw', 'notify'],
  ] as const)
    if (resources?.includes(own) && verbs?.includes(verb) && !named)
      report.problem(at, `${verb} on ${own} needs names: which ${own.replace('.aksgw', '')}`);
}

export const isNamespacePattern = (text: string): boolean => /^[a-z0-9*-]{1,63}$/.test(text) && !text.includes('**');

const conditions = ['except', 'requireReason', 'requester', 'via', 'podSecurity', 'serviceAccounts', 'charts'] as const;
const ofResources = ['resources', 'namespaces', 'names', ...conditions] as const;

function checkRule(rule: RuleFile, path: Path, custom: CustomNames, report: Report): void {
  const each = (
    key: Exclude<keyof RuleFile, 'requireReason' | 'requester' | 'via' | 'podSecurity'>,
    check: (text: string) => string | undefined,
  ) =>
    rule[key]?.forEach((text, index) => {
      const problem = check(text);
      if (problem !== undefined) report.problem([...path, key, index], problem);
    });
  if (rule.nonResourceURLs) {
    // kubernetes.io/docs/reference/access-authn-authz/rbac: a rule is about resources or about URLs, never both.
    for (const key of ofResources) {
      if (rule[key] !== undefined) report.problem([...path, key], 'cannot stand in one rule with nonResourceURLs');
    }
  }
  const verbs: readonly string[] = ['*', ...(rule.nonResourceURLs ? nonResourceVerbs : resourceVerbs)];
  each('verbs', (verb) =>
    verbs.includes(verb) ? undefined : `no verb is called "${verb}".${didYouMean(verb, verbs)}`,
  );
  const checkResource = (text: string): string | undefined => {
    const reading = readResource(text, custom);
    return 'problem' in reading ? reading.problem : undefined;
  };
  each('resources', checkResource);
  each('except', checkResource);
  each('namespaces', (text) =>
    isNamespacePattern(sampleText(text)) ? undefined : `"${text}" is neither a namespace nor a glob of one`,
  );
  // Names of RBAC objects may hold ":" and upper case (kubernetes.io/docs/concepts/overview/working-with-objects/names, "Path
  // segment names"). What other globs give a meaning is refused, for it would have none here.
  each('names', (text) =>
    /^[A-Za-z0-9.:_*-]{1,253}$/.test(sampleText(text)) && !text.includes('**')
      ? undefined
      : `"${text}" is neither a name nor a glob of one`,
  );
  each('serviceAccounts', (text) =>
    /^[a-z0-9.*-]{1,253}$/.test(sampleText(text)) && !text.includes('**')
      ? undefined
      : `"${text}" is not the name of a service account and not a glob of one`,
  );
  each('nonResourceURLs', (text) =>
    text === '*' || (/^\/[A-Za-z0-9/._*-]*$/.test(text) && !text.includes('..') && !text.includes('**'))
      ? undefined
      : `"${text}" is neither a path nor a glob of one: it starts with "/"`,
  );
  each('charts', (text) =>
    /^sha256:[0-9a-f]{64}$/.test(text) ? undefined : 'a chart is named by its digest, sha256:<64 hex digits>',
  );
}
