import { odata } from '@azure/data-tables';
import type { TableClient, TableEntityResult } from '@azure/data-tables';

import { StorageUnavailable } from './append-log.ts';

/** A row by its keys, and its text columns. Every column here is text: numbers of different kinds do not compare in a filter. */
export interface Row {
  readonly partition: string;
  readonly row: string;
  readonly columns: Readonly<Record<string, string>>;
}

export interface StoredRow extends Row {
  readonly etag: string;
}

/** One Azure table. What is foreseen (there already, not there, changed) is a value; all else is StorageUnavailable. */
export interface Rows {
  get(partition: string, row: string): Promise<StoredRow | undefined>;
  /** Undefined when the row is there already; else its etag. */
  insert(row: Row): Promise<string | undefined>;
  /** Undefined when the row is not there, or not as `etag` says; else its new etag. */
  replace(row: Row, etag: string): Promise<string | undefined>;
  /** As `replace`, and inserts another row of the same partition with it, both or none. */
  replaceAndInsert(row: Row, etag: string, other: Row): Promise<string | undefined>;
  /** Writes the columns given, and leaves the others; nothing happens when the row is not there. */
  merge(row: Row): Promise<void>;
  put(row: Row): Promise<void>;
  /** False when the row is not there, or not as `etag` says. */
  delete(partition: string, row: string, etag?: string): Promise<boolean>;
  /** In the order of partition and row; fetched page by page as they are asked for. */
  query(filter: string, options?: { pageSize?: number; select?: readonly string[] }): AsyncIterable<StoredRow>;
}

/**
 * What is foreseen, by its code (learn.microsoft.com/rest/api/storageservices/table-service-error-codes). The status alone is not
 * enough: 404 is also TableNotFound, and 409 TableBeingDeleted, and a store that is gone must never look like an empty one.
 */
const absent = { status: 404, code: 'ResourceNotFound' };
const there = { status: 409, code: 'EntityAlreadyExists' };
const changed = { status: 412, code: 'UpdateConditionNotSatisfied' };

/** The largest page that the Tables service gives. */
const MAX_PAGE_SIZE = 1000;

export function createRows(client: TableClient): Rows {
  return {
    get: (partition, row) =>
      unless([absent], undefined, async () => fromEntity(await client.getEntity(partition, row))),
    insert: (row) => unless([there], undefined, async () => given((await client.createEntity(toEntity(row))).etag)),
    replace: (row, etag) =>
      unless([absent, changed], undefined, async () =>
        given((await client.updateEntity(toEntity(row), 'Replace', { etag })).etag),
      ),
    replaceAndInsert: (row, etag, other) =>
      unless([absent, changed, there], undefined, async () => {
        const { subResponses } = await client.submitTransaction([
          ['update', toEntity(row), 'Replace', { etag }],
          ['create', toEntity(other)],
        ]);
        return given(subResponses[0]?.etag);
      }),
    merge: (row) =>
      unless([absent], undefined, async () => {
        await client.updateEntity(toEntity(row), 'Merge', { etag: '*' });
      }),
    put: (row) =>
      unless([], undefined, async () => {
        await client.upsertEntity(toEntity(row), 'Replace');
      }),
    delete: (partition, row, etag = '*') =>
      unless([absent, changed], false, async () => {
        await client.deleteEntity(partition, row, { etag });
        return true;
      }),
    query: (filter, options) => query(client, filter, options),
  };
}

async function* query(
  client: TableClient,
  filter: string,
  options: { pageSize?: number; select?: readonly string[] } = {},
): AsyncIterable<StoredRow> {
  const select = options.select && ['PartitionKey', 'RowKey', ...options.select];
  const pages = client
    .listEntities({ queryOptions: { filter, ...(select && { select }) } })
    .byPage({ maxPageSize: Math.min(options.pageSize ?? MAX_PAGE_SIZE, MAX_PAGE_SIZE) });
  for (;;) {
    const page = await unless([], undefined, async () => pages.next());
    if (page?.done !== false) return;
    for (const entity of page.value) yield fromEntity(entity);
  }
}

/** Runs one request; an answer that is foreseen gives `instead`, any other failure StorageUnavailable. */
async function unless<Result, Instead>(
  foreseen: readonly (typeof absent)[],
  instead: Instead,
  request: () => Promise<Result>,
): Promise<Result | Instead> {
  try {
    return await request();
  } catch (error) {
    const code = codeOf(error);
    if (foreseen.some((one) => one.code === code && one.status === statusOf(error))) return instead;
    throw new StorageUnavailable(`Azure Tables did not do it: ${describeError(error)}${hintOn(code)}`);
  }
}

/** Made at each start; one that is gone since was deleted, with everything in it, and only a person can say what is right then. */
export const hintOn = (code: string | undefined): string =>
  code !== undefined && /^(?:Table|Container)(?:NotFound|BeingDeleted)$/.test(code)
    ? '. It was deleted under the running gateway, with what it held: restore it, or restart the gateway, which makes an empty one'
    : '';

/** The service's own word for what was wrong: in the body of Tables, in a header of Blobs, which have no body to a HEAD. */
export function codeOf(error: unknown): string | undefined {
  const { code, details, response } = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly code?: unknown;
    readonly details?: { readonly odataError?: { readonly code?: unknown }; readonly errorCode?: unknown };
    readonly response?: {
      readonly headers?: { get(name: string): string | undefined };
      readonly parsedBody?: { readonly odataError?: { readonly code?: unknown } };
    };
  };
  const found = [
    details?.odataError?.code,
    response?.parsedBody?.odataError?.code,
    code,
    details?.errorCode,
    response?.headers?.get('x-ms-error-code'),
  ];
  return found.find((one): one is string => typeof one === 'string' && one !== '');
}

/** An empty If-Match is not a condition at all: without an etag nothing may go on. */
function given(etag: string | undefined): string {
  if (etag === undefined || etag === '') throw new Error('the answer has no etag');
  return etag;
}

function statusOf(error: unknown): number | undefined {
  const status: unknown =
    typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}

/**
 * What an operator needs of a failed request. The error itself becomes no cause: a RestError carries the request, and with it
 * what was to be stored. Where nothing answered, its message says why (DNS, refused, no credential).
 */
export function describeError(error: unknown): string {
  const status = statusOf(error);
  const known: (string | number)[] = [status, codeOf(error)].filter((part) => part !== undefined);
  if (status === undefined && error instanceof Error) known.push(error.message);
  return known.join(' ');
}

const toEntity = ({
  partition,
  row,
  columns,
}: Row): { partitionKey: string; rowKey: string } & Record<string, string> => ({
  ...columns,
  partitionKey: partition,
  rowKey: row,
});

function fromEntity(entity: TableEntityResult<Record<string, unknown>>): StoredRow {
  const { partitionKey = '', rowKey = '', etag, ...rest } = entity;
  const columns = Object.entries(rest).filter((column): column is [string, string] => typeof column[1] === 'string');
  return { partition: partitionKey, row: rowKey, etag, columns: Object.fromEntries(columns) };
}

/** Keys may not hold / \ # ? nor control characters (learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). */
export const safeKey = (text: string): string =>
  text.replace(/[^A-Za-z0-9:._-]/gu, (character) => `=${character.codePointAt(0)?.toString(16)};`);

/** A time, or anything else from 0 to 10^16, so that text compares as numbers do. */
export const sortable = (value: number): string => String(Math.max(0, Math.trunc(value))).padStart(16, '0');

export { odata };

/** Requests to Tables that one sweep or purge has under way at a time. */
export const PARALLEL = 8;

/** Items in groups of at most `size`, in their order. */
export async function* inGroups<Item>(items: AsyncIterable<Item>, size: number): AsyncIterable<readonly Item[]> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
