import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { installedKubectls } from '../infra/real-kubectl.ts';
import { testStack } from '../support/stack.ts';

const withKubectl = installedKubectls().length > 0 ? test : test.skip;

/** `npm start -- --kubeconfig F`: the pod's kubectl speaks to the cluster that the file names. */
describe('a kubeconfig', () => {
  let cluster: EmulatedKubernetes;
  let folder: string;
  beforeAll(async () => {
    cluster = await startKubernetes();
    folder = mkdtempSync(join(tmpdir(), 'aksgw-real-'));
  });
  afterAll(async () => {
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  withKubectl('given relative to the working folder is found from the pod as well', async () => {
    const file = join(folder, 'kubeconfig');
    writeFileSync(file, cluster.kubeconfig());
    const stack = await testStack({ kubeconfig: relative(process.cwd(), file) });
    try {
      const before = cluster.requests.length;
      const { body } = await stack.command({ command: 'kubectl get pods -n shop -o name' });
      expect(body).toMatchObject({ status: 'completed', exitCode: 0, stderr: '' });
      expect(body.stdout).toMatch(/^pod\/api-/);
      expect(cluster.requests.length).toBeGreaterThan(before);
    } finally {
      await stack.close();
    }
  });

  test('that is not there stops the start, before anything listens', async () => {
    await expect(testStack({ kubeconfig: join(folder, 'nope') })).rejects.toThrow(/ENOENT.*nope/);
  });
});
