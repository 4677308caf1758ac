import { version as esbuildVersion, type Metafile } from 'esbuild';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { licenceProblems, notices } from './licences.ts';
import { bundledPackages, directImports } from './packages.ts';
import { sbom } from './sbom.ts';

const root = join(import.meta.dirname, '../..');

/** What is given on, under which name. */
interface Made {
  readonly name: string;
  readonly version: string;
  readonly metafile: Metafile;
}

/** Writes what is in a build, and by which licences. Throws where one is not allowed. */
export function writeMaterials(outdir: string, { name, version, metafile }: Made): void {
  const packages = bundledPackages(root, metafile);
  const problems = licenceProblems(packages);
  if (problems.length > 0) throw new Error(`licences that are not allowed:\n${problems.join('\n')}`);
  const subject = {
    name,
    version,
    licence: manifest.license,
    imports: directImports(metafile),
    esbuild: esbuildVersion,
  };
  writeFileSync(join(outdir, 'sbom.cdx.json'), sbom(subject, packages));
  writeFileSync(join(outdir, 'THIRD-PARTY-NOTICES.txt'), notices(packages));
}
