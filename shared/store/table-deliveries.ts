import type { Clock } from '../clock.ts';
import type { Delivery } from './delivery.ts';
import type { Records } from './records.ts';
import { DELIVERY_ROWS, OUTBOX_PARTITION, readPlace, TOLD_PARTITION, type RowPlace } from './table-entities.ts';
import { inGroups, odata, PARALLEL, safeKey, sortable, type Row, type Rows, type StoredRow } from './table-rows.ts';

/** A delivery is stored within seconds of its row in the outbox; a row without one for this long was cut off by a crash. */
const ABANDONED_MS = 3_600_000;

/** A filter has at most 15 comparisons (learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities, "Supported query options"). */
const MOST_COMPARED = 12;

/** A delivery, in the partition of what it tells of, so that both are stored in one transaction. */
export const deliveryRow = (delivery: Delivery, partition: string): Row => ({
  partition,
  row: `${DELIVERY_ROWS}${safeKey(delivery.id)}`,
  columns: { version: String(delivery.version), body: JSON.stringify(delivery) },
});

/** By which it is found when it is due: there before the delivery, and gone after it. */
export const outboxRow = ({ id, webhook, due, createdAt }: Delivery, { partition, row }: RowPlace): Row => ({
  partition: OUTBOX_PARTITION,
  row: safeKey(id),
  columns: { partition, row, webhook, due: sortable(due), createdAt: sortable(createdAt) },
});

type Deliveries = Pick<Records, 'addDelivery' | 'dueDeliveries' | 'replaceDelivery' | 'dropDelivery'>;

export function createDeliveries(rows: Rows, clock: Clock): Deliveries {
  /** The stored delivery if it still has this version. */
  const find = async ({ id, version }: Delivery): Promise<StoredRow | undefined> => {
    const pointer = await rows.get(OUTBOX_PARTITION, safeKey(id));
    const place = pointer && readPlace(pointer);
    const stored = place && (await rows.get(place.partition, place.row));
    return stored?.columns['version'] === String(version) ? stored : undefined;
  };

  return {
    addDelivery: async (delivery) => {
      const row = deliveryRow(delivery, TOLD_PARTITION);
      if (await rows.get(row.partition, row.row)) return;
      await rows.put(outboxRow(delivery, row));
      await rows.insert(row);
    },

    dueDeliveries: async (now, limit, except = new Set()) => {
      const due: Delivery[] = [];
      const others = [...except].slice(0, MOST_COMPARED).map((webhook) => odata`webhook ne ${webhook}`);
      const found = rows.query(
        [odata`PartitionKey eq ${OUTBOX_PARTITION} and due le ${sortable(now)}`, ...others].join(' and '),
      );
      for await (const some of inGroups(toOthers(found, except), PARALLEL)) {
        const read = await Promise.all(some.map((pointer) => behind(rows, pointer, clock)));
        due.push(
          ...read.filter((one) => one !== undefined).filter((one) => one.due <= now && !except.has(one.webhook)),
        );
        if (due.length >= limit) break;
      }
      return due.slice(0, limit);
    },

    replaceDelivery: async (delivery) => {
      const stored = await find(delivery);
      if (!stored) return undefined;
      const next = { ...delivery, version: delivery.version + 1 };
      if ((await rows.replace(deliveryRow(next, stored.partition), stored.etag)) === undefined) return undefined;
      await rows.merge(outboxRow(next, stored));
      return next;
    },

    dropDelivery: async (delivery) => {
      const stored = await find(delivery);
      if (!stored || !(await rows.delete(stored.partition, stored.row, stored.etag))) return false;
      await rows.delete(OUTBOX_PARTITION, safeKey(delivery.id));
      return true;
    },
  };
}

/** What the filter had no room for is left out here, without a read of what it points to. */
async function* toOthers(pointers: AsyncIterable<StoredRow>, except: ReadonlySet<string>): AsyncIterable<StoredRow> {
  for await (const pointer of pointers) if (!except.has(pointer.columns['webhook'] ?? '')) yield pointer;
}

/** The delivery that a row of the outbox points to; a row that a crash left over is cleared away. */
async function behind(rows: Rows, pointer: StoredRow, clock: Clock): Promise<Delivery | undefined> {
  const { partition, row } = readPlace(pointer);
  const stored = await rows.get(partition, row);
  if (stored) return JSON.parse(stored.columns['body'] ?? '');
  if (Number(pointer.columns['createdAt']) < clock.now() - ABANDONED_MS)
    await rows.delete(pointer.partition, pointer.row);
  return undefined;
}
