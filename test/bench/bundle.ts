import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAzure } from '../../infra/local/azure.ts';
import { bundle } from '../../infra/build.ts';
import { writeConfig } from '../../infra/local/stack.ts';

/**
 * What is deployed: its size, and the time from `import` to the first answer of /healthz, and to the first of /readyz, which
 * needs the whole gateway, each in a plain process that has only a double of the Functions worker, beside the same sources unbundled. Prints one JSON object; `node test/bench/bundle.ts [NODE …]`
 * measures with those Node binaries too.
 */
const root = join(import.meta.dirname, '../..');
const RUNS = 7;
/** Not the synchronous one: the emulated Azure of this process has to answer /readyz meanwhile. */
const execute = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'aksgw-bundle-'));
const azure = await startAzure();
const { config, env } = writeConfig(join(folder, 'data'), azure, 0, (yaml) => yaml);

try {
  await bundle(join(folder, 'dist'));
  const double = (where: string): void => {
    const place = join(where, 'node_modules/@azure/functions-core');
    mkdirSync(place, { recursive: true });
    cpSync(join(root, 'test/functions/functions-core-double.cjs'), join(place, 'index.cjs'));
    writeFileSync(join(place, 'package.json'), '{"name":"@azure/functions-core","version":"1.0.0","main":"index.cjs"}');
  };
  double(join(folder, 'dist'));
  // The unbundled sources, their own node_modules beside them and the double on top.
  const plain = join(folder, 'plain');
  for (const part of ['functions', 'shared', 'package.json'])
    cpSync(join(root, part), join(plain, part), { recursive: true });
  cpSync(join(root, 'node_modules'), join(plain, 'node_modules'), {
    recursive: true,
    filter: (path) =>
      !/node_modules\/(azurite|node-|@typescript|oxlint|@oxlint|oxfmt|@oxfmt|jest|@jest|esbuild|@esbuild|@babel)/.test(
        path,
      ),
  });
  double(plain);

  const measure = async (node: string, entry: string) => {
    const median = async (path: string) => {
      const runs: FirstAnswer[] = [];
      while (runs.length < RUNS) runs.push(await firstAnswer(node, entry, path));
      return runs.sort((a, b) => a.answeredMs - b.answeredMs)[Math.floor(RUNS / 2)];
    };
    return { healthz: await median('/healthz'), readyz: await median('/readyz') };
  };
  const others: object[] = [];
  for (const node of process.argv.slice(2).filter((word) => !word.startsWith('-'))) {
    const { stdout } = await execute(node, ['--version']);
    others.push({ node: stdout.trim(), bundled: await measure(node, join(folder, 'dist/functions/http.js')) });
  }
  const bytes = sizeOf(join(folder, 'dist/functions'));
  process.stdout.write(
    `${JSON.stringify(
      {
        what: 'the deployed bundle: size, and time from import to the first answer (median of 7 processes each)',
        node: process.version,
        bundleMB: Number((bytes / 1e6).toFixed(2)),
        unbundledMB: Number((sizeOf(join(plain, 'node_modules')) / 1e6).toFixed(0)),
        bundled: await measure(process.execPath, join(folder, 'dist/functions/http.js')),
        unbundled: await measure(process.execPath, join(plain, 'functions/http.ts')),
        others,
        aims: { healthzAnsweredMs: 150, bundleMB: 4 },
      },
      null,
      2,
    )}\n`,
  );
} finally {
  await azure.close();
  rmSync(folder, { recursive: true, force: true });
}

interface FirstAnswer {
  readonly importedMs: number;
  readonly answeredMs: number;
}

/** Milliseconds from before the import to the import's end and to the answer, in a process of its own. */
async function firstAnswer(node: string, entry: string, path: string): Promise<FirstAnswer> {
  const script = `
    import { createRequire } from 'node:module';
    const began = performance.now();
    await import(${JSON.stringify(entry)});
    const importedMs = performance.now() - began;
    const core = createRequire(${JSON.stringify(entry)})('@azure/functions-core');
    const { returnValue } = await core.invoke('http', { http: { method: 'GET', url: ${JSON.stringify(`https://x${path}`)}, headers: {} } });
    if (returnValue.http.statusCode !== '200') throw new Error(JSON.stringify(returnValue));
    process.stdout.write(JSON.stringify({ importedMs, answeredMs: performance.now() - began }));
    process.exit(0);`;
  const { stdout } = await execute(
    node,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    {
      env: { ...env, AKSGW_CONFIG: config },
    },
  );
  const { importedMs, answeredMs } = JSON.parse(stdout) as FirstAnswer;
  return { importedMs: Number(importedMs.toFixed(1)), answeredMs: Number(answeredMs.toFixed(1)) };
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
