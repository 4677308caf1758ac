import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const TERRAFORM = join(import.meta.dirname, '..');

/** Every folder that is a configuration of its own: the modules, then the examples that compose them. */
export function configurations(root = TERRAFORM): readonly string[] {
  return ['modules', 'examples']
    .filter((group) => existsSync(join(root, group)))
    .flatMap((group) => globSync(`${group}/*/versions.tf`, { cwd: root }).map(dirname).sort());
}

/** The files of configurations and tests, relative to the root. */
export const terraformFiles = (root = TERRAFORM): readonly string[] =>
  globSync('{modules,examples}/*/*.tf', { cwd: root }).sort();
