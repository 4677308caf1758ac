import { build } from 'esbuild';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };

/** What is deployed: dist/, a Functions app and a server in one, without node_modules. */
export async function bundle(outdir: string): Promise<void> {
  const root = join(import.meta.dirname, '..');
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['functions/http.ts', 'functions/sweep.ts', 'functions/server.ts'],
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
    external: ['@azure/functions-core'], // the Functions worker brings it
    // CommonJS packages inside the bundle call require for node: modules
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  cpSync(join(root, 'host.json'), join(outdir, 'host.json'));
  const { name, version, license } = manifest;
  const main = 'functions/{http,sweep}.js';
  writeFileSync(
    join(outdir, 'package.json'),
    `${JSON.stringify({ name, version, license, private: true, type: 'module', main, engines: { node: '>=22' } }, null, 2)}\n`,
  );
}

if (import.meta.main) await bundle(join(import.meta.dirname, '../dist'));
