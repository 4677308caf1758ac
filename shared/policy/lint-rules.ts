import { formatPath, type Path } from '../config/problem.ts';
import { fillRole, parametersOf } from '../config/role-parameters.ts';
import type { RoleFile, RuleFile } from '../config/schema.ts';
import { isUrl } from '../kubernetes/attributes.ts';
import { ANY, pathProbes, probes, type Askable, type Probe } from './askable.ts';
import {
  compileDenyRule,
  compileResourceRule,
  compileUrlRule,
  contains,
  intersects,
  isAsWide,
  matchesUrl,
  type ResourceRule,
} from './rule.ts';
import { namingWhere } from './sensitive.ts';

export interface LintFinding {
  /** `policy.roles.viewer.deny[0]` */
  readonly path: string;
  readonly kind: 'never-matches' | 'shadowed' | 'wider-than-meant' | 'undoes' | 'bound-nowhere';
  readonly message: string;
}

export type ReportFinding = (path: Path, kind: LintFinding['kind'], message: string) => void;

type Side = 'allow' | 'deny';

/** A rule, and the questions that it answers: what it says is true of all that is like one of them, or of none. */
interface JudgedRule {
  readonly file: RuleFile;
  /** `allow[0]` */
  readonly name: string;
  readonly path: Path;
  /** Undefined of a rule over the gateway's paths. */
  readonly resources: ResourceRule | undefined;
  readonly asked: readonly Probe[];
  /** Of an allow, whether it contains it; of a deny, whether it touches it. */
  takes(asked: Probe): boolean;
}

export type JudgedRole = Readonly<Record<Side, readonly JudgedRule[]>>;

/** A role made ready to be questioned, with each parameter filled by a word of its own. */
export function judgeRole(role: string, file: RoleFile, all: readonly Askable[]): JudgedRole {
  const filled = fillRole(file, Object.fromEntries(parametersOf(file).map((key) => [key, `${ANY}${key}`])));
  const judge = (side: Side): readonly JudgedRule[] =>
    (filled[side] ?? []).map((rule, index) => {
      const name = `${side}[${index}]`;
      const path = ['policy', 'roles', role, side, index];
      const judged = rule.nonResourceURLs ? judgePaths(rule) : judgeResources(rule, side, all);
      return { file: rule, name, path, ...judged };
    });
  return { allow: judge('allow'), deny: judge('deny') };
}

/** The rule is one of many that could be asked: who it is of does not matter here. */
const nobody = { role: '', rule: '' };

function judgePaths(file: RuleFile): Pick<JudgedRule, 'resources' | 'asked' | 'takes'> {
  const rule = compileUrlRule(file, nobody);
  return {
    resources: undefined,
    asked: pathProbes(rule),
    takes: (asked) => isUrl(asked) && matchesUrl(rule, { verb: asked.verb, path: asked.name }),
  };
}

function judgeResources(
  file: RuleFile,
  side: Side,
  all: readonly Askable[],
): Pick<JudgedRule, 'resources' | 'asked' | 'takes'> {
  const rule = (side === 'deny' ? compileDenyRule : compileResourceRule)(file, nobody);
  const takes = (asked: Probe): boolean =>
    side === 'deny' ? intersects(rule, asked) : contains(rule, asked, namingWhere(asked, asked.listed));
  return {
    resources: rule,
    asked: [...probes(rule, all, side)],
    takes: (asked) => !isUrl(asked) && takes(asked),
  };
}

/** Whether a rule allows, as far as conditions go, wherever another does. */
const isAsOpen = ({ resources: one }: JudgedRule, { resources: other }: JudgedRule): boolean =>
  one && other ? isAsWide(one, other) : one === other;

/** Rules that never match, and those that say what others of the role say already. */
export function lintRole({ allow, deny }: JudgedRole, all: readonly Askable[], report: ReportFinding): void {
  const dead = new Set<JudgedRule>();
  for (const [side, rules] of [
    ['allow', allow],
    ['deny', deny],
  ] as const) {
    // The later of two that say the same is the one too many.
    for (const rule of rules.toReversed()) {
      const others = rules.filter((other) => other !== rule && !dead.has(other) && isAsOpen(other, rule));
      const { asked, path } = rule;
      if (asked.length === 0) report(path, 'never-matches', nothingAsks(rule));
      else if (asked.every((one) => others.some((other) => other.takes(one)))) {
        const by = others.filter((other) => asked.some((one) => other.takes(one))).map(({ name }) => name);
        report(path, 'shadowed', `says nothing that ${by.join(', ')} does not say`);
      } else if (side === 'allow' && asked.every((one) => deny.some((other) => other.takes(one)))) {
        report(path, 'never-matches', 'a deny of the same role takes all of it away');
      } else {
        lintExcept(rule, all, report);
        continue;
      }
      dead.add(rule);
    }
  }
}

const nothingAsks = ({ resources }: JudgedRule): string =>
  resources
    ? 'no command asks for any of this: hold verbs, resources and namespaces against each other'
    : 'nothing asks for any of these paths';

/** An exception from what the rule does not grant anyway: `*` never grants pods/exec, and no rule the rest of its other exceptions. */
function lintExcept({ file, resources, path }: JudgedRule, all: readonly Askable[], report: ReportFinding): void {
  const { except = [] } = file;
  const grants = (one: Probe): boolean =>
    resources !== undefined && contains(resources, one, namingWhere(one, one.listed));
  const kept = new Set(except.keys());
  // The later of two that take the same away is the one too many.
  for (const [place, text] of [...except.entries()].toReversed()) {
    const without = except.filter((_other, index) => index !== place && kept.has(index));
    if (!judgeResources({ ...file, except: without }, 'allow', all).asked.every(grants)) continue;
    kept.delete(place);
    report([...path, 'except', place], 'never-matches', `leaves nothing out: without it the rule grants no ${text}`);
  }
}

/** The first thing that a role allows and a deny takes away. */
export function firstUndone(deny: JudgedRule, { allow }: JudgedRole): Probe | undefined {
  for (const rule of allow) {
    // Of two globs or words that overlap, either may be the narrower.
    const undone = rule.asked.find((one) => deny.takes(one)) ?? deny.asked.find((one) => rule.takes(one));
    if (undone) return undone;
  }
  return undefined;
}

/** Each finding by its place in the file, as reports show it. */
export const collectFindings = (): { readonly findings: LintFinding[]; readonly report: ReportFinding } => {
  const findings: LintFinding[] = [];
  return { findings, report: (path, kind, message) => findings.push({ path: formatPath(path), kind, message }) };
};
