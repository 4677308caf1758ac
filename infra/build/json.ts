import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';

/** A manifest is imported for its version; the rest of it, scripts and tools included, stays at home. */
export const shortManifests = (own: { readonly path: string; readonly version: string }): Plugin => ({
  name: 'short-manifests',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]package\.json$/ }, ({ path }) => {
      const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name: string; version: string };
      return { contents: JSON.stringify({ name, version: path === own.path ? own.version : version }), loader: 'json' };
    });
  },
});

/** The grammars as text for JSON.parse, which V8 reads faster than the same as an object literal (v8.dev/blog/cost-of-javascript-2019). */
export const parsedJson: Plugin = {
  name: 'parsed-json',
  setup({ onLoad }) {
    onLoad({ filter: /grammar[\\/]\w+\.json$/ }, ({ path }) => {
      const text = JSON.stringify(JSON.parse(readFileSync(path, 'utf8')));
      return { contents: `export default JSON.parse(${JSON.stringify(text)});`, loader: 'js' };
    });
  },
};
