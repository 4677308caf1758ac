import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { addFunctionsCore, buildInto } from '../support/build.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startReceiver } from '../telemetry/support/receiver.ts';

const execute = promisify(execFile);

/** What is deployed, in plain processes far from this repository's node_modules. */
describe('the bundle', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-dist-'));
  const dist = join(folder, 'dist');
  let azure: EmulatedAzure;
  let inputs: readonly string[];
  let config: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    azure = await startAzure();
    ({ config, env } = writeConfig(folder, azure, 0, (yaml) => yaml));
    inputs = await buildInto(dist);
    addFunctionsCore(dist);
  }, 60_000);
  afterAll(async () => {
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a script that has the worker's double; `call` gives status and text. */
  async function host(entry: string, script: string, given: NodeJS.ProcessEnv) {
    const text = `
      import { createRequire } from 'node:module';
      const entry = ${JSON.stringify(entry)};
      await import(entry);
      const core = createRequire(entry)('@azure/functions-core');
      const call = async (path) => {
        const { returnValue } = await core.invoke('http', { http: { method: 'GET', url: 'https://x' + path, headers: {} } });
        const { statusCode, body } = returnValue.http;
        return [Number(statusCode), body.string ?? Buffer.from(body.bytes).toString()];
      };
      ${script}
      process.exit(0);`;
    const { stdout, stderr } = await execute(process.execPath, ['--input-type=module', '-e', text], { env: given });
    return { out: JSON.parse(stdout) as unknown, stderr };
  }

  test('holds the gateway and its libraries, and nothing of tests, tools or the emulated Azure', () => {
    const foreign = inputs.filter(
      (path) => !/^(shared\/(?!client\/)|functions\/|node_modules\/|package\.json$|left-out:|own-names:)/.test(path),
    );
    expect(foreign).toEqual([]);
    expect(inputs).toContain('shared/assemble.ts');
    expect(
      inputs.filter((path) => /node_modules\/(esbuild|jest|typescript|@jest|yauzl|fast-check|ajv)\//.test(path)),
    ).toEqual([]);
  });

  test('loads every file of it, those too that few configurations need', async () => {
    const files = readdirSync(join(dist, 'functions')).filter((file) => file !== 'server.js'); // which starts; the next test does
    const text = `for (const file of ${JSON.stringify(files)}) await import(${JSON.stringify(`${dist}/functions/`)} + file);
      process.exit(0);`;
    expect(files.length).toBeGreaterThan(20);
    expect(await execute(process.execPath, ['--input-type=module', '-e', text])).toMatchObject({ stderr: '' });
  });

  test('says of what was left out that it was, when it is reached after all', async () => {
    const text = `
      import { build } from 'esbuild';
      import { leaveOut } from ${JSON.stringify(join(import.meta.dirname, '../../infra/build/left-out.ts'))};
      const { outputFiles: [file] } = await build({
        stdin: { contents: "require('pino')({ transport: { target: 'x' } })", resolveDir: ${JSON.stringify(import.meta.dirname)} },
        bundle: true, platform: 'node', minify: true, write: false, plugins: [leaveOut],
      });
      const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);
      try { new Function('require', 'module', file.text)(require, {}); } catch (error) { console.log(error.message); }`;
    const cwd = join(import.meta.dirname, '../..');
    const { stdout } = await execute(process.execPath, ['--no-warnings', '--input-type=module', '-e', text], { cwd });
    expect(stdout).toBe('pino/transport is left out of this build (infra/build/left-out.ts)\n');
  });

  test('runs as a server on a plain port, measures, and stops in order', async () => {
    const receiver = await startReceiver();
    const measured = writeConfig(join(folder, 'measured'), azure, 0, (yaml) =>
      yaml
        .replace('\nstorage:', `\ntelemetry: { otlp: "${receiver.url}", prometheus: true }\nstorage:`)
        .replace("'/v1/commands/*']", "'/v1/commands/*', /metrics]")
        .replace(
          '  bindings:\n',
          `  bindings:\n    - { role: auditor, clusters: ['*'], subjects: [{ user: ${people.user} }] }\n`,
        ),
    );
    const server = join(dist, 'functions/server.js');
    const gateway = await startGatewayProcess(measured.config, measured.env, server, ['--config']);
    try {
      const answers = await Promise.all(
        ['/healthz', '/readyz', '/openapi.json'].map((path) => fetch(gateway.url + path)),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      const token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const answer = await fetch(`${gateway.url}/v1/clusters/demo/commands`, {
        method: 'POST',
        headers,
        body: '{"command":"kubectl get pods -n shop"}',
      });
      expect(await answer.json()).toMatchObject({ status: 'completed', exitCode: 0 });
      const metrics = await fetch(`${gateway.url}/metrics`, { headers });
      expect(await metrics.text()).toMatch(/^aksgw_commands_total\{.*\} 1$/m);
    } finally {
      expect(await gateway.stop()).toBe(0);
      receiver.close();
    }
    expect(receiver.spans().map(({ name }) => name)).toContain('relay');
  });

  test('on Functions, loads code ahead but reads its environment with the first request alone', async () => {
    const { AKSGW_CONFIG: _none, ...placeholder } = env;
    const { out } = await host(
      join(dist, 'functions/http.js'),
      `await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
       process.env = { ...process.env, AKSGW_CONFIG: ${JSON.stringify(config)} }; // functionEnvironmentReloadRequest
       const answers = [await call('/healthz'), await call('/readyz')];
       process.stdout.write(JSON.stringify(answers.map(([status]) => status)));`,
      placeholder,
    );
    expect(out).toEqual([200, 200]);
  });

  test('tells a part that cannot be loaded like any failed start: a problem, a word in the log, and no crash', async () => {
    const broken = join(folder, 'broken');
    cpSync(dist, broken, { recursive: true });
    for (const name of readdirSync(join(broken, 'functions')))
      if (name.startsWith('assemble-')) rmSync(join(broken, 'functions', name));
    const { out, stderr } = await host(
      join(broken, 'functions/http.js'),
      `process.on('unhandledRejection', () => process.stdout.write('unhandled'));
       const answers = [await call('/healthz')];
       await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
       answers.push(await call('/readyz'));
       const told = answers.map(([status, text]) => [status, JSON.parse(text).code ?? 'ok']);
       process.stdout.write(JSON.stringify({ told, logged: core.logged }));`,
      { ...env, AKSGW_CONFIG: config },
    );
    expect(out).toEqual({
      told: [
        [200, 'ok'],
        [503, 'gateway-busy'],
      ],
      logged: [['error', expect.stringMatching(/^the gateway did not start: Cannot find module '.*assemble-/)]],
    });
    expect(stderr).not.toMatch(/unhandled/i);
  });
});
