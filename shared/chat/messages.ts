import { quoteWords } from '../command/quote.ts';
import { ruleName } from '../config/rule-reference.ts';
import { problems, type ProblemCode } from '../errors.ts';
import type { ExplainedCommand } from '../gateway/explain-command.ts';
import type { BatchResult } from '../gateway/read-batch.ts';
import type { CommandResult } from '../gateway/read-results.ts';
import { describeAttributes } from '../kubernetes/attributes.ts';
import { isFinished, wasCancelled, type CommandRecord } from '../store/records.ts';
import { endsOf } from './cut.ts';
import type { Message } from './message.ts';

const linesOf = (...lines: readonly (string | undefined)[]) => ({
  head: lines.filter((line) => line !== undefined).flatMap((line) => line.split('\n')),
  tail: [],
  leftOut: 0,
});

/** A command, as it stands. `link` leads to its record. */
export function recordMessage({ record, output, lost }: CommandResult, link?: string): Message {
  const failure = lost ?? ('failure' in record ? record.failure : undefined);
  const body = output
    ? endsOf([output.stdout, output.stderr])
    : failure && linesOf(`${failure.code}: ${failure.message}`, nextOf(failure.code));
  return {
    outcome: outcomeOf(record),
    facts: [record.cluster, asTyped(record.argv), whoOf(record)],
    after: isFinished(record) ? secondsOf(record.finishedAt - record.submittedAt) : undefined,
    body,
    notes: record.warnings,
    link,
  };
}

/** A batch: how each step stands, and what the one printed that decided it. */
export function batchMessage({ status, items }: BatchResult, link?: string): Message {
  const [first] = items;
  const bad = items.find(({ record }) => record.status !== 'completed' || record.exitCode !== 0) ?? items.at(-1);
  const steps = items.map(({ record }, step) => `${step}: ${outcomeOf(record)} ${asTyped(record.argv)}`);
  const { head, tail, leftOut } = bad?.output ? endsOf([bad.output.stdout, bad.output.stderr]) : linesOf();
  return {
    outcome: batchOutcomes[status](items),
    facts: [first?.record.cluster, stepsOf(items.length), first && whoOf(first.record)],
    body: { head: [...steps, ...(head.length > 0 ? ['', ...head] : [])], tail, leftOut },
    notes: [...new Set(items.flatMap(({ record }) => record.warnings))],
    link,
  };
}

const batchOutcomes: Readonly<Record<BatchResult['status'], (items: BatchResult['items']) => string>> = {
  running: () => '⏳ running',
  completed: (items) =>
    items.every(({ record }) => record.status === 'completed' && record.exitCode === 0)
      ? '✅ done'
      : '❌ a step failed',
  failed: () => '🛑 did not run',
  unknown: () => '❓ may or may not have run',
};

/** What a problem says, and what to do next. */
export const problemMessage = (code: ProblemCode, detail: string): Message => ({
  outcome: `🛑 ${problems[code].title}`,
  facts: [code],
  body: linesOf(detail, '', nextOf(code)),
});

const nextOf = (code: string): string | undefined =>
  code in problems ? `Next: ${problems[code as ProblemCode].next}` : undefined;

/** What a command would be, and whether it may run. */
export function explainMessage({ cluster, invocation, decision, sent, verdicts }: ExplainedCommand): Message {
  const allowed = decision.verdict === 'allow';
  return {
    outcome: allowed ? '✅ allowed' : '🛑 not allowed',
    facts: [cluster.name, asTyped(sent.words)],
    body: linesOf(
      allowed ? `Allowed by ${ruleName(decision.rule)}.` : decision.explanation,
      ...verdicts.map(
        ({ attributes, verdict }) => `${verdict === 'allow' ? '+' : '-'} ${describeAttributes(attributes)}`,
      ),
    ),
    notes: invocation.warnings,
  };
}

/** A batch's steps together. */
export const explainBatchMessage = (steps: readonly ExplainedCommand[]): Message => {
  const denied = steps.findIndex(({ decision }) => decision.verdict === 'deny');
  return {
    outcome: denied === -1 ? '✅ allowed' : '🛑 not allowed',
    facts: [steps[0]?.cluster.name, stepsOf(steps.length)],
    body: linesOf(
      ...steps.map(
        ({ decision, sent }, step) =>
          `${step}: ${asTyped(sent.words)}: ${decision.verdict === 'allow' ? `allowed by ${ruleName(decision.rule)}` : decision.explanation}`,
      ),
    ),
  };
};

/** What people ask of jobs: the schedule, the next times, the last run. */
interface JobLine {
  readonly name: string;
  readonly schedule: string | null;
  readonly next: readonly string[];
  readonly lastRun: { readonly outcome: string; readonly at: string } | null;
  readonly suspended: { readonly why: string } | null;
}

export const jobsMessage = (jobs: readonly JobLine[]): Message => ({
  outcome: jobs.some(({ suspended }) => suspended) ? '⚠️ jobs' : '🗓️ jobs',
  facts: [`${jobs.length}`],
  body: linesOf(
    ...jobs.map(({ name, schedule, next, lastRun, suspended }) =>
      [
        `${name}: ${schedule ?? 'by hand'}`,
        next[0] === undefined ? undefined : `next ${next[0]}`,
        lastRun ? `last ${lastRun.outcome} at ${lastRun.at}` : 'never ran',
        suspended ? `suspended: ${suspended.why}` : undefined,
      ]
        .filter((part) => part !== undefined)
        .join(' | '),
    ),
  ),
});

function outcomeOf(record: CommandRecord): string {
  if (wasCancelled(record)) return '✋ cancelled';
  switch (record.status) {
    case 'completed':
      if (record.timedOut) return '⏱️ timed out';
      return record.exitCode === 0 ? '✅ done' : `❌ exit code ${record.exitCode}`;
    case 'failed':
      return '🛑 did not run';
    case 'unknown':
      return '❓ may or may not have run';
    case 'accepted':
    case 'submitting':
    case 'running':
      return '⏳ running';
  }
}

/** Whom the gateway knows for certain; else what the caller says, as its claim. */
function whoOf({ requester, requestedBy, principal }: CommandRecord): string {
  if (requester) return `by ${requester.kind} ${requester.oid}`;
  if (requestedBy !== undefined) return `says: ${requestedBy}`;
  return `by ${principal.kind} ${principal.oid}`;
}

const secondsOf = (ms: number): string => `${Math.max(0, ms / 1_000).toFixed(1)} s`;

/** As somebody would type it: quoted only where it has to be. */
const asTyped = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : quoteWords([word]))).join(' ');

const stepsOf = (count: number): string => `${count} ${count === 1 ? 'step' : 'steps'}`;
