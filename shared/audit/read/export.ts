import type { AppendLog } from '../../store/append-log.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import { hashLine } from '../chain.ts';
import { eventCodes } from '../events.ts';
import { startMerge } from './merge.ts';
import { START, lineFrom, lineTime, seek } from './seek.ts';

export interface ExportOptions {
  /** Epoch ms: from `since` on, before `until`. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const checkpointMember = Buffer.from(`"code":"${eventCodes.checkpoint}"`, 'latin1');

/**
 * JSON Lines that verify by themselves (createExportLog, `partial`): the very lines of the trail, stream by stream, each with its
 * opening before them and up to the first checkpoint after `until`, whose signature covers them.
 */
export async function* exportLines(log: AppendLog, options: ExportOptions = {}): AsyncGenerator<string> {
  const { since = 0, until = Number.POSITIVE_INFINITY } = options;
  for (const stream of await log.streams()) {
    const opening = await lineFrom(log, stream, START);
    const from = await seek(log, stream, since);
    let begun = false;
    for await (const line of log.read(stream, from)) {
      options.signal?.throwIfAborted();
      if (!line.complete) continue;
      const time = lineTime(line.bytes) ?? 0;
      if (time >= until) {
        if (!begun) break;
        yield `${line.text}\n`;
        if (line.bytes.includes(checkpointMember)) break;
      } else if (time >= since || begun) {
        const first = line.position.segment === 0 && line.position.offset === 0;
        if (!begun && !first && opening) yield `${opening.text}\n`;
        begun = true;
        yield `${line.text}\n`;
      }
    }
  }
}

/** How a command ended stands in the rows of its caller and cluster, too. */
const subjectOf = (event: JsonObject): JsonObject => ({ ...(event['whose'] as JsonObject | undefined), ...event });

const columns: readonly (readonly [string, (event: JsonObject) => unknown])[] = [
  ...['time', 'code', 'stream', 'seq', 'hash', 'requestId', 'commandId'].map(
    (name) => [name, (event: JsonObject) => event[name]] as const,
  ),
  ...[
    ['tenant', 'principal', 'tid'],
    ['principal', 'principal', 'oid'],
    ['principalType', 'principal', 'idtyp'],
    ['application', 'principal', 'azp'],
    ['requestedBy', 'claimed', 'requestedBy'],
    ['ip', 'claimed', 'ip'],
    ['cluster', 'cluster', 'name'],
    ['exitCode', 'outcome', 'exitCode'],
  ].map(
    ([column = '', member = '', inner = '']) =>
      [column, (event: JsonObject) => (subjectOf(event)[member] as JsonObject | undefined)?.[inner]] as const,
  ),
  ...['decision', 'rule', 'reason', 'detail', 'argv'].map(
    (name) => [name, (event: JsonObject) => event[name]] as const,
  ),
];

/** CSV (RFC 4180) for people with spreadsheets, in the order of time; nothing in it is taken for a formula. */
export async function* exportCsv(log: AppendLog, options: ExportOptions = {}): AsyncGenerator<string> {
  const { since = 0, until = Number.POSITIVE_INFINITY } = options;
  yield `${columns.map(([name]) => name).join(',')}\r\n`;
  const merge = await startMerge(log, { since, until });
  try {
    for (let found = await merge.next(); found; found = await merge.next()) {
      options.signal?.throwIfAborted();
      if (found.time < since || found.time >= until) continue;
      const event = { ...(JSON.parse(found.line.text) as JsonObject), hash: hashLine(found.line.bytes) };
      yield `${columns.map(([, read]) => cell(read(event))).join(',')}\r\n`;
    }
  } finally {
    await merge.close();
  }
}

/** A value that a spreadsheet would run begins with an apostrophe (owasp.org/www-community/attacks/CSV_Injection). */
function cell(value: unknown): string {
  if (value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = /^[=+\-@\t\r]/.test(text) && typeof value === 'string' ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
