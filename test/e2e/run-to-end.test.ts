import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { describeWith } from '../support/programs.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

// kubectl run --rm, asked for over HTTP: the real kubectl runs in the emulated pod, on the emulated cluster.

const NONCE = /^[0-9a-f]{16}$/u;
const MAKER = 'dddddddd-0000-4000-8000-000000000001';
const RUN = 'kubectl run tmp --rm -i --restart=Never --image=curlimages/curl -- curl http://web';

let stack: TestStack;
let labels: unknown;
beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 1000')
        .replace(
          /^( *)roles:\n/m,
          `$&$1  maker: { allow: [{ verbs: [create, get], resources: [pods, pods/log], namespaces: [shop] }] }\n`,
        )
        .replace(
          /^( *)bindings:\n/m,
          `$&$1  - { role: edit, namespaces: [shop], clusters: ['*'], subjects: [{ user: ${people.user} }] }\n$1  - { role: maker, clusters: ['*'], subjects: [{ app: ${MAKER} }] }\n`,
        ),
  });
}, 60_000);
afterAll(() => stack.close());

beforeEach(() => {
  const { kubernetes } = stack.azure;
  labels = undefined;
  // The container ends once its log is read.
  kubernetes.allow = ({ info }) => {
    const pod = info.subresource === 'log' ? kubernetes.find('Pod', 'shop', info.name) : undefined;
    if (pod) {
      labels = pod.metadata.labels;
      const state = { terminated: { exitCode: 3 } };
      kubernetes.place({ ...pod, status: { phase: 'Failed', containerStatuses: [{ name: 'tmp', state }] } });
    }
    return true;
  };
});

const find = () => stack.azure.kubernetes.find('Pod', 'shop', 'tmp');

describeWith(['kubectl'], 'kubectl run --rm over HTTP', () => {
  test('gives the log and the exit code, and leaves no pod', async () => {
    const { status, body } = await stack.command({ command: RUN });
    expect([status, body.status, body.exitCode, body.stderr]).toEqual([200, 'completed', 3, '']);
    expect(body.stdout).toContain('tmp: listening\n');
    expect(body.stdout).toMatch(/pod "tmp".* deleted/u);
    expect(labels).toEqual({ run: 'tmp', 'aksgw/run': expect.stringMatching(NONCE) });
    expect(find()).toBeUndefined();
  });

  test('leaves alone the pod of somebody else that has the name', async () => {
    stack.azure.kubernetes.place({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'tmp', namespace: 'shop', labels: { run: 'tmp', 'aksgw/run': 'feedfacefeedface' } },
      spec: { containers: [{ name: 'tmp', image: 'theirs' }] },
    });
    const { body } = await stack.command({ command: RUN });
    expect([body.status, body.exitCode]).toEqual(['completed', 1]);
    expect(body.stderr).toContain('AlreadyExists');
    expect(body.stdout).not.toContain('listening');
    expect(find()?.metadata.labels).toMatchObject({ 'aksgw/run': 'feedfacefeedface' });
  });

  test('is denied where the pod could be made but not deleted again', async () => {
    const token = await stack.azure.entra.appToken({ oid: MAKER, roles: ['Commands.Run'] });
    const verdict = async (command: string) => (await stack.explain({ command }, { token })).body['allowed'];
    expect(await verdict(RUN.replace(' --rm', ''))).toBe(true);
    expect(await verdict(RUN)).toBe(false);
  });
});
