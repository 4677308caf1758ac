import type { CommandResult } from '../gateway/read-results.ts';
import type { CommandOutputBody } from './schemas.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A record as the contract has it. Output that is not UTF-8 comes twice: exactly as Base64, and readably with replacement characters. */
export function recordBody({ record, output }: CommandResult): CommandOutputBody {
  const stdout = textOf(output?.stdout);
  const stderr = textOf(output?.stderr);
  return {
    id: record.id,
    cluster: record.cluster,
    argv: [...record.argv],
    status: record.status,
    exitCode: record.exitCode ?? null,
    stdout: stdout.text,
    stderr: stderr.text,
    ...(stdout.base64 !== undefined && { stdoutBase64: stdout.base64 }),
    ...(stderr.base64 !== undefined && { stderrBase64: stderr.base64 }),
    streams: record.streams,
    truncated: record.truncated,
    timedOut: record.timedOut,
    warnings: [...record.warnings],
    ...(record.failure && { failure: record.failure }),
    submittedAt: time(record.submittedAt),
    startedAt: record.startedAt === undefined ? null : time(record.startedAt),
    finishedAt: record.finishedAt === undefined ? null : time(record.finishedAt),
    reason: record.reason ?? null,
    requestedBy: record.requestedBy ?? null,
    principal: record.principal,
    decision: record.decision,
    azure: { commandId: record.azure?.commandId ?? null },
    receipt: record.receipt ?? null,
  };
}

const time = (ms: number): string => new Date(ms).toISOString();

function textOf(bytes: Uint8Array | undefined): { text: string; base64?: string } {
  if (!bytes) return { text: '' };
  try {
    return { text: utf8.decode(bytes) };
  } catch {
    return { text: Buffer.from(bytes).toString('utf8'), base64: Buffer.from(bytes).toString('base64') };
  }
}
