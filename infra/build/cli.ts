import { build, type Plugin } from 'esbuild';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { parsedJson, shortManifests } from './json.ts';
import { writeMaterials } from './materials.ts';

const root = join(import.meta.dirname, '../..');

/** A scope is its owner's alone: a name without one could be anybody's at the public registry. */
const NAME = '@aks-access-gateway/aksgw';

/** The operator's commands stay in the clone. */
const withoutOperator: Plugin = {
  name: 'without-operator',
  setup({ onResolve }) {
    onResolve({ filter: /operator\/main\.ts$/ }, () => ({ path: join(root, 'shared/client/operator/absent.ts') }));
  },
};

/** The wrapper that people install: one file without dependencies, as a package. Gives back the sources that went into it. */
export async function bundleCli(outdir: string): Promise<readonly string[]> {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['shared/client/aksgw.ts'],
    outfile: join(outdir, 'aksgw.cjs'),
    bundle: true,
    format: 'cjs', // what is required lazily is loaded lazily, node's own modules too
    platform: 'node',
    target: 'node20.19',
    minify: true,
    keepNames: false,
    legalComments: 'none', // they are in THIRD-PARTY-NOTICES.txt
    metafile: true,
    plugins: [
      withoutOperator,
      parsedJson,
      shortManifests({ path: join(root, 'package.json'), version: manifest.version }),
    ],
    logLevel: 'warning',
  });
  cpSync(join(root, 'LICENSE'), join(outdir, 'LICENSE'));
  const { version, license } = manifest;
  writeMaterials(outdir, { name: NAME, version, metafile });
  writeFileSync(join(outdir, 'README.md'), readme());
  const bin = { aksgw: 'aksgw.cjs', 'kubectl-aksgw': 'aksgw.cjs' };
  const description = 'kubectl and helm on private AKS clusters, through aks-access-gateway';
  writeFileSync(
    join(outdir, 'package.json'),
    `${JSON.stringify({ name: NAME, version, description, license, bin, engines: manifest.engines }, null, 2)}\n`,
  );
  return Object.keys(metafile.inputs);
}

const readme = (): string =>
  /^## Install the wrapper\n[^]*?(?=^## )/m.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[0] ?? '';
