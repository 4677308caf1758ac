import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * One temporary folder for a whole test run, so that nothing of it is left on the machine. At the end it says what tests did
 * not remove themselves, and removes it.
 */
export default function makeTemporaryFolder() {
  const before = process.env.TMPDIR;
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'aksgw-tests-'));
  process.env.TMPDIR = folder; // workers and their child processes inherit it
  globalThis.removeTemporaryFolder = () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    const left = readdirSync(folder);
    if (left.length > 0)
      process.stderr.write(`left in the temporary folder, and removed: ${left.toSorted().join(', ')}\n`);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}
