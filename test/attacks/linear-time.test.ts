import { describe, expect, test } from '@jest/globals';
import { parseIdempotencyKey } from '../../shared/admission/idempotency.ts';
import { interpret } from '../../shared/command/interpret.ts';
import { splitWords } from '../../shared/command/words.ts';
import { Problem } from '../../shared/errors.ts';
import { requestedCommand } from '../../shared/http/command-body.ts';
import { readStrictJson } from '../../shared/lib/strict-json.ts';
import { wantsText } from '../../shared/http/plain-text.ts';
import { readPrefer } from '../../shared/http/prefer.ts';
import { bearerToken } from '../../shared/identity/bearer.ts';
import { redactWords } from '../../shared/command/redact-words.ts';
import { redactText } from '../../shared/lib/redact.ts';
import { escapeText } from '../../shared/lib/safe-text.ts';

/**
 * Every reader of callers' text, with its worst text: one unit again and again, up to what the reader is ever given, alone, behind a start
 * and before an end. All of it has to take time in proportion: a reader that takes the square of it stops the gateway for everybody.
 * LINEAR_TIME=all takes every unit in every shape, up to the limit of a body; else it is a part of them, up to 64 KiB.
 */
const whole = process.env['LINEAR_TIME'] === 'all';
const WORD_BYTES = (whole ? 64 : 32) * 1024 - 64;
const BODY_BYTES = whole ? 8 * 1024 * 1024 : 64 * 1024;
const HEADER_BYTES = 32 * 1024;
/** The general reader of YAML stops here (yaml.ts). */
const GENERAL_BYTES = whole ? 64 * 1024 - 256 : 16 * 1024;

const context = { defaultNamespace: 'shop', resources: [] };
const run = (argv: string[], content?: string, path = 'a.yaml') =>
  interpret(
    { argv: ['kubectl', ...argv], files: content === undefined ? [] : [{ path, bytes: Buffer.from(content) }] },
    context,
  );
const helm = (argv: string[], files: Record<string, string> = {}) =>
  interpret(
    {
      argv: ['helm', ...argv],
      files: Object.entries(files).map(([path, content]) => ({ path, bytes: Buffer.from(content) })),
    },
    context,
  );

interface Reader {
  readonly name: string;
  readonly bytes: number;
  /** It may come to the general reader of YAML, which takes some ten times as long. */
  readonly dear?: boolean;
  read(text: string): unknown;
}

const readers: readonly Reader[] = [
  { name: 'a JSON body', bytes: BODY_BYTES, read: (text) => readStrictJson(Buffer.from(text)) },
  {
    name: 'a text in a JSON body',
    bytes: BODY_BYTES,
    read: (text) => readStrictJson(Buffer.from(JSON.stringify({ a: text }))),
  },
  {
    name: 'Base64 of a file',
    bytes: BODY_BYTES,
    read: (text) => requestedCommand('demo', { argv: ['kubectl'], files: [{ path: 'a', contentBase64: text }] }),
  },
  { name: 'the path of a file', bytes: 1024, read: (text) => run(['apply', '-f', text], '{}', text) },
  { name: 'a command line', bytes: BODY_BYTES, read: splitWords },
  {
    name: 'words to redact',
    bytes: WORD_BYTES,
    read: (text) => redactWords(['kubectl', 'run', text, `--env=${text}`, `--x=${text}`]),
  },
  { name: 'a line to redact', bytes: WORD_BYTES, read: (text) => redactWords(`kubectl run ${text}; x`) },
  { name: 'a text to redact', bytes: WORD_BYTES, read: redactText },
  { name: 'a text to escape', bytes: WORD_BYTES, read: escapeText },
  { name: 'Idempotency-Key', bytes: HEADER_BYTES, read: parseIdempotencyKey },
  { name: 'Prefer', bytes: HEADER_BYTES, read: readPrefer },
  { name: 'Accept', bytes: HEADER_BYTES, read: wantsText },
  { name: 'Authorization', bytes: HEADER_BYTES, read: (text) => bearerToken(`Bearer ${text}`) },
  { name: 'a resource', bytes: WORD_BYTES, read: (text) => run(['get', text]) },
  { name: 'a name', bytes: WORD_BYTES, read: (text) => run(['get', 'pods', text]) },
  { name: 'a flag', bytes: WORD_BYTES, read: (text) => run(['get', 'pods', `--${text}`]) },
  { name: 'short flags', bytes: WORD_BYTES, read: (text) => run(['get', 'pods', `-${text}`]) },
  {
    name: 'a selector',
    bytes: WORD_BYTES,
    read: (text) => run(['get', 'pods', '-l', text, `--field-selector=${text}`]),
  },
  { name: 'an output format', bytes: WORD_BYTES, read: (text) => run(['get', 'pods', '-o', text]) },
  {
    name: 'a time-out',
    bytes: WORD_BYTES,
    read: (text) => run(['wait', 'pod/a', '--for=delete', `--timeout=${text}`]),
  },
  { name: 'a number', bytes: WORD_BYTES, read: (text) => run(['scale', 'deploy/a', `--replicas=${text}`]) },
  { name: 'a patch', dear: true, bytes: WORD_BYTES, read: (text) => run(['patch', 'deploy/a', '-p', text]) },
  { name: 'a label', bytes: WORD_BYTES, read: (text) => run(['label', 'deploy/a', text]) },
  { name: 'an image', bytes: WORD_BYTES, read: (text) => run(['set', 'image', 'deploy/a', text]) },
  {
    name: 'a literal',
    bytes: WORD_BYTES,
    read: (text) => run(['create', 'secret', 'generic', 'a', `--from-literal=${text}`]),
  },
  { name: 'a manifest', dear: true, bytes: BODY_BYTES, read: (text) => run(['apply', '-f', 'a.yaml'], text) },
  {
    name: 'a manifest that takes all of YAML',
    dear: true,
    bytes: GENERAL_BYTES,
    read: (text) => run(['apply', '-f', 'a.yaml'], `# &a\n${text}`),
  },
  { name: 'a chart', bytes: WORD_BYTES, read: (text) => helm(['install', 'a', text]) },
  { name: "helm's --set", bytes: WORD_BYTES, read: (text) => helm(['install', 'a', './c', `--set=${text}`], chart()) },
  {
    name: "helm's --set-file",
    bytes: WORD_BYTES,
    read: (text) => helm(['install', 'a', './c', `--set-file=${text}`], chart()),
  },
  {
    name: 'Chart.yaml',
    dear: true,
    bytes: GENERAL_BYTES,
    read: (text) => helm(['install', 'a', './c'], { 'c/Chart.yaml': text }),
  },
  {
    name: 'a template',
    bytes: BODY_BYTES,
    read: (text) => helm(['install', 'a', './c'], { ...chart(), 'c/templates/a.yaml': text }),
  },
  {
    name: 'a schema',
    bytes: BODY_BYTES,
    read: (text) => helm(['install', 'a', './c'], { ...chart(), 'c/values.schema.json': text }),
  },
];

const chart = () => ({ 'c/Chart.yaml': 'name: c\nversion: 1.0.0\n' });

/** Letters and digits are all alike to nearly every reader. */
const printable = Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at)).filter(
  (character) => whole || !/[b-zB-Z1-9]/.test(character),
);
const units: readonly string[] = [
  ...printable,
  '\n', '\r\n', '\t', '\u00e9', '\u{1f600}', '- ', '-\n', 'a: ', 'a:\n', '[]', '{}', '[[],', '{a: ', '&a ', '*a ', '!a ',
  '|\n', '|2\n a\n', '- |2\n   x\n', '>\n', ' #', '\\"', '\\n', "''", '""', '-eyJ', 'eyJ', '--', '{{', '}}', '{{/*', '$ref', '":"',
  'pass=', 'secret ', ' =', ': ', ', ', '; ', '=1,', '=a b', '1s', '0.', '0x', '://', ':@', '-----BEGIN ', '---\n', '...\n', 'bearer ', '%s', '/.', './',
]; // prettier-ignore
const shapes: readonly ((body: string) => string)[] = [
  (body) => body,
  (body) => `${body}x`,
  (body) => `"${body}`,
  (body) => `a: ${body}!`,
];

/** CPU milliseconds; what is refused has been read. */
function cost(read: () => unknown): number {
  const before = process.cpuUsage();
  try {
    read();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The least of three: what else the machine does only adds. */
const least = (read: () => unknown): number => Math.min(cost(read), cost(read), cost(read));

/**
 * Four times the text takes four times as long when the time is in proportion, and sixteen times as long when it goes with the square. Of
 * what takes little longer than it may nothing is said: collecting the garbage of other tests takes as long.
 */
function isSquare(read: (units: number) => unknown, units: number, budget: number): boolean {
  const whole = least(() => read(units));
  return whole > 3 * budget && whole > 9 * least(() => read(Math.floor(units / 4)));
}

describe('the time that callers\u2019 text takes', () => {
  test.each(readers.map((reader) => [reader.name, reader] as const))(
    'is in proportion to it: %s',
    (_name, { bytes, read, dear = false }) => {
      const slow: string[] = [];
      for (const unit of units) {
        for (const [at, shape] of shapes.entries()) {
          if (!whole && (at + units.indexOf(unit)) % shapes.length !== 0) continue;
          const count = Math.floor((bytes - 8) / Buffer.byteLength(unit));
          const readUnits = (units: number) => read(shape(unit.repeat(units)));
          const ms = cost(() => readUnits(count));
          // Above the budget it may be a busy machine: then the lengths are compared.
          const budget = (40 + bytes / 1000) * (dear ? 6 : 1);
          if (ms > budget && isSquare(readUnits, count, budget))
            slow.push(`${JSON.stringify(unit)} in shape ${at}: ${Math.round(ms)} ms`);
        }
      }
      expect(slow).toEqual([]);
    },
    120_000,
  );
});
