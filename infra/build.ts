import { build, type Plugin } from 'esbuild';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };

/** The grammars as text for JSON.parse, which V8 reads faster than the same as an object literal (v8.dev/blog/cost-of-javascript-2019). */
const parsedJson: Plugin = {
  name: 'parsed-json',
  setup({ onLoad }) {
    onLoad({ filter: /grammar[\\/]\w+\.json$/ }, ({ path }) => {
      const text = JSON.stringify(JSON.parse(readFileSync(path, 'utf8')));
      return { contents: `export default JSON.parse(${JSON.stringify(text)});`, loader: 'js' };
    });
  },
};

/** What is deployed: dist/, a Functions app and a server in one, without node_modules. Gives back the sources that went into it. */
export async function bundle(outdir: string): Promise<readonly string[]> {
  const root = join(import.meta.dirname, '..');
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['functions/http.ts', 'functions/sweep.ts', 'functions/jobs.ts', 'functions/server.ts'],
    outdir: join(outdir, 'functions'),
    bundle: true,
    splitting: true, // the entrances share one copy of the gateway, and what is imported lazily stays apart
    format: 'esm',
    platform: 'node',
    target: 'node22',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    sourcemap: false,
    metafile: true,
    external: [
      '@azure/functions-core', // the Functions worker brings it
      // Fastify's own compilers, behind a require that is never reached: the app sets others (shared/http/app.ts).
      '@fastify/ajv-compiler',
      '@fastify/fast-json-stringify-compiler',
    ],
    plugins: [parsedJson],
    // CommonJS packages inside the bundle call require for node: modules
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  cpSync(join(root, 'host.json'), join(outdir, 'host.json'));
  const { name, version, license } = manifest;
  const main = 'functions/{http,jobs,sweep}.js';
  writeFileSync(
    join(outdir, 'package.json'),
    `${JSON.stringify({ name, version, license, private: true, type: 'module', main, engines: { node: '>=22' } }, null, 2)}\n`,
  );
  return Object.keys(metafile.inputs);
}

if (import.meta.main) await bundle(join(import.meta.dirname, '../dist'));
