import { types } from 'node:util';

// jest runs tests in a realm of their own, so what Node itself throws (fs, fetch, sockets) is no `instanceof Error` there,
// though it is everywhere the gateway really runs (jestjs/jest#2549). This makes the two realms one in that respect.
for (const kind of [Error, TypeError, RangeError, SyntaxError]) {
  Object.defineProperty(kind, Symbol.hasInstance, {
    value(value) {
      if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
      return this === kind && types.isNativeError(value) && (kind === Error || value.name === kind.name);
    },
  });
}
