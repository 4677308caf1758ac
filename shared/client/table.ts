import { oneLine } from './host.ts';

/** Columns as kubectl prints them, two spaces or more apart. No cell makes a row of its own. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map(oneLine))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join('');
}

/** A title and a text on each line. */
export const pairs = (rows: readonly (readonly string[])[]): string =>
  rows.map(([title = '', text = '']) => `${oneLine(title).padEnd(10)} ${oneLine(text) || '-'}\n`).join('');
