import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { testStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack();
  // Node reads both when it looks at its connections, each second.
  stack.gateway.app.server.requestTimeout = 1_500;
  stack.gateway.app.server.headersTimeout = 1_000;
}, 60_000);
afterAll(() => stack.close());

/** Sends the text as it stands; gives what comes back until the other side closes. `keepOpen`: our side is never closed. */
async function raw(text: string, keepOpen = false): Promise<{ answer: string; socket: Socket }> {
  const { port } = new URL(stack.url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: keepOpen });
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(text);
  await new Promise<void>((resolve) => socket.once('end', resolve).once('close', () => resolve()));
  return { answer, socket };
}

const post = (headers: string, body = ''): string =>
  `POST /v1/clusters/demo/commands HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${stack.tokens.user}\r\ncontent-type: application/json\r\n${headers}\r\n\r\n${body}`;

describe('a socket', () => {
  test.each([
    ['whose headers do not end', () => 'GET /v1/commands HTTP/1.1\r\nhost: g\r\n', 408, 'request-timeout'],
    ['whose body does not end', () => post('content-length: 100', '{'), 408, 'request-timeout'],
    [
      'with too large headers',
      () => `GET / HTTP/1.1\r\nhost: g\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['that speaks no HTTP', () => 'hello\r\n\r\n', 400, 'request-invalid'],
    [
      'that expects what is not known',
      () => `GET / HTTP/1.1\r\nhost: g\r\nexpect: miracles\r\n\r\n`,
      417,
      'expectation-failed',
    ],
    [
      'with an unknown percent in its address',
      () => 'GET /%zz HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n',
      404,
      'route-not-found',
    ],
    [
      'with two tokens',
      () => post(`authorization: Bearer ${stack.tokens.bot}\r\ncontent-length: 2\r\nconnection: close`, '{}'),
      400,
      'request-invalid',
    ],
    ['without a host', () => 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'request-invalid'],
    [
      'with two hosts',
      () => 'GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n',
      400,
      'request-invalid',
    ],
    [
      'with two content types',
      () => post('content-type: text/plain\r\ncontent-length: 2\r\nconnection: close', '{}'),
      400,
      'request-invalid',
    ],
  ])('%s gets a problem with the headers of every answer', async (_name, text, status, code) => {
    const { answer } = await raw(text());
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(`"code":"${code}"`);
    for (const header of ['cache-control: no-store', 'x-content-type-options: nosniff', 'x-request-id: '])
      expect(answer.toLowerCase()).toContain(header);
  });

  test('whose peer never closes its half is destroyed all the same', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 20 }, () => raw('GET /healthz HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n', true)),
    );
    expect(sockets.every(({ answer }) => answer.startsWith('HTTP/1.1 200'))).toBe(true);
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) =>
        stack.gateway.app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      );
    for (let tries = 0; tries < 100 && (await connections()) > 0; tries++) await sleep(100);
    expect(await connections()).toBe(0);
    for (const { socket } of sockets) socket.destroy();
  });
});
