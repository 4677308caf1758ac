import type { BatchResult } from '../gateway/read-batch.ts';
import type { CommandResult } from '../gateway/read-results.ts';
import { redactText } from '../lib/redact.ts';
import type { Answer } from './answers.ts';
import type { Run } from './parts/reachability.ts';
import { readsOf, type Read, type ReadName } from './reads.ts';
import { readRows } from './rows.ts';

/** What a batch of reads brought: an answer for each read that was in it, and how the pod did. */
export interface BatchReading {
  readonly answers: ReadonlyMap<ReadName, Answer>;
  readonly run: Run;
}

/** Reads are told by the words of their commands: so a batch that another process started can be read as well. */
export function readLook({ status, items }: BatchResult): BatchReading {
  const answers = new Map<ReadName, Answer>();
  for (const item of items) {
    const reads = readsOf(item.record.argv);
    for (const [name, answer] of answersOf(item, reads)) answers.set(name, answer);
  }
  return { answers, run: status === 'running' ? notYet : runOf(items) };
}

const notYet: Run = { kind: 'not-run', code: 'not-finished', message: 'The look has not ended in time.' };

function runOf(items: BatchResult['items']): Run {
  const records = items.map(({ record }) => record);
  const ran = records.find((record) => record.status === 'completed');
  if (!ran) {
    const [first] = records;
    const failure = first && 'failure' in first ? first.failure : { code: 'unknown', message: 'Nobody knows why.' };
    return { kind: 'not-run', code: failure.code, message: failure.message };
  }
  const { submittedAt, startedAt, finishedAt } = ran;
  // Azure's times are whole seconds, the gateway's are not.
  const seconds = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : Math.max(0, (to - from) / 1_000);
  return {
    kind: 'ran',
    startSeconds: seconds(submittedAt, startedAt),
    totalSeconds: seconds(submittedAt, finishedAt),
    runSeconds: seconds(startedAt, finishedAt),
  };
}

type Answered = readonly (readonly [ReadName, Answer])[];

function answersOf({ record, output, lost }: CommandResult, reads: readonly Read[]): Answered {
  const all = (answer: Answer): Answered => reads.map(({ name }) => [name, answer] as const);
  if (record.status !== 'completed') {
    const reason = 'failure' in record ? record.failure.message : 'It has not ended.';
    return all({ kind: 'unknown', reason });
  }
  if (!output) return all({ kind: 'unknown', reason: lost?.message ?? 'Its output is missing.' });
  if (record.timedOut) return all({ kind: 'unknown', reason: 'The API server did not answer in time.' });
  const stdout = text(output.stdout);
  const stderr = text(output.stderr);
  if (reads.some(({ list }) => list === undefined)) return all(textAnswer(stdout, stderr, record.exitCode));
  return listAnswers(stdout, stderr, record, reads);
}

const decoder = new TextDecoder();
const text = (bytes: Uint8Array): string => decoder.decode(bytes);

/** `Error from server (Forbidden): pods is forbidden: User …`, as kubectl prints what the API server refuses. */
const forbiddenPattern = /^Error from server \(Forbidden\): (?:(\S+) is forbidden|forbidden): /;

function listAnswers(
  stdout: string,
  stderr: string,
  { exitCode, truncated }: { readonly exitCode: number; readonly truncated: boolean },
  reads: readonly Read[],
): Answered {
  const complaints =
    exitCode === 0 ? [] : stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Warning:'));
  const forbidden = new Map(
    complaints.flatMap((line) => {
      const resource = forbiddenPattern.exec(line)?.[1];
      return resource === undefined ? [] : [[resource, line] as const];
    }),
  );
  const [other] = complaints.filter((line) => !forbiddenPattern.test(line));
  const rows = Map.groupBy(readRows(stdout, truncated), ({ kind }) => kind);
  return reads.map(({ name, list }): readonly [ReadName, Answer] => {
    const refusal = forbidden.get(list?.resource ?? '');
    if (refusal !== undefined) return [name, { kind: 'not-allowed', reason: line(refusal) }];
    if (exitCode !== 0 && (other !== undefined || forbidden.size === 0))
      return [name, { kind: 'unknown', reason: line(other ?? `kubectl ended with ${exitCode}`) }];
    return [name, { kind: 'rows', rows: rows.get(list?.kind ?? '') ?? [], cut: truncated }];
  });
}

/** What a health endpoint says when a check fails comes as an error of kubectl's, its lines in one (client-go, rest/request.go). */
function textAnswer(stdout: string, stderr: string, exitCode: number): Answer {
  if (exitCode === 0) return { kind: 'text', text: stdout, failed: false };
  if (forbiddenPattern.test(stderr)) return { kind: 'not-allowed', reason: line(stderr) };
  if (/\[-\]|check failed|\((?:InternalError|ServiceUnavailable)\)/.test(stderr))
    return { kind: 'text', text: `${stdout}\n${stderr}`.replaceAll('\\n', '\n'), failed: true };
  return { kind: 'unknown', reason: line(stderr) };
}

const line = (words: string): string => redactText((words.split('\n')[0] ?? '').slice(0, 300));
