import type { BundledPackage } from './packages.ts';

/** SPDX identifiers of licences that ask for nothing but their own text beside the code. Copyleft is not among them. */
const allowed = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

/** The packages that may not be given on: with another licence, or with none. An expression is allowed as the one identifier that it is. */
export const licenceProblems = (packages: readonly BundledPackage[]): readonly string[] =>
  packages
    .filter(({ licence }) => licence === undefined || !allowed.has(licence))
    .map(({ name, version, licence }) => `${name} ${version}: ${licence ?? 'no licence'} (infra/build/licences.ts)`);

const RULE = '-'.repeat(80);

/** The licence texts of all that is in the bundle, which they ask to go with it (MIT: "in all copies or substantial portions"). */
export function notices(packages: readonly BundledPackage[]): string {
  const parts = packages.map(({ name, version, licence, texts }) =>
    [`${name} ${version} (${licence})`, ...(texts.length > 0 ? texts : ['The package has no licence file.'])].join(
      '\n\n',
    ),
  );
  return `${['This build holds code of these packages.', ...parts].join(`\n\n${RULE}\n\n`)}\n`;
}
