import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { testStack, type TestStack } from '../support/stack.ts';

// The tools in the pod are AKS's, and older than the cluster. The first command tells their versions; from then on the gateway goes by them.

const OLD_KUBECTL = `#!/bin/sh
case "$*" in
'version --client -o yaml') printf 'clientVersion:\\n  gitTreeState: clean\\n  gitVersion: v1.30.14\\n' ;;
*) echo 'No resources found' ;;
esac
`;
const OLD_HELM = '#!/bin/sh\necho v3.12.3+g3a31588\n';

/** Flags that came with kubectl 1.34 and helm 4. */
const NEWER = 'kubectl autoscale deployment/web --max=3 --cpu=50%';
const UPGRADE = 'helm upgrade web ./web --dry-run -n shop';
const files = [{ path: 'web/Chart.yaml', content: 'apiVersion: v2\nname: web\nversion: 1.0.0\n' }];

let folder: string;
let stack: TestStack;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-pod-tools-'));
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  writeFileSync(join(tools, 'kubectl'), OLD_KUBECTL, { mode: 0o755 });
  writeFileSync(join(tools, 'helm'), OLD_HELM, { mode: 0o755 });
  stack = await testStack({ folder, tools });
}, 60_000);
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true, force: true });
});

const tools = async (): Promise<unknown> => {
  const { body } = await stack.request<{ tools: unknown }>('GET', '/v1/clusters/demo');
  return body.tools;
};

test('what the tools in the pod cannot do is warned of, and once they have told their versions refused with the reason', async () => {
  expect(await tools()).toEqual({ kubectl: null, helm: null });
  const before = await stack.explain({ command: NEWER });
  expect(before.body['warnings']).toEqual([
    expect.stringMatching(/^--cpu is known to kubectl 1\.34, and not to every older one/u),
  ]);
  expect((await stack.explain({ command: UPGRADE, files })).body['command']).toContain('--dry-run=client');

  const first = await stack.command({ command: 'kubectl get pods' });
  expect([first.status, first.body.status]).toEqual([200, 'completed']);

  expect(await tools()).toEqual({ kubectl: '1.30', helm: '3.12' });
  const posts = stack.azure.arm.posts.length;
  const refused = await stack.command({ command: NEWER });
  expect([refused.status, refused.body.code]).toEqual([400, 'command-refused']);
  expect(refused.body).toMatchObject({
    word: '--cpu',
    why: expect.stringMatching(/known to kubectl 1\.34 and later; the pod of this cluster has kubectl 1\.30/u),
  });
  expect(stack.azure.arm.posts).toHaveLength(posts);
  // What it knows by another word is sent in that word.
  expect((await stack.explain({ command: UPGRADE, files })).body['command']).toContain('--dry-run=true');
});
