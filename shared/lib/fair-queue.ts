import { LruMap } from 'toad-cache';

/** A queue in which owners take turns, each with its own items in order. */
interface FairQueue<T> {
  add(owner: string, item: T): void;
  /** Takes the next item out: the one that `choose` names, of the first owner in turn for whom it names one (-1 for none). */
  next(choose?: (owner: string, items: readonly T[]) => number): T | undefined;
  /** Takes this item out, wherever it is; false when it is not queued. */
  remove(owner: string, item: T): boolean;
  /** How many are queued, of one owner or of all. */
  size(owner?: string): number;
  /** How many owners have an item queued that matches. */
  owners(matches: (item: T) => boolean): number;
  /** How many are served before a new item of this owner. */
  ahead(owner: string): number;
}

/** Owners whose last turn is remembered while they have nothing queued. */
const MAX_REMEMBERED = 10_000;

/** The owner whose turn was longest ago is next; a new owner comes before the one served last, and after the others. */
export function createFairQueue<T>(): FairQueue<T> {
  const queues = new Map<string, T[]>();
  const turns = new LruMap<number>(MAX_REMEMBERED);
  let turn = 0;

  const inTurn = (): readonly string[] => {
    if (queues.size < 2) return [...queues.keys()];
    const due = [...queues.keys()].map((owner) => ({ owner, at: turns.get(owner) ?? 0 }));
    return due.sort((a, b) => a.at - b.at).map(({ owner }) => owner);
  };
  const take = (owner: string, items: T[], index: number): T | undefined => {
    const [item] = items.splice(index, 1);
    if (items.length === 0) queues.delete(owner);
    return item;
  };

  return {
    add: (owner, item) => {
      if (turns.get(owner) === undefined) turns.set(owner, turn - 0.5);
      const items = queues.get(owner);
      if (items) items.push(item);
      else queues.set(owner, [item]);
    },
    next: (choose = () => 0) => {
      for (const owner of inTurn()) {
        const items = queues.get(owner) ?? [];
        const index = choose(owner, items);
        if (index < 0 || index >= items.length) continue;
        turns.set(owner, (turn += 1));
        return take(owner, items, index);
      }
      return undefined;
    },
    remove: (owner, item) => {
      const items = queues.get(owner);
      const index = items?.indexOf(item) ?? -1;
      if (!items || index === -1) return false;
      take(owner, items, index);
      return true;
    },
    size: (owner) => {
      if (owner !== undefined) return queues.get(owner)?.length ?? 0;
      let all = 0;
      for (const { length } of queues.values()) all += length;
      return all;
    },
    owners: (matches) => [...queues.values()].filter((items) => items.some(matches)).length,
    ahead: (owner) => {
      const own = queues.get(owner)?.length ?? 0;
      let count = own;
      for (const [other, { length }] of queues) if (other !== owner) count += Math.min(length, own + 1);
      return count;
    },
  };
}
