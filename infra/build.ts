import { build, type Metafile } from 'esbuild';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { archive, filesOf } from './build/archive.ts';
import { bundleCli } from './build/cli.ts';
import { parsedJson, shortManifests } from './build/json.ts';
import { leaveOut } from './build/left-out.ts';
import { writeMaterials } from './build/materials.ts';
import { keepOwnNames } from './build/names.ts';
import { narrow } from './build/narrowed.ts';

const root = join(import.meta.dirname, '..');

/** Stands for the build's number until that is known, in as many letters. */
const PLACE_HOLDER = 'build-number';

/** What is deployed: dist/, a Functions app and a server in one, without node_modules. Gives back the sources that went into it. */
export async function bundle(outdir: string): Promise<readonly string[]> {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const metafile = await compile(outdir);
  const version = number(outdir);
  cpSync(join(root, 'host.json'), join(outdir, 'host.json'));
  cpSync(join(root, 'LICENSE'), join(outdir, 'LICENSE'));
  const { name, license } = manifest;
  const main = 'functions/{deliveries,http,jobs,sweep}.js';
  writeFileSync(
    join(outdir, 'package.json'),
    `${JSON.stringify({ name, version, license, private: true, type: 'module', main, engines: { node: '>=22' } }, null, 2)}\n`,
  );
  writeMaterials(outdir, { name, version, metafile });
  return Object.keys(metafile.inputs);
}

async function compile(outdir: string): Promise<Metafile> {
  const { metafile, warnings } = await build({
    absWorkingDir: root,
    entryPoints: [
      'functions/http.ts',
      'functions/sweep.ts',
      'functions/jobs.ts',
      'functions/deliveries.ts',
      'functions/server.ts',
    ],
    outdir: join(outdir, 'functions'),
    bundle: true,
    splitting: true, // the entrances share one copy of the gateway, and what is imported lazily stays apart
    format: 'esm',
    platform: 'node',
    target: 'node22',
    minify: true,
    // ES modules where a package has both: of those a bundle takes what is used.
    mainFields: ['module', 'main'],
    legalComments: 'none', // they are in THIRD-PARTY-NOTICES.txt
    sourcemap: false,
    metafile: true,
    external: [
      '@azure/functions-core', // the Functions worker brings it
      // Fastify's own compilers, behind a require that is never reached: the app sets others (shared/http/app.ts).
      '@fastify/ajv-compiler',
      '@fastify/fast-json-stringify-compiler',
    ],
    plugins: [
      leaveOut,
      narrow,
      keepOwnNames,
      parsedJson,
      shortManifests({ path: join(root, 'package.json'), version: `${manifest.version}+${PLACE_HOLDER}` }),
    ],
    // CommonJS packages inside the bundle call require for node: modules
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  // A warning is most often of a name that a module does not have, such as one that left-out.ts or narrowed.ts forgot.
  if (warnings.length > 0) throw new Error(`the build has ${warnings.length} warnings, and none is taken`);
  return metafile;
}

/**
 * Writes the build's number into it: the version, and a digest of all its code (semver.org, section 10). /healthz and the audit trail
 * tell it, so that a deployment can wait for just this build, and the trail says which code wrote it.
 */
function number(outdir: string): string {
  const digest = createHash('sha256');
  const files = filesOf(outdir).map((file) => ({
    file: join(outdir, file),
    text: readFileSync(join(outdir, file), 'utf8'),
  }));
  for (const { text } of files) digest.update(text);
  const build = digest.digest('hex').slice(0, PLACE_HOLDER.length);
  for (const { file, text } of files)
    if (text.includes(PLACE_HOLDER)) writeFileSync(file, text.replaceAll(PLACE_HOLDER, build));
  return `${manifest.version}+${build}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { zip: { type: 'string' }, outdir: { type: 'string' }, 'without-cli': { type: 'boolean' } },
  });
  const dist = values.outdir ?? join(root, 'dist');
  await bundle(dist);
  const { version } = JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8')) as { version: string };
  process.stdout.write(`build ${version}\n`);
  if (values.zip !== undefined) {
    const { bytes, sha256 } = await archive(dist);
    writeFileSync(values.zip, bytes);
    process.stdout.write(`package ${values.zip} sha256:${sha256}\n`);
  }
  // Last: what is deployed has no need of it.
  if (!values['without-cli']) {
    await bundleCli(join(dist, 'cli'));
    process.stdout.write('the wrapper to install: dist/cli\n');
  }
}
