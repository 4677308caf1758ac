import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLUSTER_ID } from '../../infra/local/stack.ts';
import { problems, type ProblemCode } from '../../shared/errors.ts';
import { openStores } from '../../shared/open-stores.ts';
import { fastClock } from '../support/fast-clock.ts';
import { held, type OpenApi } from '../support/openapi.ts';
import { people, testStack, type Answer, type TestStack } from '../support/stack.ts';

/**
 * Every code of the table, made to happen as a caller could meet it: its status, its form, what was asked to wait, and that nothing was
 * started. Each answer is held against the OpenAPI document too.
 */
const pods = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
const COMMANDS = '/v1/clusters/demo/commands';
/** In a subscription of its own: a throttled one stays so for all of its clusters. */
const armId = (name: string) =>
  CLUSTER_ID.replace('0001/', `${1000 + clusters.indexOf(name)}/`).replace('aks-demo', name);

/** What each further cluster of the stack is for. */
const clusters = ['own', 'cold', 'away', 'busy', 'throttled', 'refusing'];
const clock = fastClock(1);

/** A mistake of the gateway's own, whose words are for the log alone. */
const MISTAKE = 'a list that is not one';
let broken = false;
const breakable: typeof openStores = async (config, options) => {
  const stores = await openStores(config, options);
  const list: typeof stores.records.list = (query) => {
    if (broken) throw new TypeError(MISTAKE);
    return stores.records.list(query);
  };
  return { ...stores, records: { ...stores.records, list } };
};

let stack: TestStack & { readonly document: OpenApi };
beforeAll(async () => {
  const more = clusters.map((name) => {
    const special = { own: 'runAs: caller, ', cold: 'frozen: the books are closed, ' }[name] ?? '';
    return `  ${name}: { resourceId: ${armId(name)}, ${special}defaultNamespace: shop }\n`;
  });
  stack = await held(
    await testStack({
      jobs: false,
      clusters: [
        { resourceId: CLUSTER_ID },
        ...clusters.map((name) => ({ resourceId: armId(name), aad: name === 'own' })),
      ],
      env: { AKSGW_OBO: 'emulated-gateway-secret' },
      gateway: { clock, openStores: breakable, settleAfterMs: 3_600_000 }, // no command of the gateway's own
      edit: (yaml) =>
        yaml
          .replace('submitsPerMinute: 30', 'submitsPerMinute: 70')
          .replace('resultsHours: 24', 'resultsHours: 1')
          .replace(
            '  credential:',
            '  onBehalfOf: { clientId: 22222222-2222-4222-8222-222222222222, secretEnv: AKSGW_OBO }\n  credential:',
          )
          .replace('\nstorage:\n', `\n${more.join('')}\nstorage:\n`)
          .replaceAll('clusters: [demo]', "clusters: ['*']"),
    }),
  );
}, 60_000);
afterAll(() => stack.close());

const on = (cluster: string, body: unknown = pods, token = stack.tokens.user): Promise<Answer> =>
  stack.request('POST', `/v1/clusters/${cluster}/commands`, { body, token });
const get = (path: string, token?: string | null): Promise<Answer> =>
  stack.request('GET', path, token === undefined ? {} : { token });
const faults = () => stack.azure.arm.faults;
const person = (claims: Record<string, unknown>) => stack.azure.entra.userToken({ oid: people.user, ...claims });
const refusedBy = (status: number, code: string, retryAfter?: number) =>
  ({ kind: 'status', status, code, message: 'as asked', ...(retryAfter && { retryAfter }) }) as const;
const postTo = (cluster: string, fault: ReturnType<typeof refusedBy>): void =>
  faults().post((post) => (post.cluster.includes(`/${cluster}`) ? fault : undefined));

const made: Partial<Record<ProblemCode, () => Promise<Answer>>> = {
  'token-missing': () => get('/v1/whoami', null),
  'token-invalid': () => get('/v1/whoami', 'a.b.c'),
  'token-expired': async () => get('/v1/whoami', await person({ iat: 1e9, nbf: 1e9, exp: 1e9 + 3600 })),
  'interaction-required': async () => {
    stack.azure.entra.requireInteraction(people.auditor, '{"access_token":{}}');
    return on('own', pods, await person({ oid: people.auditor, groups: [people.team] }));
  },
  'user-required': () => on('own', pods, stack.tokens.bot),
  'policy-denied': () => on('demo', { argv: ['kubectl', 'get', 'secrets', '-n', 'shop'] }),
  'cluster-frozen': () => on('cold', { argv: ['kubectl', 'delete', 'service', 'web', '-n', 'shop'] }),
  'command-refused': () => on('demo', { command: 'kubectl get pods | sh' }),
  'request-invalid': () => on('demo', {}),
  'route-not-found': () => get('/v1/nothing'),
  'method-not-allowed': () => get(COMMANDS),
  'cluster-not-found': () => on('nowhere'),
  'command-not-found': () => get('/v1/commands/nothing'),
  'batch-not-found': () => get('/v1/batches/nothing'),
  'job-not-found': () => get('/v1/jobs/nothing'),
  'idempotency-conflict': async () => {
    const keyed = (body: unknown) => stack.command(body, { headers: { 'idempotency-key': 'one-key' } });
    await keyed(pods);
    return keyed({ ...pods, reason: 'another body' });
  },
  'command-finished': async () => {
    const { body } = await on('demo');
    return stack.request('POST', `/v1/commands/${body.id}/cancel`);
  },
  'cancel-unavailable': async () => {
    faults().post({ kind: 'resetAfter' });
    const { body } = await on('demo');
    expect(body.status).toBe('unknown');
    return stack.request('POST', `/v1/commands/${body.id}/cancel`);
  },
  'payload-too-large': () => on('demo', { ...pods, reason: 'x'.repeat(9_000_000) }),
  'media-type-unsupported': () => stack.command('kubectl get pods', { headers: { 'content-type': 'text/plain' } }),
  'rate-limited': async () => {
    const options = { token: stack.tokens.job, body: { steps: Array.from({ length: 20 }, () => pods) } };
    const explain = () => stack.request('POST', '/v1/clusters/demo/explain', options);
    for (let asked = 0; asked < 3; asked++) await explain();
    return explain();
  },
  'azure-throttled': () => {
    postTo('throttled', refusedBy(429, 'TooManyRequests', 400));
    return on('throttled');
  },
  'azure-refused': () => {
    postTo('refusing', refusedBy(403, 'AuthorizationFailed'));
    return on('refusing');
  },
  'azure-unreachable': () => {
    faults().get(refusedBy(500, 'InternalServerError'));
    return on('away');
  },
  'cluster-unavailable': () => {
    postTo('busy', refusedBy(409, 'OperationNotAllowed'));
    return on('busy');
  },
  'identity-unavailable': async () => {
    clock.forward(6 * 60_000); // keys are not asked for again and again
    stack.azure.entra.fault('down');
    stack.azure.entra.rotateKeys();
    return get('/v1/whoami', await person({})).finally(() => stack.azure.entra.fault(undefined));
  },
  'internal-error': async () => {
    broken = true;
    return get('/v1/commands').finally(() => (broken = false));
  },
  'result-expired': async () => {
    const { body } = await on('demo');
    const exp = Math.floor(Date.now() / 1_000) + 4 * 3_600;
    const token = await person({ groups: [people.team], exp });
    clock.forward(61 * 60_000);
    await stack.gateway.sweep();
    return get(`/v1/commands/${body.id}`, token);
  },
};

/** Those that take a broken store, a broken socket or another host: where each is met over HTTP. */
const elsewhere: Partial<Record<ProblemCode, string>> = {
  'length-required': 'test/functions/host.test.ts',
  'request-timeout': 'test/http/sockets.test.ts',
  'headers-too-large': 'test/http/sockets.test.ts',
  'expectation-failed': 'test/http/sockets.test.ts',
  'result-missing': 'test/faults/stores.test.ts',
  'configuration-changed': 'test/e2e/decided.test.ts',
  'audit-unavailable': 'test/faults/stores.test.ts',
  'gateway-busy': 'test/faults/stores.test.ts',
};

describe('a problem', () => {
  test('of the table is made here or named where it is', () => {
    expect([...Object.keys(made), ...Object.keys(elsewhere)].sort()).toEqual(Object.keys(problems).sort());
    for (const [code, file] of Object.entries(elsewhere))
      expect([file, readFileSync(join(import.meta.dirname, '../..', file), 'utf8').includes(code)]).toEqual([
        file,
        true,
      ]);
  });

  test.each(Object.entries(made) as [ProblemCode, () => Promise<Answer>][])('%s', async (code, make) => {
    const answer = await make();
    const { status, retryable, title, next } = problems[code];
    expect(answer.body).toMatchObject({ type: `urn:aksgw:problem:${code}`, code, status, retryable, title, next });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(answer.body.instance).toBe(`urn:uuid:${answer.headers.get('x-request-id')}`);
    expect(answer.body.detail).toMatch(/^[^\n]+[.!?)\w"]$/);
    expect(answer.headers.has('www-authenticate')).toBe(status === 401);
    if (status === 429) expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(answer.text).not.toContain(MISTAKE);
  });

  test('means that nothing was started', () => {
    // A key used, a command to cancel, one whose answer was lost, and one whose result expired.
    expect(stack.azure.arm.executions).toHaveLength(4);
  });
});
