import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Gateways that tests start as processes of their own load compiled code, which halves the CPU of a start. Node writes this cache only
 * when a process ends in order, and most of these are killed: one process that only loads the code fills it first.
 */
export default function setUp() {
  const shared = join(import.meta.dirname, '../shared');
  process.env.NODE_COMPILE_CACHE = join(shared, '../node_modules/.cache/compile');
  execFileSync(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    ['assemble', 'http/app', 'store/sqlite-records']
      .map((name) => `await import('${join(shared, name)}.ts');`)
      .join(''),
  ]);
}
