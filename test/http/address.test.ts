import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({ edit: (yaml) => `publicUrl: https://gateway.example.com/aks/\n${yaml}` });
}, 60_000);
afterAll(() => stack.close());

describe('behind a proxy that rewrites Host and takes a prefix off', () => {
  test.each(['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/aks'])(
    'the metadata at %s names the address that callers know',
    async (path) => {
      const { status, body } = await stack.request<{ resource: string }>('GET', path, { token: null });
      expect(status).toBe(200);
      expect(body.resource).toBe('https://gateway.example.com/aks');
    },
  );

  test('there is no metadata for another path', async () => {
    const answer = await stack.request('GET', '/.well-known/oauth-protected-resource/other', { token: null });
    expect(answer.status).toBe(404);
  });

  test('a challenge points where a client would look for that resource (RFC 9728, section 3.1)', async () => {
    const { headers } = await stack.request('GET', '/v1/commands', { token: null });
    expect(headers.get('www-authenticate')).toContain(
      'resource_metadata="https://gateway.example.com/.well-known/oauth-protected-resource/aks"',
    );
  });

  test('Location and Content-Location keep the prefix', async () => {
    const begun = await stack.command(
      { command: 'kubectl get pods -n shop' },
      { headers: { prefer: 'respond-async' } },
    );
    expect(begun.headers.get('location')).toBe(`/aks/v1/commands/${begun.body.id}`);
    const done = await stack.request('GET', `/v1/commands/${begun.body.id}`, { headers: { prefer: 'wait=20' } });
    expect(done.headers.get('content-location')).toBe(`/aks/v1/commands/${begun.body.id}`);
  });
});
