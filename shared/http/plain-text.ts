import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { BatchResult } from '../gateway/read-batch.ts';
import type { CommandResult } from '../gateway/read-results.ts';

/** Whether a caller would rather have plain text than JSON (RFC 9110, section 12.5.1): of the ranges that fit a type the most specific weighs it; JSON between equals. */
export function wantsText(accept: string | undefined): boolean {
  if (!accept) return false;
  const ranges = new Map(accept.toLowerCase().split(',').map(rangeOf));
  const quality = (type: string, subtype: string): number =>
    ranges.get(`${type}/${subtype}`) ?? ranges.get(`${type}/*`) ?? ranges.get('*/*') ?? 0;
  return quality('text', 'plain') > quality('application', 'json');
}

/** A media range and its weight; parameters other than q choose nothing here. */
function rangeOf(item: string): readonly [string, number] {
  const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
  const q = parameters.find((parameter) => parameter.startsWith('q='));
  return [name, q === undefined ? 1 : Number(q.slice(2)) || 0];
}

/** Status by which a shell script tells that a command did not complete: the body alone might look like empty success. */
const statusOf = { accepted: 202, submitting: 202, running: 202, completed: 200, failed: 502, unknown: 504 } as const;

/** Of a completed command whose output is not there: neither empty success nor one that did not run. */
const GONE = 410;

/**
 * What a shell would print that runs the steps one after the other: each one's stdout, then its stderr, and a line for each step that did
 * not run to its end. 200 and `Exit-Code` only when the pod ended and all outputs are there: the first code that is not 0.
 */
export function sendBatchText(reply: FastifyReply, { id, status, items }: BatchResult): FastifyReply {
  const gone = items.some(({ record, output }) => record.status === 'completed' && !output);
  reply
    .code(status === 'completed' && gone ? GONE : statusOf[status])
    .header('content-type', 'text/plain; charset=utf-8')
    .header('command-status', status);
  if (status === 'running')
    return reply.send(`running: not-finished: The batch is not finished; ask again at /v1/batches/${id}.\n`);
  if (status === 'completed' && !gone) {
    const codes = items.map(({ record }) => (record.status === 'completed' ? record.exitCode : 0));
    const skipped = items.some(({ record }) => record.status !== 'completed');
    reply.header('exit-code', String(codes.find((code) => code !== 0) ?? (skipped ? NOT_ALL_RAN : 0)));
    if (items.some(({ record }) => record.status === 'completed' && record.truncated))
      reply.header('truncated', 'true');
  }
  return reply.send(Readable.from(items.flatMap(partsOf), { objectMode: false }));
}

/** As the launcher ends when a step could not be started, and no other failed. */
const NOT_ALL_RAN = 255;

function partsOf({ record, output, lost }: CommandResult, step: number): readonly Uint8Array[] {
  if (output) return [output.stdout, output.stderr].filter(({ byteLength }) => byteLength > 0);
  const { code, message } = lost ?? ('failure' in record ? record.failure : { code: 'result-missing', message: '' });
  return [Buffer.from(`step ${step}: ${record.status}: ${code}: ${message}\n`)];
}

/** stdout, then stderr, as they came; 200 and `Exit-Code` only for a command that ran to its end and whose output is there. */
export function sendText(reply: FastifyReply, { record, output, lost }: CommandResult): FastifyReply {
  reply
    .code(record.status === 'completed' && !output ? GONE : statusOf[record.status])
    .header('content-type', 'text/plain; charset=utf-8')
    .header('command-status', record.status);
  if (record.status !== 'completed' || !output) {
    const unfinished = {
      code: 'not-finished',
      message: `The command is not finished; ask again at /v1/commands/${record.id}.`,
    };
    const { code, message } = lost ?? ('failure' in record ? record.failure : unfinished);
    return reply.send(`${record.status}: ${code}: ${message}\n`);
  }
  reply.header('exit-code', String(record.exitCode));
  if (record.truncated) reply.header('truncated', 'true');
  const parts = [output.stdout, output.stderr].filter(({ byteLength }) => byteLength > 0);
  reply.header('content-length', String(parts.reduce((sum, { byteLength }) => sum + byteLength, 0)));
  return reply.send(Readable.from(parts, { objectMode: false }));
}
