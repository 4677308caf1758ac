import type { CommandResult } from '../gateway/read-results.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import { isFinished, wasCancelled } from '../store/records.ts';
import type { CommandOutputBody } from './schemas.ts';

/** A record as the contract has it. Output that is not UTF-8 comes twice: exactly as Base64, and readably with replacement characters. */
export function recordBody({ record, output, lost, replayed = false }: CommandResult): CommandOutputBody {
  const completed = record.status === 'completed' ? record : undefined;
  const stdout = textOf(output?.stdout);
  const stderr = textOf(output?.stderr);
  return {
    id: record.id,
    cluster: record.cluster,
    argv: [...record.argv],
    status: record.status,
    exitCode: completed?.exitCode ?? null,
    stdout: stdout.text,
    stderr: stderr.text,
    ...(stdout.base64 !== undefined && { stdoutBase64: stdout.base64 }),
    ...(stderr.base64 !== undefined && { stderrBase64: stderr.base64 }),
    outputBytes: completed?.outputBytes ?? { stdout: 0, stderr: 0 },
    streams: completed?.streams ?? 'separate',
    truncated: lost !== undefined || (completed?.truncated ?? false),
    timedOut: completed?.timedOut ?? false,
    cancelled: wasCancelled(record),
    replayed,
    ...(completed?.settledBy && { settledBy: completed.settledBy }),
    warnings: [...record.warnings, ...(lost ? [lost.message] : [])],
    // Output that is not there is never an empty text alone.
    ...(lost && { failure: lost }),
    ...('failure' in record && { failure: record.failure }),
    submittedAt: time(record.submittedAt),
    startedAt: timeOrNull(completed?.startedAt),
    finishedAt: timeOrNull(isFinished(record) ? record.finishedAt : undefined),
    reason: record.reason ?? null,
    requestedBy: record.requestedBy ?? null,
    principal: record.principal,
    ...(record.requester && { requester: record.requester }),
    ...(record.job && { job: record.job.name }),
    decision: record.decision,
    ...(record.batch && { batch: record.batch.id }),
    azure: { commandId: ('azure' in record && record.azure?.commandId) || null },
    receipt: ('receipt' in record && record.receipt) || null,
  };
}

const time = (ms: number): string => new Date(ms).toISOString();
const timeOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : time(ms));

function textOf(bytes: Uint8Array | undefined): { text: string; base64?: string } {
  if (!bytes) return { text: '' };
  try {
    return { text: decodeUtf8(bytes) };
  } catch {
    return { text: Buffer.from(bytes).toString('utf8'), base64: Buffer.from(bytes).toString('base64') };
  }
}
