import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { people, testStack, type TestStack } from '../support/stack.ts';

// What is asked of the gateway itself: by words of kubectl's, answered by policy, with no pod.

let stack: TestStack;
let posts = 0;
beforeAll(async () => {
  stack = await testStack({ edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 1000') });
  posts = stack.azure.arm.posts.length;
}, 60_000);
afterAll(() => stack.close());

const run = async (command: string, more: object = {}) => (await stack.command({ command, ...more })).body;

describe('answered by the gateway', () => {
  test.each([
    ['get pods', 'yes', 0],
    ['list deployments.apps -n shop', 'yes', 0],
    ['delete nodes', 'no', 1],
    ['get pods -n kube-system', 'no', 1],
    ['get pods -A', 'no', 1],
    ['create pods/web --subresource=exec', 'no', 1],
    ["'*' '*'", 'no', 1],
    ['get /metrics', 'no', 1],
  ])('auth can-i %s: %s', async (what, word, exitCode) => {
    const { status, exitCode: code, stdout, azure, warnings } = await run(`kubectl auth can-i ${what}`);
    expect([status, code, stdout.split(/ - |\n/u)[0]]).toEqual(['completed', exitCode, word]);
    expect(azure).toEqual({ commandId: null });
    expect(warnings).toEqual([expect.stringContaining('nothing was sent')]);
  });

  test('as decided when the command itself is asked for', async () => {
    for (const [question, command] of [
      ['delete pods/web -n shop', 'kubectl delete pod web -n shop --wait=false'],
      ['get secrets/db', 'kubectl get secret db'],
      ['patch deployments.apps/web', 'kubectl label deploy web a=b'],
      ['list nodes', 'kubectl get nodes'],
    ] as const) {
      const { exitCode } = await run(`kubectl auth can-i ${question} -q`);
      const { body } = await stack.explain({ command });
      const rules = body.rules as { attributes: { verb: string }; allowed: boolean }[];
      const verb = question.split(' ')[0];
      expect([question, exitCode === 0]).toEqual([
        question,
        rules.find((one) => one.attributes.verb === verb)?.allowed,
      ]);
    }
  });

  test('the rules, and who one is', async () => {
    const rules = await run('kubectl auth can-i --list -n shop');
    expect(rules.stdout).toMatch(/^Resources +Non-Resource URLs +Resource Names +Verbs +Role\n/u);
    expect(rules.stdout).toContain('shop-deployer');
    expect((await run('kubectl auth can-i --list -n kube-system --no-headers')).stdout).not.toContain(
      'deployments.apps',
    );
    expect((await run('kubectl auth whoami')).stdout).toContain(`:${people.user}`);
    const review = JSON.parse((await run('kubectl auth whoami -o json')).stdout) as object;
    expect(review).toMatchObject({
      kind: 'SelfSubjectReview',
      status: { userInfo: { groups: ['aksgw:shop-deployer'] } },
    });
  });

  test('help, for what the gateway relays', async () => {
    const get = await run('kubectl get pods --help');
    expect(get.stdout).toContain('--all-namespaces, -A');
    expect(get.stdout).toMatch(/Flags that are refused:[^]*--kubeconfig/u);
    for (const command of ['kubectl help', 'kubectl options', 'kubectl', 'helm install -h', 'kubectl help rollout'])
      expect((await run(command)).stdout).toContain('What the gateway relays of');
    expect((await run('helm help')).stdout).toMatch(/Commands that are refused:[^]*plugin/u);
  });

  test('is kept, and told by its key and id like any other', async () => {
    const token = await stack.azure.entra.userToken({ oid: people.user, groups: [people.team] });
    const ask = () =>
      stack.command(
        { command: 'kubectl auth can-i get pods' },
        { token, headers: { 'idempotency-key': 'asked-once' } },
      );
    const [first, second] = [await ask(), await ask()];
    expect(second.body.id).toBe(first.body.id);
    const read = await stack.request<{ stdout: string }>('GET', `/v1/commands/${first.body.id}`, { token });
    expect(read.body.stdout).toBe('yes\n');
  });

  test('not in a batch, where it would be a step without a pod', async () => {
    const { body } = await stack.request<Record<string, unknown>>('POST', '/v1/clusters/demo/batches', {
      body: { steps: [{ command: 'kubectl get pods' }, { command: 'kubectl auth can-i get pods' }] },
    });
    expect(body).toMatchObject({ code: 'command-refused', step: 1 });
  });

  test('and nothing of all this went to Azure; --in-cluster does', async () => {
    expect(stack.azure.arm.posts.length).toBe(posts);
    const explained = await stack.explain({ command: 'kubectl auth can-i get pods --in-cluster' });
    expect(explained.body.command).toBe("'kubectl' 'auth' 'can-i' 'get' 'pods.v1.' '--namespace=shop'");
    expect(explained.body.attributes).toMatchObject([{ verb: 'create', resource: 'selfsubjectaccessreviews' }]);
  });

  test('to nobody who has no role there', async () => {
    const token = await stack.azure.entra.userToken({ oid: 'abababab-0000-4000-8000-000000000001' });
    expect((await stack.command({ command: 'kubectl auth can-i get pods' }, { token })).status).toBe(404);
  });
});
