import { createHash } from 'node:crypto';
import { LruMap } from 'toad-cache';

/** Verified tokens by their SHA-256: the tokens themselves are not kept. */
export interface TokenCache<Value> {
  get(token: string): Value | undefined;
  set(token: string, value: Value): void;
  clear(): void;
}

/** At most `capacity` tokens; the least recently used go first. */
export function createTokenCache<Value extends object>(capacity: number): TokenCache<Value> {
  const values = new LruMap<Value>(capacity);
  return {
    get: (token) => values.get(digest(token)),
    set: (token, value) => values.set(digest(token), value),
    clear: () => values.clear(),
  };
}

const digest = (token: string): string => createHash('sha256').update(token).digest('base64');
