import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const execute = promisify(execFile);

/** `npm run build` into another folder; the sources that went into it. In a process of its own: esbuild does not like jest's Uint8Array. */
export async function buildInto(dist: string): Promise<readonly string[]> {
  const script = `import { bundle } from ${JSON.stringify(join(root, 'infra/build.ts'))};
    process.stdout.write(JSON.stringify(await bundle(${JSON.stringify(dist)})));`;
  const { stdout } = await execute(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    maxBuffer: 16_000_000,
  });
  return JSON.parse(stdout) as string[];
}

/** Puts the double of the Functions worker where a build looks for it. */
export function addFunctionsCore(dist: string): void {
  const place = join(dist, 'node_modules/@azure/functions-core');
  mkdirSync(place, { recursive: true });
  cpSync(join(root, 'test/functions/functions-core-double.cjs'), join(place, 'index.cjs'));
  writeFileSync(join(place, 'package.json'), '{"name":"@azure/functions-core","version":"1.0.0","main":"index.cjs"}');
}
