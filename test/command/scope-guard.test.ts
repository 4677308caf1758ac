import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { impersonating } from '../../shared/command/impersonate.ts';
import { interpret } from '../../shared/command/interpret.ts';
import { wordsInPod } from '../../shared/command/program.ts';
import type { CommandContext } from '../../shared/config/config.ts';
import { readDefinitions } from '../../shared/gateway/discover.ts';

const definitions = [
  'example.com|widgets|Widget|Namespaced|v1|wd',
  'example.com|gadgets|Gadget|Namespaced|v1|',
  'fleet.example|fleets|Fleet|Cluster|v1|',
].join('\n');
const context = (listed: readonly string[] = []): CommandContext => {
  const read = readDefinitions(definitions);
  return {
    defaultNamespace: 'shop',
    resources: read.filter(({ resource }) => listed.includes(resource)),
    discovered: { at: 0, resources: read, disputed: [], cut: false },
  };
};
const sentFor = (command: string, listed?: readonly string[], stdin?: string) =>
  interpret({ argv: command.split(' '), files: [], stdin, timeoutSeconds: 60 }, context(listed)).sent;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-guard-'));
  writeFileSync(
    join(folder, 'kubectl'),
    `#!/bin/sh
echo "$*" >> '${folder}/calls'
case "$*" in
  *api-resources*namespaced=true*) echo 'error: metrics.k8s.io/v1beta1 is away' >&2; [ "$NAMESPACED" = away ] && exit 1; printf '%s\\n' $NAMESPACED;;
  *api-resources*namespaced=false*) printf '%s\\n' $CLUSTER;;
  *) cat; echo ran;;
esac
`,
  );
  chmodSync(join(folder, 'kubectl'), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => writeFileSync(join(folder, 'calls'), ''));

/** What the pod runs, where discovery says this of what has namespaces and of what has none. */
function inPod(words: readonly string[], namespaced: string, cluster = '', input = '') {
  const [program = '', ...args] = words;
  const env = { PATH: `${folder}:${process.env['PATH']}`, NAMESPACED: namespaced, CLUSTER: cluster };
  const { status, stdout, stderr } = spawnSync(program, args, { env, input, encoding: 'utf8' });
  const calls = readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
  return { status, stdout, stderr, calls };
}

test.each([
  ['as it was', 'gadgets.example.com widgets.example.com', 0],
  ['gone', 'gadgets.example.com', 78],
  ['another of the same beginning', 'widgets.example.com.evil widgets.example', 78],
  ['of another name that holds it', 'xwidgets.example.com', 78],
  ['not to be had', 'away', 78],
  ['nothing', '', 78],
])('a kind whose scope is %s', (_what, namespaced, exitCode) => {
  const { status, stdout, calls, stderr } = inPod(wordsInPod(sentFor('kubectl get widgets one')), namespaced);
  expect(status).toBe(exitCode);
  expect(calls.slice(1)).toEqual(exitCode === 0 ? ['get widgets.v1.example.com/one --namespace=shop'] : []);
  expect(stdout).toBe(exitCode === 0 ? 'ran\n' : '');
  expect(stderr).toMatch(
    exitCode === 0 ? /^$/ : /^error: this cluster does not say that widgets\.example\.com is namespaced, /,
  );
});

test('each kind of a command is asked for by its own scope, also where the command is a program; its stdin is its own', () => {
  const { guard, program, words } = sentFor('kubectl get fleets,widgets -A');
  expect([guard !== undefined, program !== undefined]).toEqual([true, true]);
  const all = wordsInPod({ ...sentFor('kubectl get fleets,widgets -A'), guard, words });
  expect(inPod(all, 'widgets.example.com', 'fleets.fleet.example')).toMatchObject({ status: 0 });
  expect(inPod(all, 'widgets.example.com fleets.fleet.example')).toMatchObject({ status: 78, stdout: '' });
  const manifest = JSON.stringify({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'one' } });
  const apply = sentFor('kubectl apply -f -', [], manifest);
  const input = Buffer.from(apply.stdin ?? '').toString();
  expect(inPod(wordsInPod(apply), 'widgets.example.com', '', input)).toMatchObject({
    status: 0,
    stdout: `${input}ran\n`,
  });
  expect(inPod(wordsInPod(apply), '', 'widgets.example.com', input)).toMatchObject({ status: 78, stdout: '' });
});

test('what a chart looks up is asked for too, before helm runs', () => {
  const files = {
    'web/Chart.yaml': 'name: web\nversion: 1.0.0\n',
    'web/templates/a.yaml': '{{ lookup "example.com/v1" "Widget" "shop" "one" }}',
  };
  const { sent } = interpret(
    {
      argv: ['helm', 'template', './web', '--dry-run=server'],
      files: Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text) })),
      timeoutSeconds: 60,
    },
    context(),
  );
  const gone = inPod(wordsInPod(sent), '', 'widgets.example.com');
  expect(gone).toMatchObject({ status: 78, stdout: '' });
  expect(gone.calls).toHaveLength(1);
  // The guard's calls are kubectl's, whatever the command's own are.
  const asCaller = wordsInPod(impersonating(sent, { tid: 't', oid: 'o' }, [])).join(' ');
  expect(asCaller).toMatch(/'kubectl' '--as=aksgw:t:o' .*exec 'helm' '--kube-as-user=aksgw:t:o' /);
});

test('discovery is asked in the name in which the command is', () => {
  const sent = impersonating(sentFor('kubectl get widgets one'), { tid: 't', oid: 'o' }, []);
  const { calls } = inPod(wordsInPod(sent), 'widgets.example.com');
  expect(calls).toHaveLength(2);
  for (const call of calls) expect(call).toMatch(/^--as=aksgw:t:o /);
});

test('nothing is asked for a kind of the table or one that the operator listed', () => {
  expect(sentFor('kubectl get pods').guard).toBeUndefined();
  expect(sentFor('kubectl get widgets one', ['widgets']).guard).toBeUndefined();
  expect(wordsInPod(sentFor('kubectl get widgets one', ['widgets']))).toEqual([
    'kubectl',
    'get',
    'widgets.v1.example.com/one',
    '--namespace=shop',
  ]);
});

test('what a real shell and Kubernetes make of it is one line without what they expand', () => {
  const [, , text = ''] = wordsInPod(sentFor('kubectl get widgets one'));
  expect(text).not.toContain('\n');
  execFileSync('sh', ['-n', '-c', text]);
});
