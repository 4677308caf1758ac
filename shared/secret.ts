import { inspect } from 'node:util';

/**
 * A value that must never be printed: tokens, client secrets, signing keys. Every ordinary way to text gives `[secret]`;
 * `reveal()` is the one door, so that each place which opens it can be found by name.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
