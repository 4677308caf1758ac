/** An object as a template printed it (templates.ts). Missing fields are ''. */
export interface Row {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** What stands behind the name. */
  readonly fields: readonly string[];
}

/** What stands for a member that an object does not have, where a template prints it bare. */
const NOTHING = '<no value>';

/** The rows of a read. The last line of an output that was cut is not whole, so it is left out. */
export function readRows(text: string, cut: boolean): readonly Row[] {
  const lines = text.split('\n');
  // Behind the last newline stands nothing, or what was cut.
  const whole = lines.slice(0, -1);
  const last = lines.at(-1) ?? '';
  return (cut || last === '' ? whole : lines).map(readRow);
}

function readRow(line: string): Row {
  const [kind = '', namespace = '', name = '', ...fields] = line.split('|');
  return { kind, namespace: bare(namespace), name, fields: fields.map(bare) };
}

const bare = (field: string): string => (field === NOTHING ? '' : field.replaceAll(NOTHING, ''));

/** Text that went through `urlquery`, which is Go's url.QueryEscape. What does not decode is shown as it came. */
export function decoded(field: string): string {
  try {
    return decodeURIComponent(field.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return field;
    throw error;
  }
}

/** Parts behind each `;`. */
export const items = (field: string): readonly string[] => field.split(';').filter((item) => item !== '');

/** A count; 0 for what is not there or not a number. */
export const count = (field: string | undefined): number => {
  const value = Number(field ?? '');
  return Number.isSafeInteger(value) ? value : 0;
};

/** Epoch milliseconds. */
export function time(field: string | undefined): number | undefined {
  const value = Date.parse(field ?? '');
  return Number.isNaN(value) ? undefined : value;
}
