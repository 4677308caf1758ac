import { createHash } from 'node:crypto';
import type { BundledPackage } from './packages.ts';

interface Subject {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Paths of the packages that its own code imports. */
  readonly imports: readonly string[];
  /** What the bundle was made with. */
  readonly esbuild: string;
}

/** github.com/package-url/purl-spec, type npm: the scope is the namespace, its @ encoded. */
const purl = (name: string, version: string): string =>
  `pkg:npm/${name.replace(/^@/, '%40')}@${encodeURIComponent(version)}`;

/**
 * The software bill of materials of one build (CycloneDX 1.6, cyclonedx.org/docs/1.6/json): the packages whose code is in it, each with
 * its licence and the digest of its archive. Without a time, so that the same sources give the same bytes.
 */
export function sbom(subject: Subject, packages: readonly BundledPackage[]): string {
  const refs = new Map(packages.map(({ path, name, version }) => [path, refOf(path, name, version)]));
  const known = (paths: readonly string[]): string[] => paths.flatMap((path) => refs.get(path) ?? []);
  const own = purl(subject.name, subject.version);
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      tools: { components: [{ type: 'application', name: 'esbuild', version: subject.esbuild }] },
      component: {
        type: 'application',
        'bom-ref': own,
        ...named(subject.name),
        version: subject.version,
        licenses: [{ license: { id: subject.licence } }],
        purl: own,
      },
    },
    components: packages.map((each) => componentOf(each, refs.get(each.path) ?? '')),
    dependencies: [
      { ref: own, dependsOn: known(subject.imports) },
      ...packages.map(({ path, imports }) => ({ ref: refs.get(path), dependsOn: known(imports) })),
    ],
  };
  return `${JSON.stringify({ ...document, serialNumber: serialNumber(JSON.stringify(document)) }, null, 2)}\n`;
}

/** Two copies of one version are two components: a nested one is named by its place too. */
const refOf = (path: string, name: string, version: string): string =>
  path === `node_modules/${name}` ? purl(name, version) : `${purl(name, version)}#${path}`;

/** A scope is the group of a component. */
function named(name: string): { readonly group?: string; readonly name: string } {
  const [, group, short = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
  return { ...(group !== undefined && { group }), name: short };
}

function componentOf({ name, version, description, licence, sha512 }: BundledPackage, ref: string) {
  return {
    type: 'library',
    'bom-ref': ref,
    ...named(name),
    version,
    ...(description !== '' && { description }),
    scope: 'required',
    ...(sha512 !== undefined && { hashes: [{ alg: 'SHA-512', content: sha512 }] }),
    ...(licence !== undefined && { licenses: [{ license: { id: licence } }] }),
    purl: purl(name, version),
  };
}

/** A UUID made of the content (RFC 9562, section 5.8). */
function serialNumber(content: string): string {
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return `urn:uuid:${bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
}
