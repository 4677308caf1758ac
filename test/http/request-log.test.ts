import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { people, testStack, type TestStack } from '../support/stack.ts';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly requestId?: string;
  readonly route?: string;
  readonly method?: string;
  readonly status?: number | Readonly<Record<string, number>>;
  readonly principal?: string;
  readonly ms?: number;
  readonly code?: string;
}

const [INFO, WARN, ERROR] = [30, 40, 50];

let stack: TestStack;
let text = '';
const lines = (): readonly Line[] =>
  text
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
/** An answer is out a moment before its line is written. */
const until = async (is: () => boolean): Promise<void> => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 10));
};
const requests = (): readonly Line[] => lines().filter(({ msg }) => msg === 'request');

beforeAll(async () => {
  stack = await testStack({
    gateway: { logger: { level: 'info', stream: { write: (line) => void (text += line) } } },
    edit: (yaml) =>
      yaml.replace(
        /perPrincipal: .*/,
        'perPrincipal: { running: 4, queued: 20, submitsPerMinute: 30, requestsPerMinute: 100000, auditLinesPerMinute: 100000 }',
      ),
  });
});
afterAll(() => stack.close());
beforeEach(() => void (text = ''));

describe("the process's own log", () => {
  test('has one line a request: its id, route, status, principal, time and code', async () => {
    const ran = await stack.command({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] });
    const denied = await stack.command({ argv: ['kubectl', 'get', 'secrets', '-n', 'shop'] });
    const stranger = await stack.request('GET', '/v1/whoami', { token: null });
    await stack.request('GET', '/nowhere');
    await until(() => requests().length >= 4);
    const route = '/v1/clusters/:cluster/commands';
    const principal = expect.stringContaining(people.user);
    expect(requests()).toEqual([
      expect.objectContaining({ level: INFO, route, method: 'POST', status: 200, principal, ms: expect.any(Number) }),
      expect.objectContaining({ route, status: 403, principal, code: 'policy-denied' }),
      expect.objectContaining({ route: '/v1/whoami', status: 401, code: stranger.body.code }),
      expect.objectContaining({ route: 'none', status: 404, code: 'route-not-found' }),
    ]);
    expect(requests().map(({ requestId }) => requestId)).toEqual([
      ran.headers.get('x-request-id'),
      denied.headers.get('x-request-id'),
      stranger.headers.get('x-request-id'),
      expect.any(String),
    ]);
    for (const line of text.trimEnd().split('\n')) expect(line.length).toBeLessThan(400);
  });

  test('has nothing that a caller wrote', async () => {
    const MARK = 'marked-by-the-caller';
    const headers = { 'idempotency-key': MARK, 'user-agent': MARK, 'x-forwarded-for': MARK, prefer: MARK };
    await stack.command({ argv: ['kubectl', 'get', 'pods', MARK, '-n', 'shop'], reason: MARK }, { headers });
    await stack.command({ command: `kubectl get pods; ${MARK}` }, { headers });
    await stack.command(`{"${MARK}": `, { headers });
    await stack.request('GET', `/v1/commands/${MARK}?${MARK}=${MARK}`);
    await stack.request('GET', `/${MARK}`);
    await stack.request('GET', '/v1/whoami', { token: MARK });
    await stack.request('POST', `/v1/clusters/${MARK}/commands`, { body: {}, headers });
    await until(() => requests().length >= 7);
    expect(text).not.toContain(MARK);
    expect(text).not.toContain(stack.tokens.user);
  });

  test('counts under a flood what it does not write: each request is in it once', async () => {
    const FLOOD = 300;
    for (let sent = 0; sent < FLOOD; sent += 50)
      await Promise.all(Array.from({ length: 50 }, () => stack.request('GET', '/v1/commands/none')));
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // a window
    await stack.request('GET', '/healthz');
    const counted = (): number =>
      lines()
        .filter(({ msg }) => msg === 'more than is logged')
        .reduce((sum, { status }) => sum + Object.values(status ?? {}).reduce((all, times) => all + times, 0), 0);
    await until(() => requests().length + counted() === FLOOD + 1);
    expect(counted()).toBeGreaterThan(0);
    expect(lines().every(({ msg, level }) => msg !== 'more than is logged' || level === WARN)).toBe(true);
  });

  test('tells the cause of what the gateway is to blame for, a few times in a second', async () => {
    stack.azure.arm.faults.post({ kind: 'status', status: 403, code: 'AuthorizationFailed' }, { times: 1 });
    const { status, body } = await stack.command({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] });
    expect([status, body.code]).toEqual([502, 'azure-refused']);
    await until(() => requests().length > 0);
    expect(lines().filter(({ level }) => level === ERROR)).toEqual([
      expect.objectContaining({ code: 'azure-refused', requestId: expect.any(String) }),
    ]);
  });
});
