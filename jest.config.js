import { availableParallelism } from 'node:os';

// Tests are ESM TypeScript, run as they stand: Node strips the types (test/strip-types.js), jest brings the runner.
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/strip-types.js' },
  moduleNameMapper: { '^@azure/functions-core$': '<rootDir>/test/functions/functions-core-double.cjs' },
  globalSetup: '<rootDir>/test/set-up.js',
  globalTeardown: '<rootDir>/test/tear-down.js',
  setupFiles: ['<rootDir>/test/one-realm.js'],
  // More than cores: many tests wait.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testTimeout: 30_000,
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/test/azurite/', '<rootDir>/test/openapi-generator/'],
};
