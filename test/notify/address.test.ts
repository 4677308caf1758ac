import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { whyNot } from '../../shared/notify/address.ts';
import { post, sharedLookups } from '../../shared/notify/post.ts';

const nowhere = { private: false, loopback: false };

describe('an address that is never sent to', () => {
  test.each([
    '127.0.0.1',
    '127.1.2.3',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.169.254',
    '168.63.129.16',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '198.51.100.1',
    '203.0.113.1',
    '198.18.0.1',
    '192.0.0.1',
    '::',
    '::1',
    '::7f00:1',
    '::a00:1',
    'fe80::1',
    'fc00::1',
    'fd12::1',
    'fec0::1',
    'ff02::1',
    '2001:db8::1',
    '2001::1',
    '3fff::1',
    '4000::1',
    '64:ff9b:1::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:169.254.169.254',
    '::ffff:168.63.129.16',
    '::ffff:a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '64:ff9b::10.0.0.1',
    '64:ff9b::a83f:8110',
    '::ffff:0:10.0.0.1',
    '2002:a9fe:a9fe::1',
    '2002:0a00:0001::1',
    '2002:a83f:8110::1',
    'nonsense',
    '',
  ])('%s', (address) => {
    expect(whyNot(address, nowhere)).toEqual(expect.any(String));
  });

  test.each([
    '169.254.169.254',
    '168.63.129.16',
    '::ffff:169.254.169.254',
    '64:ff9b::a83f:8110',
    'fe80::1',
    '224.0.0.1',
    '0.0.0.0',
  ])('%s, not even where the operator named the host', (address) => {
    expect(whyNot(address, { private: true, loopback: true })).toEqual(expect.any(String));
  });
});

test.each(['20.50.2.1', '2603:1020::1', '::ffff:20.50.2.1', '64:ff9b::20.50.2.1', '2002:1432:201::1'])(
  '%s is public',
  (address) => {
    expect(whyNot(address, nowhere)).toBeUndefined();
  },
);

test('networks of the operator and this machine are reached where the configuration says so, each by itself', () => {
  for (const address of ['10.0.0.1', '192.168.1.1', '100.64.0.1', 'fd12::1', '::ffff:10.0.0.1'])
    expect(whyNot(address, { private: true, loopback: false })).toBeUndefined();
  for (const address of ['127.0.0.1', '::1']) {
    expect(whyNot(address, { private: true, loopback: false })).toEqual(expect.any(String));
    expect(whyNot(address, { private: false, loopback: true })).toBeUndefined();
  }
});

describe('a POST', () => {
  const listen = async (status: number, headers: Record<string, string> = {}) => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.headers.host} ${request.url}`);
      if (status > 0) response.writeHead(status, headers).end('x'.repeat(1_000_000));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    return { seen, port, close: () => (server.closeAllConnections(), server.close()) };
  };
  const send = (url: string, resolve: (host: string) => Promise<string[]>, clock = systemClock) =>
    post(new URL(url), {}, '{}', {
      resolve,
      clock,
      reach: { private: false, loopback: true },
      signal: new AbortController().signal,
    });

  test('goes to the very address that was checked, looked up once, whatever the name means a moment later', async () => {
    const receiver = await listen(200);
    let looks = 0;
    const rebinding = async () => (looks++ === 0 ? ['127.0.0.1'] : ['169.254.169.254']);
    expect(await send(`http://hooks.example:${receiver.port}/x`, rebinding)).toMatchObject({ status: 200 });
    expect(looks).toBe(1);
    expect(receiver.seen).toEqual([`hooks.example:${receiver.port} /x`]);
    await expect(send(`http://hooks.example:${receiver.port}/x`, rebinding)).rejects.toThrow(
      /169\.254\.169\.254 is not a public/,
    );
    await expect(
      send(`http://hooks.example:${receiver.port}/x`, async () => ['127.0.0.1', '10.0.0.1']),
    ).rejects.toThrow(/10\.0\.0\.1/);
    await expect(send('http://169.254.169.254/metadata', rebinding)).rejects.toThrow(/link/i);
    await expect(send('http://[::ffff:a83f:8110]/', rebinding)).rejects.toThrow(/Azure's own/);
    await expect(send('http://2852039166/', rebinding)).rejects.toThrow(/169\.254\.169\.254/);
    expect(receiver.seen).toHaveLength(1);
    receiver.close();
  });

  test('looks a host up once at a time, so that a name server that hangs holds one thread and no more', async () => {
    const looks: { readonly host: string; readonly end: () => void }[] = [];
    const lookup = sharedLookups((host) => {
      const { promise, resolve } = Promise.withResolvers<string[]>();
      looks.push({ host, end: () => resolve([`10.0.0.${looks.length}`]) });
      return promise;
    });
    const answers = [lookup('slow.example'), lookup('slow.example'), lookup('other.example')];
    expect(looks.map(({ host }) => host)).toEqual(['slow.example', 'other.example']);
    for (const { end } of looks) end();
    expect(await Promise.all(answers)).toEqual([['10.0.0.2'], ['10.0.0.2'], ['10.0.0.2']]);
    // Nothing of it is kept: the next message looks again.
    const next = lookup('slow.example');
    looks.at(-1)?.end();
    expect([await next, looks.length]).toEqual([['10.0.0.3'], 3]);
  });

  test('follows no redirect, and waits for no slow receiver', async () => {
    const away = await listen(307, { location: 'http://169.254.169.254/' });
    expect((await send(`http://127.0.0.1:${away.port}/`, async () => [])).status).toBe(307);
    const slow = await listen(0);
    const hasty = { ...systemClock, sleep: (_ms: number, options = {}) => systemClock.sleep(200, options) };
    await expect(send(`http://127.0.0.1:${slow.port}/`, async () => [], hasty)).rejects.toThrow(/No answer within/);
    away.close();
    slow.close();
  });
});
