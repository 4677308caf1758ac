import { createHash } from 'node:crypto';

/** What was verified once and need not be again, by the token's SHA-256: the token itself is not kept. */
export interface TokenCache<Value> {
  get(token: string): Value | undefined;
  set(token: string, value: Value): void;
  clear(): void;
}

/** At most `capacity` tokens, the longest unused go first. */
export function createTokenCache<Value>(capacity: number): TokenCache<Value> {
  const values = new Map<string, Value>();
  const digest = (token: string): string => createHash('sha256').update(token).digest('base64');

  return {
    get: (token) => {
      const key = digest(token);
      const value = values.get(key);
      if (value === undefined) return undefined;
      values.delete(key);
      values.set(key, value);
      return value;
    },
    set: (token, value) => {
      const [oldest] = values.keys();
      if (values.size >= capacity && oldest !== undefined) values.delete(oldest);
      values.set(digest(token), value);
    },
    clear: () => values.clear(),
  };
}
