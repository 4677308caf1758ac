import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testStack, type TestStack } from '../support/stack.ts';

/**
 * A delete waits until the object is gone, and so reads it. Who may delete and not read does so without waiting; what was
 * decided over is then the delete that does not wait, and that one is sent and recorded.
 */
const people = {
  // The contract's own shop-deployer: no watch.
  contract: 'bbbbbbbb-0000-4000-8000-000000000001',
  waiting: 'bbbbbbbb-0000-4000-8000-000000000002',
  unwatching: 'bbbbbbbb-0000-4000-8000-000000000003',
  reading: 'bbbbbbbb-0000-4000-8000-000000000004',
} as const;
type Who = keyof typeof people;

const IN_SHOP = 'resources: [deployments.apps, services], namespaces: [shop]';
const ROLES = `
    contract: { allow: [{ verbs: [get, list, create, update, patch, delete], ${IN_SHOP} }] }
    waiting: { allow: [{ verbs: [get, list, watch, delete], ${IN_SHOP} }] }
    unwatching: { allow: [{ verbs: ['*'], ${IN_SHOP} }], deny: [{ verbs: [watch], resources: ['*'] }] }
    reading: { allow: [{ verbs: [get, list, watch], ${IN_SHOP} }] }
`;
const BINDINGS = Object.entries(people)
  .map(([role, oid]) => `\n    - { role: ${role}, clusters: [demo], subjects: [{ app: ${oid} }] }`)
  .join('');

let stack: TestStack;
const tokens: Record<Who, string> = { contract: '', waiting: '', unwatching: '', reading: '' };

beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) => yaml.replace('\n  roles:\n', `$&${ROLES}`).replace('\n  bindings:\n', `$&${BINDINGS}\n`),
  });
  for (const [who, oid] of Object.entries(people) as [Who, string][]) {
    tokens[who] = await stack.azure.entra.appToken({ oid, roles: ['Commands.Run'] });
  }
});
afterAll(() => stack.close());

interface Explained {
  readonly allowed: boolean;
  readonly command: string;
  readonly attributes: readonly { readonly verb: string }[];
  readonly rules: readonly { readonly allowed: boolean }[];
  readonly warnings: readonly string[];
}

async function explain(who: Who, command: string, files?: readonly unknown[]): Promise<Explained> {
  const { text } = await stack.explain({ command, files }, { token: tokens[who] });
  const explained = JSON.parse(text) as Explained;
  return { ...explained, command: explained.command.replaceAll("'", '') };
}

const verbs = ({ attributes }: Explained): string[] => attributes.map(({ verb }) => verb);

const WARNING = /^Sent with --wait=false/u;
const DELETE = 'kubectl delete deployment web -n shop';
const file = {
  path: 'web.yaml',
  content: 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web, namespace: shop }\n',
};

describe('a delete', () => {
  test.each<Who>(['contract', 'unwatching'])('of one who may not wait (%s) is explained as it is sent', async (who) => {
    const explained = await explain(who, DELETE);
    expect(explained).toMatchObject({ allowed: true, warnings: [expect.stringMatching(WARNING)] });
    expect(verbs(explained)).toEqual(['delete']);
    expect(explained.rules.every(({ allowed }) => allowed)).toBe(true);
    expect(explained.command).toBe(
      'kubectl delete deployments.v1.apps/web --wait=false --cascade=background --namespace=shop',
    );
  });

  test('of one who may wait waits', async () => {
    const explained = await explain('waiting', DELETE);
    expect(explained).toMatchObject({ allowed: true, warnings: [] });
    expect(verbs(explained)).toEqual(['delete', 'get', 'list', 'watch']);
    expect(explained.command).toBe(
      'kubectl delete deployments.v1.apps/web --timeout=285s --cascade=background --namespace=shop',
    );
  });

  test('of objects in files does not wait either', async () => {
    const explained = await explain('contract', 'kubectl delete -f web.yaml', [file]);
    expect(explained).toMatchObject({ allowed: true, warnings: [expect.stringMatching(WARNING)] });
    expect(verbs(explained)).toEqual(['delete']);
    expect(explained.command).toBe('kubectl delete --wait=false --filename=web.yaml --cascade=background');
  });

  test('by a query needs list and is sent as it came', async () => {
    const explained = await explain('contract', 'kubectl delete deployments -l app=web -n shop');
    expect(explained).toMatchObject({ allowed: true, warnings: [] });
    expect(verbs(explained)).toEqual(['list', 'delete']);
  });

  test.each([
    ['that is told to wait', 'contract', `${DELETE} --wait=true`, 'watch deployments.apps web'],
    ['that is told to wait, bare', 'contract', `${DELETE} --wait`, 'watch deployments.apps web'],
    ['elsewhere', 'contract', 'kubectl delete deployment web -n prod', 'delete deployments.apps web in prod'],
    ['of what may only be read', 'reading', DELETE, 'delete deployments.apps web'],
  ] as const)('%s is denied', async (_, who, command, about) => {
    const before = stack.azure.arm.posts.length;
    const answer = await stack.command({ command }, { token: tokens[who] });
    expect(answer).toMatchObject({ status: 403, body: { code: 'policy-denied' } });
    expect(answer.body.detail).toContain(about);
    expect(stack.azure.arm.posts.length).toBe(before);
  });

  test('that does not wait is sent, recorded and audited as that', async () => {
    const answer = await stack.command({ command: DELETE }, { token: tokens.contract });
    expect(answer).toMatchObject({
      status: 200,
      body: { status: 'completed', warnings: [expect.stringMatching(WARNING)], decision: { role: 'contract' } },
    });
    const asWritten = await stack.command({ command: `${DELETE} --wait=false` }, { token: tokens.contract });
    const { text } = await stack.request('GET', '/v1/audit/events?limit=100', { token: stack.tokens.auditor });
    const events = (JSON.parse(text) as { items: Record<string, unknown>[] }).items;
    const intentOf = (id: string) => events.find((event) => event['commandId'] === id && 'attributes' in event);
    const intent = intentOf(answer.body.id);
    // The HMAC is of what was sent, which is the same text as that of the delete that says so itself.
    expect(intent?.['textHmac']).toMatch(/^[0-9a-f]{64}$/);
    expect(intent?.['textHmac']).toBe(intentOf(asWritten.body.id)?.['textHmac']);
    expect(intent).toMatchObject({
      code: 'AKG300I',
      argv: DELETE.split(' '),
      attributes: [{ verb: 'delete', group: 'apps', resource: 'deployments', namespace: 'shop', name: 'web' }],
      rule: 'contract/allow[0]',
    });
    expect(stack.azure.arm.executions.at(-1)?.command).toContain('--wait=false');
  });
});
