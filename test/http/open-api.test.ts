import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Compile } from 'typebox/schema';
import { inlined, type OpenApi } from '../support/openapi.ts';
import { testStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
let document: OpenApi;
beforeAll(async () => {
  stack = await testStack({ edit: (yaml) => `publicUrl: https://gateway.example.com/aks\n${yaml}` });
  document = (await stack.request<OpenApi>('GET', '/openapi.json', { token: null })).body;
}, 60_000);
afterAll(() => stack.close());

const operations = () => Object.values(document.paths).flatMap((path) => Object.values(path));

describe('the OpenAPI document', () => {
  test('names each operation once, as a function would be named, under a tag that is described', () => {
    const names = operations().map(({ operationId }) => operationId);
    expect(names).toContain('runCommand');
    for (const name of names) expect(name).toMatch(/^[a-z]+(?:[A-Z][A-Za-z]*)+$/);
    expect(new Set(names).size).toBe(names.length);
    const known = document.tags.map(({ name }) => name);
    for (const { tags } of operations()) expect(known).toEqual(expect.arrayContaining([...(tags ?? ['none'])]));
  });

  test('says where the gateway is, and that a command is words or one line', () => {
    expect(document.servers).toEqual([{ url: 'https://gateway.example.com/aks' }]);
    const { Command, BatchStep, CommandOrBatch } = document.components.schemas;
    const words = [{ required: ['argv'] }, { required: ['command'] }];
    expect(Command?.['oneOf']).toEqual(words);
    expect(BatchStep?.['oneOf']).toEqual(words);
    expect(CommandOrBatch?.['oneOf']).toEqual([...words, { required: ['steps'] }]);
  });

  test('has a component for every problem, for each event of the trail, and for whatever routes share', () => {
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Problem', 'Command', 'CommandRecord', 'AuditEvent', 'CommandIntendedEvent', 'Cluster']),
    );
    const problems = operations().flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ content }) => content['application/problem+json']?.schema ?? []),
    );
    expect(problems.length).toBeGreaterThan(10);
    for (const problem of problems)
      expect(problem).toMatchObject({ allOf: [{ $ref: '#/components/schemas/Problem' }] });
  });

  test('has samples, each of which is what its schema says', () => {
    const { components, paths } = inlined(document);
    const inComponents = Object.entries(components.schemas).flatMap(([name, schema]) =>
      ((schema['examples'] ?? []) as readonly unknown[]).map((sample) => ({ name, schema, sample })),
    );
    const inBodies = Object.values(paths).flatMap((path) =>
      Object.values(path).flatMap(({ operationId: name, requestBody }) => {
        const { schema = {}, example, examples = {} } = requestBody?.content['application/json'] ?? {};
        const given = [
          ...(example === undefined ? [] : [example]),
          ...Object.values(examples).map(({ value }) => value),
        ];
        return given.map((sample) => ({ name, schema, sample }));
      }),
    );
    const samples = [...inComponents, ...inBodies];
    expect(new Set(samples.map(({ name }) => name))).toEqual(
      new Set(['CommandRecord', 'Problem', 'runCommand', 'runBatch']),
    );
    for (const { schema, sample } of samples) expect(Compile(schema).Errors(sample)[1]).toEqual([]);
  });
});

/** The generator has packages of its own, which `npm ci --prefix test/openapi-generator` brings. */
const generator = join(import.meta.dirname, '../openapi-generator/node_modules/@hey-api/openapi-ts/bin/run.js');
const installed = existsSync(generator);

(installed ? describe : describe.skip)(
  `a client that a generator makes of it${installed ? '' : ' (not installed: npm ci --prefix test/openapi-generator)'}`,
  () => {
    interface Client {
      readonly client: { setConfig(config: { baseUrl: string; auth: () => string }): void };
      runCommand(options: unknown): Promise<{ data?: { status: string; stdout: string }; error?: { code: string } }>;
      listAuditEvents(options: unknown): Promise<{ data?: { items: readonly { code: string }[] } }>;
    }

    test('has the functions and types that one would choose, and runs a command with them', async () => {
      const out = join(stack.folder, 'client');
      writeFileSync(join(stack.folder, 'openapi.json'), JSON.stringify(document));
      const flags = [
        '-i',
        join(stack.folder, 'openapi.json'),
        '-o',
        out,
        '-c',
        '@hey-api/client-fetch',
        '--no-log-file',
      ];
      await promisify(execFile)(process.execPath, [generator, ...flags], {
        cwd: stack.folder,
        env: { ...process.env, TMPDIR: stack.folder }, // it leaves a cache there
      });

      const source = readFileSync(join(out, 'sdk.gen.ts'), 'utf8');
      const functions = [...source.matchAll(/^export const (\w+)/gm)].map(([, name]) => name);
      expect(new Set(functions)).toEqual(new Set(operations().map(({ operationId }) => operationId)));
      const types = readFileSync(join(out, 'types.gen.ts'), 'utf8');
      for (const name of Object.keys(document.components.schemas)) expect(types).toContain(`export type ${name} = `);

      // TypeScript that Node cannot take as it is: it imports by names that end in .js.
      const bundle = join(stack.folder, 'client.mjs');
      const entry = `export * from './sdk.gen.ts'; export { client } from './client.gen.ts';`;
      const stdin = { contents: entry, resolveDir: out };
      await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: bundle });
      const { client, runCommand, listAuditEvents } = (await import(bundle)) as Client;
      client.setConfig({ baseUrl: stack.url, auth: () => stack.tokens.user });
      const path = { cluster: 'demo' };
      const ran = await runCommand({ path, body: { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] } });
      expect(ran.data).toMatchObject({ status: 'completed', stdout: expect.stringContaining('Running') });
      const refused = await runCommand({ path, body: { command: 'kubectl get pods; id' } });
      expect(refused.error).toMatchObject({ code: 'command-refused' });
      const { data } = await listAuditEvents({ query: { code: 'AKG300I' } });
      expect(data?.items.length).toBeGreaterThan(0);
    }, 60_000);
  },
);
