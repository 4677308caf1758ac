import type { CommandRequest, Invocation } from '../command/invocation.ts';
import { splitWords } from '../command/words.ts';
import type { Cluster, Config } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { readPolicyCases, type PolicyCase } from './case-file.ts';
import { decideNonResource } from './decide.ts';
import type { Asker } from './decide-both.ts';
import { frozenFor } from './frozen.ts';
import { judge } from './judge.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { Decision } from './decision.ts';
import { compilePolicy, type Policy } from './policy.ts';

interface CaseOptions {
  /** The command room's: what a command would ask for. */
  readonly interpret: (request: CommandRequest, cluster: Cluster) => Invocation;
  /** What the file of cases is called in problems. */
  readonly source: string;
}

export interface CaseResult {
  /** Where the case stands in its file, from 1. */
  readonly line: number;
  /** Its name, or what it asks. */
  readonly name: string;
  readonly passed: boolean;
  readonly expected: { readonly verdict: PolicyCase['expect']; readonly rule?: string | undefined };
  readonly actual: {
    readonly verdict: PolicyCase['expect'];
    /** `viewer/allow[0]`: the rule that decided, if one did. */
    readonly rule?: string | undefined;
    /** The sentence that the caller would get with a denial or refusal. */
    readonly explanation?: string | undefined;
  };
}

export interface CaseReport {
  readonly results: readonly CaseResult[];
  readonly failed: number;
  /** Rules on which no case turned: what the cases do not test. */
  readonly untested: readonly string[];
}

/**
 * Puts every case of a cases.yaml to the policy, as a caller's request would be: understood first, then decided. The engine of
 * `aksgw policy test`. Throws ConfigError when the file itself is wrong, all problems at once.
 */
export function runPolicyCases(config: Config, casesYaml: string, { interpret, source }: CaseOptions): CaseReport {
  const policy = compilePolicy(config);
  const touched = new Set<string>();
  const results = readPolicyCases(casesYaml, config, source).cases.map(({ line, asked, ...asker }): CaseResult => {
    const actual = answer(asked, asker, policy, config, interpret, touched);
    const passed = actual.verdict === asked.expect && (asked.rule === undefined || actual.rule === asked.rule);
    return {
      line,
      name: asked.name ?? describe(asked),
      passed,
      expected: { verdict: asked.expect, rule: asked.rule },
      actual,
    };
  });
  return {
    results,
    failed: results.filter(({ passed }) => !passed).length,
    untested: allRules(config).filter((rule) => !touched.has(rule)),
  };
}

function answer(
  asked: PolicyCase,
  { principal, requester }: Asker,
  policy: Policy,
  config: Config,
  interpret: CaseOptions['interpret'],
  touched: Set<string>,
): CaseResult['actual'] {
  if ('get' in asked) {
    const { cluster, get } = asked;
    return told(decideNonResource(policy, { principal, verb: 'get', path: get, cluster }), touched);
  }
  const cluster = config.clusters.get(asked.cluster);
  if (!cluster) throw new TypeError(`the cases were read for another configuration: no cluster ${asked.cluster}`);
  try {
    const invocation = interpret(
      {
        argv: 'argv' in asked ? asked.argv : splitWords(asked.command),
        files: (asked.files ?? []).map(({ path, content }) => ({ path, bytes: Buffer.from(content) })),
        stdin: asked.stdin,
        timeoutSeconds: config.limits.timeoutSeconds.default,
      },
      cluster,
    );
    const judged = judge(policy, invocation, { principal, requester, cluster, reason: asked.reason });
    const said = told(judged.decision, touched);
    const frozen = said.verdict === 'allow' ? frozenFor(cluster, judged.invocation.attributes) : undefined;
    return frozen === undefined ? said : { verdict: 'refuse', explanation: frozen };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { verdict: 'refuse', explanation: error.message };
  }
}

function told(decision: Decision, touched: Set<string>): CaseResult['actual'] {
  const name = decision.rule && ruleName(decision.rule);
  if (name !== undefined) touched.add(name);
  if (decision.verdict === 'deny') return { verdict: 'deny', rule: name, explanation: decision.explanation };
  for (const { rule } of decision.because) touched.add(ruleName(rule));
  if (decision.requester) touched.add(ruleName(decision.requester.rule));
  return { verdict: 'allow', rule: name };
}

function describe(asked: PolicyCase): string {
  const what = 'get' in asked ? `GET ${asked.get}` : 'argv' in asked ? asked.argv.join(' ') : asked.command;
  const behind = 'requester' in asked ? ` for ${asked.requester}` : '';
  return `${asked.principal}${behind}: ${what}${asked.cluster === undefined ? '' : ` on ${asked.cluster}`}`;
}

const allRules = (config: Config): readonly string[] =>
  Object.entries(config.policy.roles).flatMap(([role, { allow = [], deny = [] }]) => [
    ...allow.map((_rule, index) => `${role}/allow[${index}]`),
    ...deny.map((_rule, index) => `${role}/deny[${index}]`),
  ]);
