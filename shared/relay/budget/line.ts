/** A waiting line in which owners take turns, each with its own in order. */
export interface Line<T> {
  readonly waiting: () => boolean;
  add(owner: string, item: T): void;
  /** Takes the next one out. */
  next(): T | undefined;
  /** Takes this one out, wherever it stands. */
  remove(owner: string, item: T): void;
  /** How many will be served before a newcomer of this owner. */
  ahead(owner: string): number;
}

export function createLine<T>(): Line<T> {
  const byOwner = new Map<string, T[]>();
  return {
    waiting: () => byOwner.size > 0,
    add: (owner, item) => {
      const items = byOwner.get(owner);
      if (items) items.push(item);
      else byOwner.set(owner, [item]);
    },
    next: () => {
      for (const [owner, items] of byOwner) {
        const item = items.shift();
        byOwner.delete(owner);
        // To the back of the line.
        if (items.length > 0) byOwner.set(owner, items);
        return item;
      }
      return undefined;
    },
    remove: (owner, item) => {
      const items = byOwner.get(owner);
      const at = items?.indexOf(item) ?? -1;
      if (!items || at === -1) return;
      items.splice(at, 1);
      if (items.length === 0) byOwner.delete(owner);
    },
    ahead: (owner) => {
      const own = byOwner.get(owner)?.length ?? 0;
      let count = own;
      for (const [other, { length }] of byOwner) if (other !== owner) count += Math.min(length, own + 1);
      return count;
    },
  };
}
