import { accessSync, constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Is there an executable of this name in a search path? */
export function onPath(name: string, searchPath: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch (error) {
      // Not there, or not executable: the next folder may have it.
      if (error instanceof Error && 'code' in error) return false;
      throw error;
    }
  });
}

/** Puts a `kubectl` into the folder that starts the stand-in on this very Node. */
export async function writeStandIn(folder: string): Promise<void> {
  const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;
  const program = join(import.meta.dirname, '..', 'stand-in-kubectl.ts');
  const script = `#!/bin/sh
# A stand-in for kubectl, made because none is installed here. See infra/local/stand-in-kubectl.ts.
exec ${quoted(process.execPath)} --disable-warning=ExperimentalWarning ${quoted(program)} "$@"
`;
  await writeFile(join(folder, 'kubectl'), script, { mode: 0o755 });
}
