import type { Clock } from '../clock.ts';
import type { StorageUnavailable } from './append-log.ts';
import type { Records } from './records.ts';

/** Records over one connection, which may break for good. */
export interface Connection extends Records {
  /** Why nothing of it can be trusted any more, if that is so. */
  broken(): StorageUnavailable | undefined;
}

/** How long a store that broke is left alone. */
const REST_MS = 1_000;

/**
 * Records that go on with another connection when theirs broke: a sync that failed, a file that was removed, replaced, damaged or could not
 * be read. What was under way then was refused, and counts as not written. Rejects when the first connection cannot be opened.
 */
export async function reopening(open: () => Promise<Connection>, clock: Clock): Promise<Records> {
  let connection = await open();
  let closed = false;
  let tried = Number.NEGATIVE_INFINITY;
  let opening: Promise<Connection> | undefined;

  const replace = async (): Promise<Connection> => {
    tried = clock.monotonic();
    await connection.close().catch(() => undefined); // it is broken: that it cannot be closed properly either tells nothing new
    connection = await open();
    return connection;
  };

  const current = async (): Promise<Connection> => {
    const broken = connection.broken();
    if (!broken || closed) return connection;
    if (!opening && clock.monotonic() - tried < REST_MS) throw broken;
    opening ??= replace().finally(() => (opening = undefined));
    return opening;
  };

  return {
    create: async (record) => (await current()).create(record),
    get: async (id) => (await current()).get(id),
    replace: async (record, delivery) => (await current()).replace(record, delivery),
    list: async (query) => (await current()).list(query),
    unfinished: async (limit) => (await current()).unfinished(limit),
    unknown: async (since, limit) => (await current()).unknown(since, limit),
    inFlight: async () => (await current()).inFlight(),
    putOutput: async (id, output) => (await current()).putOutput(id, output),
    getOutput: async (id) => (await current()).getOutput(id),
    purge: async (limits) => (await current()).purge(limits),
    claimKey: async (claim, now) => (await current()).claimKey(claim, now),
    releaseKey: async (claim) => (await current()).releaseKey(claim),
    lease: async (name, holder, until, now) => (await current()).lease(name, holder, until, now),
    releaseLease: async (name, holder) => (await current()).releaseLease(name, holder),
    getNote: async (name) => (await current()).getNote(name),
    putNote: async (name, note, options) => (await current()).putNote(name, note, options),
    addDelivery: async (delivery) => (await current()).addDelivery(delivery),
    dueDeliveries: async (now, limit, except) => (await current()).dueDeliveries(now, limit, except),
    replaceDelivery: async (delivery) => (await current()).replaceDelivery(delivery),
    dropDelivery: async (delivery) => (await current()).dropDelivery(delivery),
    ping: async () => (await current()).ping(),
    close: async () => {
      closed = true;
      await opening?.catch(() => undefined);
      await connection.close();
    },
  };
}
