import { StorageUnavailable } from './append-log.ts';
import type { CommandId } from '../lib/ids.ts';
import type { KeyClaim, Records } from './records.ts';
import { keyPartition, LEASE_PARTITION } from './table-entities.ts';
import type { RowPlace } from './table-entities.ts';
import { inGroups, odata, PARALLEL, safeKey, sortable } from './table-rows.ts';
import type { Rows, StoredRow } from './table-rows.ts';

/** Rounds of read and conditional write. Each lost one means that somebody else won. */
const MAX_ROUNDS = 10;

/** What only one may have at a time: idempotency keys and named leases. */
interface TableClaims extends Pick<Records, 'claimKey' | 'releaseKey' | 'lease' | 'releaseLease'> {
  /** Removes the claims of keys that expired by `now`; one that is claimed again meanwhile stays. */
  purgeKeys(now: number): Promise<void>;
}

export function createClaims(rows: Rows): TableClaims {
  /** Reads and writes one row until nobody comes between: `decide` gives the columns to write, or undefined to leave it. */
  const swap = async (
    { partition, row }: RowPlace,
    decide: (stored: StoredRow | undefined) => Readonly<Record<string, string>> | undefined,
  ): Promise<{ readonly won: true } | { readonly won: false; readonly stored: StoredRow }> => {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const stored = await rows.get(partition, row);
      const columns = decide(stored);
      if (columns === undefined) {
        if (stored === undefined) break;
        return { won: false, stored };
      }
      const next = { partition, row, columns };
      const etag = stored === undefined ? await rows.insert(next) : await rows.replace(next, stored.etag);
      if (etag !== undefined) return { won: true };
    }
    throw new StorageUnavailable(`row ${partition} is contended`);
  };

  /** Deletes one row that still belongs to the one who wrote it. */
  const deleteIf = async ({ partition, row }: RowPlace, isOurs: (stored: StoredRow) => boolean): Promise<void> => {
    const stored = await rows.get(partition, row);
    if (stored !== undefined && isOurs(stored)) await rows.delete(partition, row, stored.etag);
  };

  return {
    claimKey: async (claim, now) => {
      const swapped = await swap({ partition: keyPartition(claim.scope), row: safeKey(claim.scope) }, (stored) => {
        const by = stored && readClaim(stored);
        return by === undefined || by.expiresAt <= now || by.commandId === claim.commandId
          ? claimColumns(claim)
          : undefined;
      });
      return swapped.won ? { claimed: true } : { claimed: false, by: readClaim(swapped.stored) };
    },

    releaseKey: async ({ scope, commandId }) => {
      const place = { partition: keyPartition(scope), row: safeKey(scope) };
      await deleteIf(place, (stored) => stored.columns['commandId'] === commandId);
    },

    lease: async (name, holder, until, now) => {
      const swapped = await swap({ partition: LEASE_PARTITION, row: safeKey(name) }, (stored) => {
        const isFree =
          stored === undefined || stored.columns['holder'] === holder || Number(stored.columns['until']) <= now;
        return isFree ? { holder, until: sortable(until) } : undefined;
      });
      return swapped.won;
    },

    releaseLease: async (name, holder) => {
      await deleteIf(
        { partition: LEASE_PARTITION, row: safeKey(name) },
        (stored) => stored.columns['holder'] === holder,
      );
    },

    purgeKeys: async (now) => {
      const expired = odata`PartitionKey ge 'key:' and PartitionKey lt 'key;' and expiresAt le ${sortable(now)}`;
      for await (const some of inGroups(rows.query(expired), PARALLEL)) {
        await Promise.all(some.map(({ partition, row, etag }) => rows.delete(partition, row, etag)));
      }
    },
  };
}

const claimColumns = ({ scope, body, commandId, expiresAt }: KeyClaim): Readonly<Record<string, string>> => ({
  scope,
  body,
  commandId,
  expiresAt: sortable(expiresAt),
});

const readClaim = ({ columns }: StoredRow): KeyClaim => ({
  scope: columns['scope'] ?? '',
  body: columns['body'] ?? '',
  commandId: (columns['commandId'] ?? '') as CommandId,
  expiresAt: Number(columns['expiresAt']),
});
