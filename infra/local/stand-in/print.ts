import { at, count, list, text, type Json, type JsonObject } from '../kubernetes/json.ts';

/** A server-side Table and the name under which its rows are printed when there are several. */
export interface Printed {
  readonly title: string;
  readonly body: JsonObject;
}

/** Tables as kubectl prints them: upper-case heads, three spaces between columns and none narrower than six; '' when no table has a row. */
export function printTables(
  tables: readonly Printed[],
  options: { wide: boolean; namespaces: boolean; headers: boolean },
): string {
  const filled = tables.filter(({ body }) => list(body['rows']).length > 0);
  return filled
    .map(({ title, body }) => {
      const columns = list(body['columnDefinitions']);
      const shown = columns.flatMap((column, index) =>
        options.wide || count(at(column, 'priority')) === 0 ? [index] : [],
      );
      const heads = shown.map((index) => text(at(columns[index], 'name')).toUpperCase());
      const rows = list(body['rows']).map((row) => {
        const cells = shown.map((index) => text(at(row, 'cells', index)));
        if (tables.length > 1) cells[0] = `${title}/${cells[0] ?? ''}`;
        return options.namespaces ? [text(at(row, 'object', 'metadata', 'namespace')), ...cells] : cells;
      });
      return align([...(options.headers ? [options.namespaces ? ['NAMESPACE', ...heads] : heads] : []), ...rows]);
    })
    .join('\n');
}

/** `NAME:.metadata.name,…` as `-o custom-columns` prints it; of JSONPath plain fields alone. */
export function printColumns(spec: string, objects: readonly Json[], options: { headers: boolean }): string {
  const columns = spec.split(',').map((column) => {
    const [head = '', path = ''] = column.split(':');
    return { head, path: path.split('.').slice(1) };
  });
  const rows = objects.map((object) => columns.map(({ path }) => text(at(object, ...path), '<none>')));
  return align([...(options.headers ? [columns.map(({ head }) => head)] : []), ...rows]);
}

function align(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(Math.max(6, (widths[column] ?? 0) + 3)))).join('')}\n`,
    )
    .join('');
}
