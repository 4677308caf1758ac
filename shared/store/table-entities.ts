import { Problem } from '../errors.ts';
import { endedAt, isFinished, isFollower } from './records.ts';
import type { CommandRecord } from './records.ts';
import { safeKey, sortable } from './table-rows.ts';
import type { Row, StoredRow } from './table-rows.ts';

/**
 * How records lie in one table. No scan crosses callers:
 *
 *   cmd:<owner>  <time, newest first>:<id>   the record, filtered by cluster and status where it lies
 *   id:<id>      at                          where that is
 *   unfinished   <time>:<id>                 one for each record that is not finished: who carries it, what is in flight
 *   ended        <time of end>:<id>          one for each record that is, until its output is purged …
 *   kept         <time of end>:<id>          … and then, until the record itself is
 *   key:<2 hex>  <scope>                     claims of idempotency keys
 *   lease        <name>
 *   cmd:<owner>  dlv:<id>                    what a webhook is to be told of a record's end
 *   jobs-told    dlv:<id>                    … or of a job
 *   outbox       <id>                        one for each of these: when it is due, and where it is
 *   note         <name>                      small texts of the gateway's own (the state of a job)
 *
 * A transaction spans one partition only, so the rows about a record are written in an order that a crash may cut anywhere:
 * `unfinished` is there before the record and goes after it has finished, `ended` is there before. What is left over is found
 * out when it is read, against the record itself, and cleared away.
 */
export interface RowPlace {
  readonly partition: string;
  readonly row: string;
}

/** Far beyond any time in milliseconds, and within safe integers. */
const LAST_TIME = 8_640_000_000_000_000;

/** 64 KiB a property, which is 32 Ki characters of UTF-16, and 1 MiB an entity (Azure Tables' limits). */
const CHUNK_LENGTH = 30_000;
const MAX_CHUNKS = 15;

export const ownerPartition = (owner: string): string => `cmd:${safeKey(owner)}`;

export const timeRow = (submittedAt: number, id: string): string =>
  `${sortable(LAST_TIME - submittedAt)}:${safeKey(id)}`;

export const placeOf = ({ owner, submittedAt, id }: Pick<CommandRecord, 'owner' | 'submittedAt' | 'id'>): RowPlace => ({
  partition: ownerPartition(owner),
  row: timeRow(submittedAt, id),
});

/**
 * @param write a random mark of this very write: after a lost answer it tells whether the one that is stored is ours.
 * Throws Problem `payload-too-large` for a record that no row can hold.
 */
export function recordRow(record: CommandRecord, write: string): Row {
  // ASCII, so that a chunk never ends inside a character.
  const text = JSON.stringify(record).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const count = Math.ceil(text.length / CHUNK_LENGTH);
  if (count > MAX_CHUNKS)
    throw new Problem('payload-too-large', 'The command is longer than the store of records can hold.');
  const chunks = Array.from({ length: count }, (_, index) => [
    `body${index}`,
    text.slice(index * CHUNK_LENGTH, (index + 1) * CHUNK_LENGTH),
  ]);
  return {
    ...placeOf(record),
    columns: { cluster: record.cluster, status: record.status, write, ...Object.fromEntries(chunks) },
  };
}

/** The text was written by recordRow. */
export function readRecord({ columns }: StoredRow): CommandRecord {
  let text = '';
  for (let index = 0; index < MAX_CHUNKS; index += 1) text += columns[`body${index}`] ?? '';
  return JSON.parse(text);
}

export const pointerRow = (record: CommandRecord, write: string): Row => {
  const { partition, row } = placeOf(record);
  return { partition: `id:${safeKey(record.id)}`, row: 'at', columns: { partition, row, write } };
};

export const readPlace = ({ columns }: Row): RowPlace => ({
  partition: columns['partition'] ?? '',
  row: columns['row'] ?? '',
});

export const UNFINISHED_PARTITION = 'unfinished';

/**
 * `status` is a hint, a little late at worst: before acting on it, read the record. Of a batch only the first step has one, so that
 * the batch counts once.
 */
export const unfinishedRow = (record: CommandRecord): Row => ({
  partition: UNFINISHED_PARTITION,
  row: `${sortable(record.submittedAt)}:${safeKey(record.id)}`,
  columns: {
    ...placeOf(record),
    owner: record.owner,
    cluster: record.cluster,
    status: isFollower(record) ? '' : record.status,
    submittedAt: sortable(record.submittedAt),
  },
});

export const ENDED_PARTITION = 'ended';

const endedRow = (record: CommandRecord): Row => ({
  partition: ENDED_PARTITION,
  row: `${sortable(endedAt(record))}:${safeKey(record.id)}`,
  columns: { ...placeOf(record), id: record.id },
});

export const KEPT_PARTITION = 'kept';

/** The row that says what is to come of a record: it is run, or it has ended. */
export const stateRow = (record: CommandRecord): Row => (isFinished(record) ? endedRow(record) : unfinishedRow(record));

/** Spread over 256 partitions, so that claims do not queue behind each other. */
export const keyPartition = (scope: string): string => `key:${safeKey(scope.slice(0, 2))}`;

/** Deliveries lie behind the records of their owner, whose rows begin with a digit. */
export const DELIVERY_ROWS = 'dlv:';
export const TOLD_PARTITION = 'jobs-told';
export const OUTBOX_PARTITION = 'outbox';

export const LEASE_PARTITION = 'lease';
