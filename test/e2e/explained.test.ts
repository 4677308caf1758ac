import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchOutputBody, ExplainBatchBody } from '../../shared/http/schemas.ts';
import type { Static } from 'typebox';
import { testStack, type TestStack } from '../support/stack.ts';

/** Tools that print their words, one a line and in brackets: what explain shows is held against what they get. */
let stack: TestStack;
let tools: string;
let logged = '';
const mighty = '99999999-9999-4999-8999-999999999999';
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'aksgw-words-'));
  for (const tool of ['kubectl', 'helm'])
    writeFileSync(join(tools, tool), `#!/bin/sh\nprintf '<%s>\\n' ${tool} "$@"\n`, { mode: 0o755 });
  stack = await testStack({
    tools,
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 400')
        .replace(
          '  roles:\n',
          `  roles:\n    almighty: { allow: [{ verbs: ['*'], resources: ['*', pods/exec], namespaces: ['*'] }] }\n`,
        )
        .replace(
          '  bindings:\n',
          `  bindings:\n    - { role: almighty, clusters: [demo], subjects: [{ app: ${mighty} }] }\n`,
        ),
    gateway: { logger: { level: 'trace', stream: { write: (line) => void (logged += line) } } },
  });
});
afterAll(async () => {
  await stack.close();
  rmSync(tools, { recursive: true, force: true });
});

const DATA = `it's "Zq7" $(id) \`id\` $HOME\n; sekrit-Zq7`;
const HARD = `--from-literal=color=${DATA}`;
const chart = [{ path: 'web/Chart.yaml', content: 'apiVersion: v2\nname: web\nversion: 1.0.0\n' }];
const manifest = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: sekrit-Zq7}\n';
const steps = [
  { argv: ['kubectl', 'get', 'pods'] },
  { argv: ['kubectl', 'create', 'secret', 'generic', 'db', HARD] },
  { argv: ['kubectl', 'set', 'env', 'deployment/web', `COLOR=${DATA}`] },
  { argv: ['kubectl', 'annotate', 'deployment', 'web', `note=${DATA}`] },
  { argv: ['kubectl', 'patch', 'cm', 'a', '-p', JSON.stringify({ data: { k: DATA } })] },
  { argv: ['kubectl', 'exec', 'web', '--', 'sh', '-c', `echo ${DATA}`] },
  { argv: ['kubectl', 'apply', '-f', 'k8s//a.yaml'], files: [{ path: 'k8s/a.yaml', content: manifest }] },
  { argv: ['kubectl', 'apply', '-f', '-'], stdin: manifest },
  { argv: ['helm', 'upgrade', 'web', './web', '--set', `color=${DATA}`], files: chart },
];

test('the command that explain shows is, in a shell, word by word what the tool gets; with data too', async () => {
  const token = await stack.azure.entra.appToken({ oid: mighty, roles: ['Commands.Run'] });
  const { body } = await stack.explain({ steps }, { token });
  const explained = body as unknown as Static<typeof ExplainBatchBody>;
  expect(explained.allowed).toBe(true);
  const ran = await stack.request<BatchOutputBody>('POST', '/v1/clusters/demo/batches', { token, body: { steps } });
  expect(ran.body).toMatchObject({ status: 'completed' });

  const pasted = explained.steps.map(({ command }) =>
    execFileSync('/bin/sh', ['-c', `printf '<%s>\\n' ${command}`], { encoding: 'utf8' }),
  );
  expect(ran.body.items.map(({ stdout }) => stdout)).toEqual(pasted);
  // The namespace that the gateway adds is part of it; a manifest has its own.
  const named = steps.map(({ argv }) => !argv.includes('apply'));
  expect(pasted.map((words) => words.includes('<--namespace=shop>'))).toEqual(named);

  // The caller sees data of its own, and nobody else does.
  expect(pasted.filter((words) => words.includes('sekrit-Zq7'))).toHaveLength(6);
  const trail = await stack.request('GET', '/v1/audit/events?limit=200', { token: stack.tokens.auditor });
  expect(trail.text).toContain('from-literal');
  for (const text of [logged, trail.text, ...stack.azure.arm.posts.map((post) => post.command)])
    expect(text).not.toContain('Zq7');
  expect(ran.body.items.map(({ argv }) => argv.join(' ')).join('\n')).not.toContain('Zq7');
});
