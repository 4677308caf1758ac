import { transform, type Plugin } from 'esbuild';
import { readFileSync } from 'node:fs';

const HELPER = 'aksgw:name';
/** What esbuild writes at the head of a file whose functions keep their names. */
const ownHelper = /^var __defProp = [^\n]*\nvar __name = [^\n]*\n/;

/**
 * Functions and classes of the gateway keep their names, for logs and stack traces. Those of libraries do not: they are a sixteenth of the
 * bundle, and each name is set again at every start.
 */
export const keepOwnNames: Plugin = {
  name: 'own-names',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, 'utf8'), {
        loader: 'ts',
        format: 'esm',
        target: 'node22',
        keepNames: true,
        tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      });
      return { contents: code.replace(ownHelper, `import { name as __name } from '${HELPER}';\n`), loader: 'js' };
    });
    onResolve({ filter: new RegExp(`^${HELPER}$`) }, ({ path }) => ({ path, namespace: 'own-names' }));
    onLoad({ filter: /.*/, namespace: 'own-names' }, () => ({
      contents:
        "export const name = (target, value) => Object.defineProperty(target, 'name', { value, configurable: true });",
      loader: 'js',
    }));
  },
};
