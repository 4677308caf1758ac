import type { JsonObject } from '../../lib/canonical-json.ts';
import { hashLine } from '../chain.ts';
import { startMerge } from './merge.ts';
import type { TimeRange } from './export.ts';
import type { StreamIndex } from './stream-index.ts';

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
export async function* exportCsv(index: StreamIndex, options: TimeRange = {}): AsyncGenerator<string> {
  const { since = 0, until = Number.POSITIVE_INFINITY } = options;
  yield `${columns.map(([name]) => name).join(',')}\r\n`;
  const merge = await startMerge(index, { since, until });
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

/** What begins a formula, after quotes and white space; in its full width form too, which Excel takes in Japanese and Chinese. */
const formula = /^[\s"']*[=+\-@|%＝＋－＠\t\r]/u;
/**
 * What ends a cell whatever quotes say: where the comma is the decimal sign, Excel splits a line at semicolons, and so takes the
 * quotes in the middle of its cell for text; a pasted line is split at tabs. Only what a word follows is left as it is.
 */
const laterCell = /[;\t\r\n](?=[^\p{L}\p{N} ]| [^\p{L}\p{N}])/gu;

/** A text that a spreadsheet would run gets an apostrophe before it (owasp.org/www-community/attacks/CSV_Injection). */
export function cell(value: unknown): string {
  if (value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const later = text.replace(laterCell, "$&'");
  const safe = typeof value !== 'number' && formula.test(text) ? `'${later}` : later;
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
