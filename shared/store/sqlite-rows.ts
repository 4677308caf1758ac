import type { SQLOutputValue } from 'node:sqlite';

import type { CommandId } from '../lib/ids.ts';
import type { Delivery } from './delivery.ts';
import { endedAt, isFinished } from './records.ts';
import type { CommandOutput, CommandRecord, InFlight, KeyClaim } from './records.ts';

/** What stands of a record in columns, and all of it as JSON in `body`. */
export const columns = (record: CommandRecord) => ({
  id: record.id,
  version: record.version,
  owner: record.owner,
  cluster: record.cluster,
  status: record.status,
  finished: isFinished(record) ? 1 : 0,
  submittedAt: record.submittedAt,
  endedAt: endedAt(record),
  body: body(record),
});

export const body = (record: CommandRecord): string => JSON.stringify(record);

export type Row = Record<string, SQLOutputValue>;

/** What stands in the body was written by `body` above, by this schema version. */
export const parseRecord = (row: Row): CommandRecord => JSON.parse(text(row, 'body'));

/** Undefined for a body that something else wrote: it must not hold up the others. */
export function readable(row: Row): CommandRecord | undefined {
  try {
    return parseRecord(row);
  } catch {
    return undefined;
  }
}

export const parseClaim = (row: Row | undefined): KeyClaim => ({
  scope: text(row, 'scope'),
  body: text(row, 'body'),
  commandId: text(row, 'command_id') as CommandId,
  expiresAt: number(row, 'expires_at'),
});

export const parseInFlight = (row: Row): InFlight => ({
  owner: text(row, 'owner'),
  cluster: text(row, 'cluster'),
  count: number(row, 'n'),
});

export const parseOutput = (row: Row): CommandOutput => ({
  stdout: bytes(row, 'stdout'),
  stderr: bytes(row, 'stderr'),
});

export const parseNote = (row: Row) => ({ version: number(row, 'version'), text: text(row, 'text') });

/** What stands of a delivery in columns. */
export const deliveryColumns = ({ id, version, due, ...rest }: Delivery) => ({
  id,
  version,
  due,
  body: JSON.stringify({ id, version, due, ...rest }),
});

export const parseDelivery = (row: Row): Delivery => JSON.parse(text(row, 'body'));

export const optional = <Result>(row: Row | undefined, read: (row: Row) => Result): Result | undefined =>
  row === undefined ? undefined : read(row);

export function text(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`);
  return value;
}

export function number(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`);
  return value;
}

function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value === null || typeof value !== 'object') throw new TypeError(`column ${column} is not bytes`);
  return value;
}
