import type { ReadName } from './reads.ts';
import type { Row } from './rows.ts';
import type { Check, Finding, Part, PartName, What } from './status.ts';
import { worst } from './status.ts';

/** What came of a read. */
export type Answer =
  | { readonly kind: 'rows'; readonly rows: readonly Row[]; readonly cut: boolean }
  /** Of what prints no rows: its output, and how it exited. */
  | { readonly kind: 'text'; readonly text: string; readonly failed: boolean }
  | { readonly kind: 'not-allowed'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** What the parts are made of. */
export interface Answers {
  get(name: ReadName): Answer;
  /** Epoch ms, by the gateway's clock. */
  readonly now: number;
}

/** The rows of a read; none where it has no answer, which its check tells. */
export function rowsOf(answers: Answers, name: ReadName): readonly Row[] {
  const answer = answers.get(name);
  return answer.kind === 'rows' ? answer.rows : [];
}

export const isKnown = (answers: Answers, name: ReadName): boolean => ['rows', 'text'].includes(answers.get(name).kind);

const isCut = (answer: Answer): boolean => answer.kind === 'rows' && answer.cut;

function checkOf(answer: Answer, findings: readonly Finding[]): Check {
  if (answer.kind === 'not-allowed' || answer.kind === 'unknown') return { status: answer.kind, reason: answer.reason };
  const status = worst(findings.map(({ severity }) => severity));
  if (isCut(answer) && status === 'ok') return { status: 'unknown', reason: CUT };
  return isCut(answer) ? { status, reason: CUT } : { status };
}

const CUT = 'The answer was too long and was cut: what stands behind the cut was not seen.';

/** What a part found, by the read that told it. */
export type Found = Partial<Record<ReadName, readonly Finding[]>>;

/**
 * A part out of its reads: as bad as the worst of its findings, and never `ok` while one of its reads has no answer or was cut. `well` is what
 * to say when nothing is wrong.
 */
export function partOf(answers: Answers, found: Found, numbers: Part['numbers'], well: string): Part {
  const checks: Record<string, Check> = {};
  const findings: Finding[] = [];
  for (const [name, some] of Object.entries(found)) {
    checks[name] = checkOf(answers.get(name as ReadName), some);
    findings.push(...some);
  }
  const status = worst(Object.values(checks).map((check) => check.status));
  const cut = Object.keys(found).some((name) => isCut(answers.get(name as ReadName)));
  return {
    status,
    reason: reasonOf(status, checks, findings, well),
    checks,
    numbers: cut ? { ...numbers, cut } : numbers,
    findings,
  };
}

function reasonOf(status: Part['status'], checks: Part['checks'], findings: readonly Finding[], well: string): string {
  if (findings.length > 0) return summary(findings);
  const unseen = Object.entries(checks).filter(([, check]) => check.status === status && status !== 'ok');
  if (unseen.length === 0) return well;
  const [first] = unseen;
  return `${status === 'not-allowed' ? 'not allowed' : 'not known'}: ${unseen.map(([name]) => name).join(', ')}. ${first?.[1].reason ?? ''}`.trim();
}

/** `2 crash-loop, 1 pending`. */
export function summary(findings: readonly Finding[]): string {
  const [first, ...others] = findings;
  if (first && others.length === 0) return sentence(first);
  const counts = [...Map.groupBy(findings, ({ what }) => what)].map(([what, some]) => `${some.length} ${what}`);
  return counts.join(', ');
}

/** A finding in one line. */
export const sentence = ({ what, namespace, object, detail }: Finding): string =>
  `${what}: ${namespace === '' ? '' : `${namespace}/`}${object}${detail === '' ? '' : `, ${detail}`}`;

/** Makes findings of one part. */
export const finder =
  (part: PartName) =>
  (
    severity: Finding['severity'],
    what: What,
    { namespace, name, kind }: Pick<Row, 'namespace' | 'name' | 'kind'>,
    detail = '',
  ): Finding => ({
    severity,
    part,
    what,
    namespace,
    object: `${kind.toLowerCase()}/${name}`,
    detail: detail.length > MOST_DETAIL ? `${detail.slice(0, MOST_DETAIL)}…` : detail,
  });

const MOST_DETAIL = 300;
