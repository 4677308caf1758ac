import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createFairQueue } from '../../shared/lib/fair-queue.ts';

const drain = (queue: ReturnType<typeof createFairQueue<string>>): string[] => {
  const served: string[] = [];
  for (let item = queue.next(); item !== undefined; item = queue.next()) served.push(item);
  return served;
};

describe('a fair queue', () => {
  test('serves owners in turn, and the items of each in order', () => {
    const queue = createFairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.add(item.charAt(0), item);
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
    expect(queue.size()).toBe(0);
  });

  test('does not let an owner who comes back again and again starve one with many items', () => {
    const queue = createFairQueue<string>();
    for (let count = 0; count < 20; count += 1) queue.add('many', 'many');
    const served: (string | undefined)[] = [];
    for (let round = 0; round < 20; round += 1) {
      queue.add('again', 'again');
      served.push(queue.next(), queue.next());
    }
    expect(served.filter((item) => item === 'many')).toHaveLength(20);
  });

  test('passes over an owner for whom nothing is chosen, who keeps the turn', () => {
    const queue = createFairQueue<string>();
    queue.add('a', 'a1');
    queue.add('b', 'b1');
    expect(queue.next((owner) => (owner === 'a' ? -1 : 0))).toBe('b1');
    queue.add('b', 'b2');
    expect(drain(queue)).toEqual(['a1', 'b2']);
  });

  test('loses nothing and gives nothing twice, whatever is added and removed', () => {
    const step = fc.record({ owner: fc.constantFrom('a', 'b', 'c'), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = createFairQueue<string>();
        const left = new Set<string>();
        steps.forEach(({ owner, remove }, index) => {
          const item = `${owner}${index}`;
          queue.add(owner, item);
          if (remove) expect(queue.remove(owner, item)).toBe(true);
          else left.add(item);
        });
        expect(queue.size()).toBe(left.size);
        expect(drain(queue).toSorted()).toEqual([...left].toSorted());
      }),
    );
  });
});
