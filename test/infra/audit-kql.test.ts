import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventCodes, type EventName } from '../../shared/audit/events.ts';
import { lineSchemas } from '../../shared/audit/schemas.ts';
import { siemRow } from '../../shared/audit/sinks/siem.ts';

/**
 * There is no Kusto engine here. So each query is read as a pipeline, and every column, member and code that it names must be there at
 * that point: the columns of the row that is sent (siemRow), the members of the events' schemas, and what the steps before it made.
 */
const text = readFileSync(join(import.meta.dirname, '../../infra/monitoring/audit.kql'), 'utf8');

/** learn.microsoft.com/azure/azure-monitor/reference/tables/azureactivity: of its columns, those that are used. */
const AZURE_ACTIVITY = ['TimeGenerated', 'OperationNameValue', 'CorrelationId', 'Caller'];
const TABLES: Readonly<Record<string, readonly string[]>> = {
  AksGatewayAudit_CL: Object.keys(siemRow({})),
  AzureActivity: AZURE_ACTIVITY,
};
const FUNCTIONS = new Set(
  'arg_min bin coalesce count iff isempty make_set max min prev strcat_array sum toint tostring'.split(' '),
);
const WORDS = new Set(['and', 'or', 'in', 'asc', 'desc', 'by']);

const names = new Map(Object.entries(eventCodes).map(([name, code]) => [code as string, name as EventName]));

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
}

/** Whether a value of that schema may have a member at that path; `[]` goes into a list. */
function has(schema: Schema | undefined, [first, ...rest]: readonly string[]): boolean {
  if (!schema) return false;
  if (schema.anyOf) return schema.anyOf.some((one) => has(one, [first ?? '', ...rest]));
  if (first === undefined) return true;
  const next = first === '[]' ? schema.items : schema.properties?.[first];
  return next !== undefined && (rest.length === 0 || has(next, rest));
}

/** Splits at a separator that stands outside of brackets and strings. */
function split(source: string, separator: string): readonly string[] {
  const parts = [''];
  let depth = 0;
  let quoted = false;
  for (const character of source) {
    if (character === '"') quoted = !quoted;
    if (!quoted && '([{'.includes(character)) depth += 1;
    if (!quoted && ')]}'.includes(character)) depth -= 1;
    if (character === separator && depth === 0 && !quoted) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${character}`);
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function readQuery(query: string): void {
  const codes = [...query.matchAll(/"(AKG\w+)"/g)].map(([, code = '']) => code);
  const tables = new Map(Object.entries(TABLES));
  /** What a column of rows that were expanded stands for, within Event. */
  const expanded = new Map<string, readonly string[]>();
  for (const code of codes) if (!names.has(code)) throw new Error(`there is no code ${code}`);

  const check = (expression: string, columns: readonly string[]): void => {
    const bare = expression.replaceAll(/"[^"]*"/g, '""');
    for (const [word, path = '', call = ''] of bare.matchAll(/\b([A-Za-z_]\w*(?:\.\w+)*)(\s*\()?/g)) {
      const [column = '', ...members] = path.split('.');
      if (call !== '' ? FUNCTIONS.has(path) || path === 'in' : WORDS.has(path)) continue;
      if (call !== '' || !columns.includes(column)) throw new Error(`${word} is nothing at "${expression}"`);
      const inEvent = column === 'Event' ? members : [...(expanded.get(column) ?? []), ...members];
      if (members.length === 0 && column !== 'Event') continue;
      const known = codes.some((code) => has(lineSchemas.get(names.get(code) ?? 'recovered'), inEvent));
      if (!known) throw new Error(`no event of this query has ${path}`);
    }
  };
  /** `a = b, c`: names and expressions. */
  const list = (source: string, columns: readonly string[]): readonly string[] =>
    split(source, ',').flatMap((item) => {
      const [, name, expression = item] = /^(\w+)\s*=(?!=|~)\s*([\s\S]*)$/.exec(item) ?? [];
      check(expression, columns);
      const kept = /^arg_min\((.*)\)$/.exec(expression)?.[1];
      return kept === undefined ? [name ?? expression] : split(kept, ',');
    });

  const step = (columns: readonly string[], source: string): readonly string[] => {
    const [, operator = '', rest = ''] = /^([\w-]+)\s+([\s\S]*)$/.exec(source) ?? [];
    switch (operator) {
      case 'where':
        check(rest, columns);
        return columns;
      case 'order':
        check(rest.replace(/^by/, ''), columns);
        return columns;
      case 'extend':
        return [...columns, ...list(rest, columns)];
      case 'project':
        return list(rest, columns);
      case 'summarize': {
        const [what = '', by = ''] = rest.split(/\sby\s/);
        return [...list(what, columns), ...list(by, columns)];
      }
      case 'mv-expand': {
        const [, name = '', path = ''] = /^(\w+) = Event\.([\w.]+)$/.exec(rest) ?? [];
        check(`Event.${path}`, columns);
        expanded.set(name, [...path.split('.'), '[]']);
        return [...columns, name];
      }
      case 'join': {
        const [, right = '', on = ''] = /^kind=\w+ (\w+) on (\w+)$/.exec(rest) ?? [];
        const others = tables.get(right) ?? [];
        check(on, columns);
        check(on, others);
        // Of two columns of one name the right one gets another, and the left one is what the name stands for.
        const twice = others.filter((column) => column !== on && columns.includes(column));
        if (twice.length > 0) throw new Error(`${twice.join()} stands on both sides of a join`);
        return [...columns, ...others];
      }
      default:
        throw new Error(`no step is called ${operator}`);
    }
  };

  const rows = (source: string): readonly string[] => {
    const [first = '', ...steps] = split(source, '|');
    const parts = /^union\s+([\s\S]+)$/.exec(first)?.[1];
    const columns =
      parts === undefined
        ? tables.get(first)
        : split(parts, ',')
            .map((part) => rows(part.slice(1, -1)))
            .reduce((a, b) => a.filter((column) => b.includes(column)));
    if (!columns) throw new Error(`there is no table ${first}`);
    return steps.reduce(step, columns);
  };

  for (const statement of split(query, ';')) {
    const [, name, source = statement] = /^let (\w+) = ([\s\S]+)$/.exec(statement) ?? [];
    const columns = rows(source);
    if (columns.length === 0) throw new Error('a query without a column');
    if (name !== undefined) tables.set(name, columns);
  }
}

const queries = [...text.matchAll(/^\/\/ (\d+)\. (.+)\n([\s\S]+?)(?=^\/\/ \d|$(?![\s\S]))/gm)].map(
  ([, number = '', question = '', query = '']) => [Number(number), question, query] as const,
);

test('there are eleven questions', () => {
  expect(queries.map(([number]) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test.each(queries)('question %i, %s names only what is there', (_number, _question, query) => {
  readQuery(query);
});

test.each([
  ['a code', 'AksGatewayAudit_CL | where Code == "AKG999I"'],
  ['a column', 'AksGatewayAudit_CL | where Colour == "AKG300I"'],
  ['a member of no event', 'AksGatewayAudit_CL | where Code == "AKG300I" | project X = tostring(Event.colour)'],
  ['a member of another event', 'AksGatewayAudit_CL | where Code == "AKG305I" | project X = tostring(Event.reason)'],
  [
    'a member of what is expanded',
    'AksGatewayAudit_CL | where Code == "AKG300I" | mv-expand A = Event.attributes | project X = tostring(A.colour)',
  ],
  ['a column that was left behind', 'AksGatewayAudit_CL | project Code | where Seq > 1'],
  [
    'a column on both sides',
    'let o = AksGatewayAudit_CL | project CommandId, ExitCode; AksGatewayAudit_CL | join kind=leftouter o on CommandId',
  ],
  ['a function', 'AksGatewayAudit_CL | project X = colour(Code)'],
])('the reading of queries refuses %s that is not there', (_what, query) => {
  expect(() => readQuery(query)).toThrow();
});
