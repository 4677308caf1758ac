import { describe, expect, test } from '@jest/globals';
import { almighty, body, stack, tokens } from './support.ts';

// Every door leads through the one corridor.

describe('one choke point behind every door', () => {
  const refusedLine = 'kubectl get pods --kubeconfig=/x';
  const deniedLine = 'kubectl get secrets -A';
  interface Door {
    readonly name: string;
    readonly cluster?: string;
    readonly headers?: Record<string, string>;
    readonly asText?: true;
  }
  const doors: readonly Door[] = [
    { name: 'argv' },
    { name: 'text', asText: true },
    { name: 'an answer that is not waited for', headers: { prefer: 'respond-async' } },
    { name: 'plain text', headers: { accept: 'text/plain' } },
    { name: 'an idempotency key', headers: { 'idempotency-key': 'attack-17' } },
    { name: 'the same key again', headers: { 'idempotency-key': 'attack-17' } },
    { name: 'a method override', headers: { 'x-http-method-override': 'GET' } },
    {
      name: 'headers of another identity',
      headers: { 'x-ms-client-principal-id': almighty, 'impersonate-user': almighty },
    },
    { name: 'a cluster that impersonates', cluster: 'named' },
  ];
  test.each(doors)('$name', async ({ cluster = 'demo', headers = {}, asText }) => {
    const before = stack.azure.arm.posts.length;
    const through = (line: string, token: string) =>
      stack.request('POST', `/v1/clusters/${cluster}/commands`, {
        token,
        headers,
        body: asText ? { command: line } : { argv: line.split(' ') },
      });
    const refused = await through(refusedLine, tokens.almighty);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('command-refused')]);
    expect(refused.text).toContain('--kubeconfig');
    const denied = await through(deniedLine, tokens.viewer);
    expect([denied.status, denied.text]).toEqual([403, expect.stringContaining('policy-denied')]);
    expect(stack.azure.arm.posts.length).toBe(before);
  });

  test('the same key that once ran something allowed opens nothing else', async () => {
    const headers = { 'idempotency-key': 'attack-17-used' };
    const fine = await stack.command(body('kubectl get pods', {}), { token: tokens.viewer, headers });
    expect(fine.status).toBe(200);
    const before = stack.azure.arm.posts.length;
    const other = await stack.command(body(deniedLine, {}), { token: tokens.viewer, headers });
    expect(other).toMatchObject({ status: 403, body: { code: 'policy-denied' } });
    expect(stack.azure.arm.posts.length).toBe(before);
  });
});
