import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** A package of which some code is in the bundle. */
export interface BundledPackage {
  /** `node_modules/fastify`, as the lock file names it. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** An SPDX expression; undefined where the package names none. */
  readonly licence: string | undefined;
  /** Licence and notice files, word for word. */
  readonly texts: readonly string[];
  /** Of what is deployed. */
  readonly bytes: number;
  /** SHA-512 of the archive in the registry, hexadecimal. */
  readonly sha512: string | undefined;
  /** Paths of the packages that its code imports. */
  readonly imports: readonly string[];
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string | { readonly type: string };
}

const pathOf = (input: string): string | undefined => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];

/** What is really in the bundle, by what esbuild wrote: a package whose code was shaken off whole is not in it. */
export function bundledPackages(root: string, { inputs, outputs }: Metafile): readonly BundledPackage[] {
  const bytes = new Map<string, number>();
  for (const output of Object.values(outputs))
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const path = pathOf(input);
      if (path !== undefined && bytesInOutput > 0) bytes.set(path, (bytes.get(path) ?? 0) + bytesInOutput);
    }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  return [...bytes]
    .map(([path, count]) => ({
      path,
      ...describe(join(root, path)),
      bytes: count,
      sha512: sha512(lock.packages[path]?.integrity),
      imports: importsOf(path, inputs).filter((other) => bytes.has(other)),
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly integrity?: string } | undefined>>;
}

function describe(folder: string): Pick<BundledPackage, 'name' | 'version' | 'description' | 'licence' | 'texts'> {
  const {
    name,
    version,
    description = '',
    license,
  } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const texts = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return { name, version, description, licence: typeof license === 'object' ? license.type : license, texts };
}

/** Subresource Integrity as the lock file has it: `sha512-` and base64. */
const sha512 = (integrity: string | undefined): string | undefined =>
  integrity?.startsWith('sha512-') ? Buffer.from(integrity.slice(7), 'base64').toString('hex') : undefined;

function importsOf(path: string, inputs: Metafile['inputs']): readonly string[] {
  const found = Object.entries(inputs)
    .filter(([input]) => pathOf(input) === path)
    .flatMap(([, { imports }]) => imports.flatMap((each) => pathOf(each.path) ?? []));
  return [...new Set(found)].filter((other) => other !== path).sort();
}

/** What the gateway's own code imports. */
export const directImports = ({ inputs }: Metafile): readonly string[] =>
  [
    ...new Set(
      Object.entries(inputs)
        .filter(([input]) => pathOf(input) === undefined)
        .flatMap(([, { imports }]) => imports.flatMap((each) => pathOf(each.path) ?? [])),
    ),
  ].sort();
