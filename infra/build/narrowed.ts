import type { Plugin } from 'esbuild';

/** A CommonJS module of which a few names are used: without help a bundle takes all that it would load. */
interface Narrowed {
  /** The end of its path. */
  readonly file: string;
  /** What the code that requires it uses of it (test/infra/build.test.ts checks). */
  readonly names: readonly string[];
  readonly contents: string;
}

export const narrowed: readonly Narrowed[] = [
  {
    // For fastify's check of plugins, and for jsonwebtoken's of Node.js.
    file: 'node_modules/semver/index.js',
    names: ['coerce', 'gt', 'satisfies'],
    contents:
      "exports.coerce = require('./functions/coerce'); exports.gt = require('./functions/gt'); exports.satisfies = require('./functions/satisfies');",
  },
  {
    // For the names of two labels in Prometheus' text. All else takes the ES module, of which a bundle takes what is used.
    file: 'node_modules/@opentelemetry/semantic-conventions/dist/index.cjs',
    names: ['ATTR_OTEL_SCOPE_NAME', 'ATTR_OTEL_SCOPE_VERSION'],
    contents: "export { ATTR_OTEL_SCOPE_NAME, ATTR_OTEL_SCOPE_VERSION } from './index.mjs';",
  },
];

/** Leaves of each what is used. */
export const narrow: Plugin = {
  name: 'narrowed',
  setup({ onLoad }) {
    for (const { file, contents } of narrowed) {
      const filter = new RegExp(`${file.replaceAll(/[.]/g, String.raw`\.`).replaceAll('/', String.raw`[\\/]`)}$`);
      onLoad({ filter }, () => ({ contents, loader: 'js' }));
    }
  },
};
