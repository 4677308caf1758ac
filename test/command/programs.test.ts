import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { impersonating } from '../../shared/command/impersonate.ts';
import { asked, call, refusal } from './calls.ts';

// What takes several calls of kubectl goes out as one sh program. It runs here for real, with a kubectl that writes down what it is called with.

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'programs-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly string[];
}

/** `answers` is sh: `$1` is the verb. `until` is a word of a call after which the program gets TERM. */
function run(words: readonly string[], answers: string, until?: string): Promise<Ran> {
  const folder = mkdtempSync(join(home, 'run-'));
  const log = join(folder, 'calls');
  writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\nprintf '%s\\n' "$*" >>'${log}'\n${answers}\n`);
  chmodSync(join(folder, 'kubectl'), 0o755);
  const env = { PATH: `${folder}:/usr/bin:/bin`, AKSGW_ID: 'feedfacefeedface' };
  const child = spawn('/bin/sh', words.slice(1), { env, detached: true });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
  const look = setInterval(() => {
    if (until !== undefined && lines().some((line) => line.startsWith(until))) {
      clearInterval(look);
      child.kill('SIGTERM');
    }
  }, 20);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearInterval(look);
      resolve({ code, stdout, stderr, calls: lines() });
    });
  });
}

const RUN = 'kubectl run tmp --rm -it --restart=Never --image=curl --labels=a=b -- curl http://web';
const DELETE =
  'delete pods.v1. --field-selector=metadata.name=tmp --cascade=background --wait=false --request-timeout=8s --namespace=shop --selector=aksgw/run=feedfacefeedface';
const ENDED = `case "$*" in
  *exitCode*) printf 7;;
  get*) printf 'Succeeded ';;
  logs*) echo hello;;
  delete*) echo 'pod "tmp" deleted';;
esac`;

describe('kubectl run --rm', () => {
  test('asks for the pod, its log, and to delete that pod alone', () => {
    expect(asked(call(RUN))).toEqual([
      'create pods tmp in shop',
      'get pods tmp in shop',
      'get pods/log tmp in shop',
      'list pods tmp in shop',
      'delete pods tmp in shop',
    ]);
    expect(call(RUN).warnings).toEqual([expect.stringContaining('no terminal')]);
  });

  test('makes the pod, shows its log, deletes it, and ends with its exit code', async () => {
    const { code, stdout, calls } = await run(call(RUN).sent.words, ENDED);
    expect([code, stdout]).toEqual([7, 'hello\npod "tmp" deleted\n']);
    expect(calls[0]).toBe(
      'run tmp --image=curl --restart=Never --field-manager=kubectl-run --namespace=shop --labels=a=b,aksgw/run=feedfacefeedface -- curl http://web',
    );
    expect(calls.at(-1)).toBe(DELETE);
    expect(calls.map((line) => line.split(' ')[0])).toEqual(['run', 'get', 'logs', 'get', 'delete']);
  });

  test('whose name another pod has leaves that one alone', async () => {
    const taken = 'case $1 in run) echo AlreadyExists >&2; exit 1;; esac';
    const { code, calls, stderr } = await run(call(RUN).sent.words, taken);
    expect([code, stderr]).toEqual([1, 'AlreadyExists\n']);
    // Asked for by name and by the label of this command: nothing else can be found by it.
    expect(calls.slice(1)).toEqual([DELETE]);
  });

  test('that is ended while it waits or reads deletes its pod all the same', async () => {
    const waiting = `case $1 in get) printf 'Pending ContainerCreating';; esac`;
    expect(await run(call(RUN).sent.words, waiting, 'get')).toMatchObject({
      code: 143,
      calls: expect.arrayContaining([DELETE]),
    });
    const endless = `case $1 in get) printf 'Running ';; logs) exec sleep 60;; esac`;
    expect(await run(call(RUN).sent.words, endless, 'logs')).toMatchObject({
      code: 143,
      calls: expect.arrayContaining([DELETE]),
    });
  });

  test.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'CreateContainerConfigError'])(
    'of a pod that cannot start (%s) ends at once and deletes it',
    async (reason) => {
      const { code, stderr, calls } = await run(
        call(RUN).sent.words,
        `case $1 in get) printf 'Pending ${reason}';; esac`,
      );
      expect([code, stderr]).toEqual([1, `The pod did not start: Pending ${reason}\n`]);
      expect(calls.at(-1)).toBe(DELETE);
    },
  );

  test('without the name that the launcher gives it does nothing', async () => {
    const words = call(RUN).sent.words;
    const { code, calls } = await run(['sh', '-c', `unset AKSGW_ID; ${words[2] ?? ''}`], ENDED);
    expect([code, calls]).toEqual([1, []]);
  });

  test('no word of the caller is read by the shell', async () => {
    const bad = `kubectl run tmp --rm -i --image=x -- 'a; touch pwned' '$(touch pwned)' '"' "'" '\`id\`'`;
    const { calls } = await run(call(bad).sent.words, ENDED);
    expect(calls[0]).toContain(`-- a; touch pwned $(touch pwned) " ' \`id\``);
    expect(existsSync('pwned')).toBe(false);
  });
});

describe('each call of a program is made in the caller’s name where the cluster impersonates', () => {
  test.each([RUN, 'kubectl get pv,pvc -A', 'kubectl describe pods -A'])('%s', async (command) => {
    const { sent } = call(command);
    const named = impersonating(sent, { tid: 't', oid: 'o' }, [{ name: 'viewer', values: {} }]);
    const answers = `case "$*" in *exitCode*) printf 0;; *phase*) printf 'Succeeded ';; *jsonpath*) printf 'shop ';; esac`;
    const { calls } = await run(named.words, answers);
    expect(calls.length).toBeGreaterThan(1);
    expect(calls.filter((line) => !line.startsWith('--as=aksgw:t:o --as-group=aksgw:viewer '))).toEqual([]);
    expect(named.words).not.toEqual(sent.words);
  });
});

describe('what has namespaces and what has none, with -A', () => {
  test('is asked for apart, in the order that was asked', async () => {
    const { sent, attributes } = call('kubectl get pods,svc,nodes,pvc -A -l app=web');
    expect(attributes.map(({ resource, namespace }) => `${resource} ${namespace}`)).toEqual([
      'pods *',
      'services *',
      'nodes ',
      'persistentvolumeclaims *',
    ]);
    const { calls, code } = await run(sent.words, 'case $2 in nodes*) exit 3;; esac');
    const across = '--all-namespaces=true --field-selector=metadata.namespace!=aks-command';
    expect(calls).toEqual([
      `get pods.v1.,services.v1. --selector=app=web --show-kind=true ${across}`,
      'get nodes.v1. --selector=app=web --show-kind=true',
      `get persistentvolumeclaims.v1. --selector=app=web --show-kind=true ${across}`,
    ]);
    expect(code).toBe(3);
  });
});

describe('describe', () => {
  test('-A leaves out the namespace of run command, whatever the list says', async () => {
    const { sent } = call('kubectl describe pods -A');
    const { calls } = await run(sent.words, `case $1 in get) printf 'a a aks-command b ';; esac`);
    expect(calls.slice(1)).toEqual(['describe pods.v1. --namespace=a', 'describe pods.v1. --namespace=b']);
  });

  test('a name may be the beginning of one, for who may list; else it is the whole', () => {
    const invocation = call('kubectl describe pod web');
    expect(invocation.sent.words).toEqual(['kubectl', 'describe', 'pods.v1.', 'web', '--namespace=shop']);
    expect(asked(invocation)).toEqual(['get pods in shop', 'list pods in shop', 'list events in shop']);
    const exact = invocation.lesser?.();
    expect(exact?.sent.words).toEqual(['kubectl', 'describe', 'pods.v1./web', '--namespace=shop']);
    expect(exact?.attributes[0]).toMatchObject({ verb: 'get', name: 'web' });
    expect(exact?.warnings).toEqual([expect.stringContaining('exactly this name')]);
  });
});

describe('a terminal that is not there', () => {
  test.each([
    ['exec -it web -- ls /', 'exec pods.v1./web --namespace=shop -- ls /'],
    ['exec --stdin --tty web -- env', 'exec pods.v1./web --namespace=shop -- env'],
    ['exec -i web -- env', 'exec pods.v1./web --namespace=shop -- env'],
    ['attach -it web', 'attach pods.v1./web --namespace=shop'],
    [
      'debug -it web --image=busybox -- ls',
      'debug pods.v1./web --image=busybox --profile=baseline --namespace=shop -- ls',
    ],
    [
      'run p --image=i -it --dry-run=client -o yaml',
      'run p --image=i --dry-run=client --output=yaml --field-manager=kubectl-run --namespace=shop',
    ],
  ])('kubectl %s', (command, words) => {
    const invocation = call(`kubectl ${command}`);
    expect(invocation.sent.words.join(' ').replace(/ --pod-running-timeout=\S+/u, '')).toBe(`kubectl ${words}`);
  });

  test('is said; and of a shell that it has nothing to read', () => {
    expect(call('kubectl exec -it web -- /bin/bash').warnings).toEqual([
      expect.stringContaining('--tty'),
      expect.stringContaining('/bin/bash has nothing to read'),
      expect.stringContaining('--stdin'),
    ]);
    expect(call('kubectl exec web -- sh -c id').warnings).toEqual([]);
  });
});

describe('kubectl cp out of a container', () => {
  test.each([
    ['cp web:/etc/hosts -', 'exec pods.v1./web --quiet=true --namespace=shop -- cat -- /etc/hosts'],
    [
      'cp other/web:/logs logs -c app',
      'exec pods.v1./web --container=app --quiet=true --namespace=other -- tar cf - -- /logs',
    ],
    // A path that looks like a flag stands after --, where it is none.
    ['cp web:--to-command=id x', 'exec pods.v1./web --quiet=true --namespace=shop -- tar cf - -- --to-command=id'],
    ['cp web:-x -', 'exec pods.v1./web --quiet=true --namespace=shop -- cat -- -x'],
  ])('kubectl %s', (command, words) => {
    expect(call(`kubectl ${command}`).sent.words.join(' ')).toBe(`kubectl ${words}`);
  });
});

describe('kubectl events -A', () => {
  test('is asked as get events, which can leave out the namespace of run command', () => {
    const { sent } = call('kubectl events -A --types=warning --for deploy/web -o wide');
    expect(sent.words.join(' ')).toBe(
      'kubectl get events.v1. --all-namespaces=true --field-selector=metadata.namespace!=aks-command,type=Warning,involvedObject.kind=Deployment,involvedObject.name=web --sort-by=.lastTimestamp --output=wide',
    );
    expect(refusal(() => call('kubectl events -A --types=Odd'))).toMatchObject({ word: '--types=Odd' });
    const flags = ['--show-managed-fields=true', '--allow-missing-template-keys=false', '--v=2'];
    expect(call(`kubectl events -A ${flags.join(' ')}`).sent.words).toEqual(expect.arrayContaining(flags));
  });
});

/** Apart from the slash before it, with which it would begin a comment. */
const ANY = '*';

describe('patterns of -f', () => {
  const files = Object.fromEntries(
    ['apps/a.yaml', 'apps/b.yml', 'apps/deep/c.yaml'].map((path, at) => [
      path,
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c${at}}\n`,
    ]),
  );
  test('mean the uploads that they match, folder by folder', () => {
    const sent = (pattern: string) => call(`kubectl apply -f '${pattern}'`, files).sent.files.map(({ path }) => path);
    expect(sent(`apps/${ANY}.yaml`)).toEqual(['apps/a.yaml']);
    expect(sent(`./apps/${ANY}`)).toEqual(['apps/a.yaml', 'apps/b.yml']);
    expect(sent(`${ANY}/${ANY}/${ANY}.yaml`)).toEqual(['apps/deep/c.yaml']);
    for (const pattern of [`x/${ANY}`, `../${ANY}.yaml`, `/etc/${ANY}`, 'apps/[ab].yaml', 'apps/?.yaml'])
      expect(refusal(() => call(`kubectl apply -f '${pattern}'`, files))).toMatchObject({ word: pattern });
  });
});

test('--record is left out, with a word on what to type instead', () => {
  const { sent, warnings } = call('kubectl set image deploy/web web=x --record');
  expect(sent.words).not.toContain('--record=true');
  expect(warnings).toEqual([expect.stringContaining('kubernetes.io/change-cause')]);
});

test('another version of a built-in kind is the same objects to policy', () => {
  const invocation = call('kubectl get hpa.v1.autoscaling web');
  expect(invocation.sent.words[2]).toBe('horizontalpodautoscalers.v1.autoscaling/web');
  expect(asked(invocation)).toEqual(['get horizontalpodautoscalers.autoscaling web in shop']);
});
