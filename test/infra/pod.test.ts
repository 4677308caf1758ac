import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { ZipFile } from 'yazl';
import type { JobEnd } from '../../infra/local/arm.ts';
import { startAzure, DEMO_CLUSTER, type EmulatedAzure } from '../../infra/local/azure.ts';
import { shellPod, type PodOptions } from '../../infra/local/pod.ts';

const cluster = { resourceId: DEMO_CLUSTER };
const run = (
  command: string,
  context?: Buffer,
  options: PodOptions = {},
  signal = new AbortController().signal,
): Promise<JobEnd> =>
  shellPod(options)({ commandId: 'c'.repeat(32), command, cluster, signal, ...(context && { context }) });

async function zip(entries: Readonly<Record<string, [content: string, mode: number]>>): Promise<Buffer> {
  const file = new ZipFile();
  for (const [name, [content, mode]] of Object.entries(entries)) file.addBuffer(Buffer.from(content), name, { mode });
  file.end();
  return buffer(file.outputStream);
}

describe('the pod', () => {
  test('merges stdout and stderr in their order and gives the exit code', async () => {
    expect(await run('echo a; echo b >&2; echo c; exit 7')).toEqual({ exitCode: 7, logs: 'a\nb\nc\n' });
    expect((await run('kill -TERM $$')).exitCode).toBe(143);
    expect((await run('syntax (')).exitCode).toBe(2);
  });

  test('unpacks the context with its modes into the working folder', async () => {
    const context = await zip({
      'k8s/app.yaml': ['kind: x', 0o100_644],
      'run.sh': ['echo ran', 0o100_755],
      closed: ['', 0o100_000],
    });
    const { logs } = await run('cat k8s/app.yaml; ./run.sh; stat -c %a k8s/app.yaml run.sh closed; pwd', context);
    expect(logs).toMatch(/^kind: xran\n644\n755\n0\n.*\/command-files\n$/);
  });

  test.each([
    ['a link', () => zip({ a: ['/etc/passwd', 0o120_777] }), /symbolic link/],
    // yazl will not write such names: they are put in afterwards, in the local header and in the directory.
    [
      'a way out',
      async () => renamed(await zip({ 'xx/evil': ['', 0o100_644] }), 'xx/evil', '../evil'),
      /invalid relative path/,
    ],
    [
      'an absolute path',
      async () => renamed(await zip({ 'xetc/x': ['', 0o100_644] }), 'xetc/x', '/etc/x'),
      /absolute path/,
    ],
    [
      'one name twice',
      async () => renamed(await zip({ aa: ['1', 0o100_644], bb: ['2', 0o100_644] }), 'bb', 'aa'),
      /EEXIST/,
    ],
    ['no zip', async () => Buffer.from('hello'), /end of central directory/i],
  ])('refuses a context with %s and runs nothing', async (_, make, message) => {
    await expect(run('touch /tmp/aksgw-never', await make())).rejects.toThrow(message);
    expect(existsSync('/tmp/aksgw-never')).toBe(false);
  });

  test('has a home, a temporary folder and nothing of the host’s environment, and leaves nothing behind', async () => {
    process.env['AKSGW_TEST_SECRET'] = 'hunter2';
    const { logs } = await run('env; echo x > "$HOME/left"; pwd');
    delete process.env['AKSGW_TEST_SECRET'];
    expect(logs).not.toContain('hunter2');
    const names = logs.split('\n').flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);
    expect(names.sort().filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name))).toEqual([
      'HOME',
      'HOSTNAME',
      'KUBECONFIG',
      'PATH',
      'TMPDIR',
    ]);
    expect(existsSync(logs.trim().split('\n').at(-1) ?? '')).toBe(false);
  });

  test('ends with its first process, whatever that left running', async () => {
    const { logs } = await run('(sleep 60; echo late) & echo $!');
    const alive = (): boolean => {
      try {
        process.kill(Number(logs), 0);
        if (!existsSync('/proc/self/stat')) return true;
        // Killed, but nobody has collected it: no init in this container.
        return !/\) Z /.test(readFileSync(`/proc/${logs.trim()}/stat`, 'utf8'));
      } catch (error) {
        if (error instanceof Error && 'code' in error) return false;
        throw error;
      }
    };
    for (let tries = 0; alive() && tries < 200; tries += 1) await delay(10);
    expect(alive()).toBe(false);
  });

  test('is killed when the emulation closes', async () => {
    const abort = new AbortController();
    const running = run('sleep 60', undefined, {}, abort.signal);
    setTimeout(() => abort.abort(), 100);
    expect((await running).exitCode).toBe(137);
  });

  test('runs in the shell it is given', async () => {
    expect((await run('echo "${BASH_VERSION:-none}"', undefined, { shell: '/bin/sh' })).exitCode).toBe(0);
    await expect(run('true', undefined, { shell: '/no/such/shell' })).rejects.toThrow(/ENOENT/);
  });
});

function renamed(archive: Buffer, from: string, to: string): Buffer {
  const changed = Buffer.from(archive);
  for (let at = changed.indexOf(from); at !== -1; at = changed.indexOf(from, at + 1)) changed.write(to, at);
  return changed;
}

describe('the emulated Azure as a whole', () => {
  let azure: EmulatedAzure;
  beforeAll(async () => {
    azure = await startAzure({ standIn: true, aad: true });
  });
  afterAll(() => azure.close());
  const headers = { authorization: 'Bearer t' };
  const invoke = async (body: Record<string, string>): Promise<Record<string, unknown>> => {
    const posted = await fetch(`${azure.arm.url}${DEMO_CLUSTER}/runCommand?api-version=2025-10-01`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    if (posted.status !== 202) return (await posted.json()) as Record<string, unknown>;
    for (;;) {
      const polled = await fetch(posted.headers.get('location') ?? '', { headers });
      if (polled.status === 200) return ((await polled.json()) as { properties: Record<string, unknown> }).properties;
      await delay(50);
    }
  };

  test('runs kubectl in the pod against the cluster, with a token that Entra gave on behalf of the user', async () => {
    expect(await invoke({ command: 'kubectl get pods' })).toMatchObject({ error: { code: 'MissingAADClusterToken' } });
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      requested_token_use: 'on_behalf_of',
      client_id: azure.entra.audience,
      client_secret: 'emulated-gateway-secret',
      scope: '6dae42f8-4368-4678-94ff-3960e28e3630/.default',
      assertion: await azure.entra.userToken(),
    });
    const answer = await fetch(`${azure.entra.authority}/${azure.entra.tenants[0] ?? ''}/oauth2/v2.0/token`, {
      method: 'POST',
      body: form,
    });
    const { access_token: clusterToken } = (await answer.json()) as { access_token: string };
    const result = await invoke({ command: 'kubectl get deploy -n shop; kubectl attach x', clusterToken });
    expect(result).toMatchObject({ provisioningState: 'Succeeded', exitCode: 1 });
    expect(result['logs']).toMatch(/^NAME +READY[^]*web +2\/2[^]*stand-in for kubectl/);
    expect(azure.kubernetes.requests).toMatchObject([
      { verb: 'list', resource: 'deployments', namespace: 'shop', userAgent: 'stand-in-kubectl' },
    ]);
    expect(azure.arm.executions).toHaveLength(1);
    expect(azure.kubectl).toBe('stand-in');
  });
});
