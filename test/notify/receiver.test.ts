import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { systemEntropy } from '../../shared/clock.ts';
import type { AuditEvent } from '../../shared/audit/events.ts';
import type { Config } from '../../shared/config/config.ts';
import { createDeliveries, type NotifyContext } from '../../shared/notify/deliver.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { describeWith } from '../support/programs.ts';

const run = promisify(execFile);
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const DAY = 24 * 3_600_000;
const NOW = 1_800_000_000_000;

let folder: string;
const file = (name: string): string => join(folder, name);
const openssl = (...words: readonly string[]): void => {
  execFileSync('openssl', words, { stdio: 'ignore', cwd: folder });
};

/** A certificate of the authority `by`; of its own key where there is none. */
function certify(name: string, { host = 'localhost', days = '2', by = 'ca' } = {}): void {
  openssl(
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    `/CN=${host}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  );
  writeFileSync(file(`${name}.ext`), `subjectAltName=DNS:${host}\n`);
  const signer =
    by === '' ? ['-signkey', `${name}.key`] : ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    ...signer,
    '-days',
    days,
    '-extfile',
    `${name}.ext`,
    '-out',
    `${name}.pem`,
  );
}
const tls = (name: string): ServerOptions => ({
  key: readFileSync(file(`${name}.key`)),
  cert: readFileSync(file(`${name}.pem`)),
});

const servers: Server[] = [];
async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** What a receiver says once the connection stands, byte for byte; and what it was told. */
interface Talk {
  readonly heard: string[];
  readonly port: number;
  readonly socket: Promise<Socket>;
}
async function talking(
  certificate: string | undefined,
  say: (socket: Socket, heard: string) => void,
  more: ServerOptions = {},
): Promise<Talk> {
  const heard: string[] = [];
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const onConnection = (socket: Socket | TLSSocket): void => {
    resolve(socket);
    socket.on('error', () => undefined);
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      const first = text === '';
      text += piece;
      heard.push(piece);
      if (first) say(socket, text);
    });
  };
  const server =
    certificate === undefined ? createServer(onConnection) : createSecureServer({ ...tls(certificate), ...more });
  if (certificate !== undefined) {
    server.removeAllListeners('secureConnection');
    server.on('secureConnection', onConnection).on('tlsClientError', () => undefined);
  }
  return { heard, port: await listening(server), socket: promise };
}

/** One attempt at a delivery that was made a day ago, so that it is the last one: what the trail says of it. */
async function attempt(port: number, until?: Promise<unknown>): Promise<string> {
  const webhook = {
    name: 'ops',
    urlEnv: 'URL',
    secretEnv: 'HOOK',
    profile: 'json',
    events: [],
    output: false,
    private: false,
    hosts: [],
  };
  const config = { webhooks: new Map([['ops', webhook]]), listen: { host: '127.0.0.1', port: 0 } } as unknown as Config;
  const records = await openSqliteRecords(':memory:');
  await records.addDelivery({
    id: 'msg-1',
    version: 1,
    webhook: 'ops',
    about: { event: 'job.fired', job: 'nightly', detail: 'in time' },
    createdAt: NOW - DAY,
    attempts: 0,
    due: 0,
  });
  const events: AuditEvent[] = [];
  const { promise: timeUp, resolve: passTime } = Promise.withResolvers<void>();
  const deliveries = createDeliveries({
    config: { current: () => config, fresh: async () => config, isFresh: () => true, problem: () => undefined },
    env: { URL: `https://localhost:${port}/a-secret-word`, HOOK: SECRET },
    records,
    trail: { record: async (event: AuditEvent) => void events.push(event) } as unknown as NotifyContext['trail'],
    tell: async () => ({ event: 'job.fired', at: NOW, data: {}, say: () => 'done' }),
    resolve: async () => ['127.0.0.1'],
    // Time passes only where a test says that it does.
    clock: { now: () => NOW, monotonic: () => 0, sleep: () => timeUp },
    entropy: systemEntropy,
    onError: (error) => {
      throw error;
    },
  });
  void until?.then(() => passTime());
  await deliveries.run();
  await deliveries.close();
  await records.close();
  const [event, ...others] = events;
  expect(others).toEqual([]);
  expect(JSON.stringify(event)).not.toContain('a-secret-word');
  return event && 'detail' in event ? `${event.event}: ${event.detail}` : 'nothing';
}

const ok = (socket: Socket): void => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
const failed = (how: string): string => `delivery.failed: given up after a day: ${how}`;

describeWith(['openssl'], 'a receiver over TLS', () => {
  const before = getCACertificates('default');
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'aksgw-receiver-'));
    for (const name of ['ca', 'stranger'])
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        `/CN=${name}`,
        '-days',
        '2',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
      );
    certify('good');
    certify('other', { host: 'other.example.com' });
    certify('old', { days: '-1' });
    certify('unknown', { by: 'stranger' });
    certify('self', { by: '' });
    setDefaultCACertificates([...before, readFileSync(file('ca.pem'), 'utf8')]);
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  afterAll(() => {
    setDefaultCACertificates(before);
    rmSync(folder, { recursive: true, force: true });
  });

  test('whose certificate is right gets the message whole, signed', async () => {
    const receiver = await talking('good', ok);
    expect(await attempt(receiver.port)).toBe('delivery.sent: answered 200');
    const [head = '', body = ''] = receiver.heard.join('').split('\r\n\r\n');
    const headers = Object.fromEntries(
      head
        .split('\r\n')
        .slice(1)
        .map((line) =>
          line
            .toLowerCase()
            .split(': ', 1)
            .concat(line.slice(line.indexOf(': ') + 2)),
        ),
    );
    expect(head).toMatch(/^POST \/a-secret-word HTTP\/1\.1\r\n/);
    expect(headers['webhook-signature']).toBe(new Webhook(SECRET).sign('msg-1', new Date(NOW), body));
  });

  test.each([
    ['another host', 'other', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['an authority that nobody knows', 'unknown', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['nobody but itself', 'self', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['a time that is over', 'old', 'CERT_HAS_EXPIRED'],
  ])('whose certificate is for %s hears nothing', async (_whose, certificate, code) => {
    const receiver = await talking(certificate, ok);
    expect(await attempt(receiver.port)).toBe(failed(`no answer (${code})`));
    expect(receiver.heard).toEqual([]);
  });

  test('that nobody vouches for hears nothing where the environment says that certificates do not count', async () => {
    const receiver = await talking('self', ok);
    const module = new URL('../../shared/notify/post.ts', import.meta.url).href;
    const options = `{ resolve: async () => ['127.0.0.1'], clock: systemClock, reach: { private: false, loopback: true }, signal: new AbortController().signal }`;
    const program = `import { post } from '${module}'; import { systemClock } from '${module}/../../clock.ts';
      await post(new URL('https://localhost:${receiver.port}/'), {}, '{}', ${options}).then(({ status }) => console.log(status), ({ code }) => console.log(code));`;
    const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { env });
    expect([stdout.trim(), receiver.heard]).toEqual(['DEPTH_ZERO_SELF_SIGNED_CERT', []]);
  });

  test.each([
    ['an older TLS', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }, 'good'],
    ['no TLS at all', {}, undefined],
  ] as const)('that speaks %s hears nothing of the message', async (_what, options, certificate) => {
    const receiver = await talking(certificate, (socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n'), options);
    expect(await attempt(receiver.port)).toMatch(
      /^delivery\.failed: given up after a day: no answer \((ERR_SSL_\w+|EPROTO|ECONNRESET)\)$/,
    );
    expect(receiver.heard.join('')).not.toMatch(/POST|webhook/);
  });

  test.each([
    [
      'sends it elsewhere',
      'HTTP/1.1 307 Away\r\nlocation: http://169.254.169.254/metadata\r\ncontent-length: 0\r\n\r\n',
      'answered 307, and redirects are not followed',
    ],
    [
      'wants another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      'no answer (Error)',
    ],
    [
      'has headers without end',
      `HTTP/1.1 200 OK\r\n${'x-more: 0123456789\r\n'.repeat(2_000)}`,
      'no answer (HPE_HEADER_OVERFLOW)',
    ],
    ['speaks no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'no answer (HPE_INVALID_CONSTANT)'],
    [
      'answers twice at once, two lengths',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      'no answer (HPE_UNEXPECTED_CONTENT_LENGTH)',
    ],
  ])('that %s does not have it taken for sent', async (_what, answer, how) => {
    const receiver = await talking('good', (socket) => void socket.write(answer));
    expect(await attempt(receiver.port)).toBe(failed(how));
  });

  test.each([
    ['drips its headers', (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\nx-slow: ')],
    [
      'says to go on, again and again',
      (socket: Socket) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)),
    ],
    ['says nothing', () => undefined],
  ])('that %s is waited for no longer than the time for it', async (_what, say) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const receiver = await talking('good', (socket) => {
      say(socket);
      setImmediate(resolve);
    });
    expect(await attempt(receiver.port, promise)).toBe(failed('no answer (DeadlineExceeded)'));
    expect((await receiver.socket).destroyed || (await ended(receiver.socket))).toBe(true);
  });

  test('that never finishes the handshake is waited for no longer either', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const receiver = await talking(undefined, () => resolve());
    expect(await attempt(receiver.port, promise)).toBe(failed('no answer (DeadlineExceeded)'));
  });

  test('that answers without end is hung up on once its status is known', async () => {
    let written = 0;
    const receiver = await talking('good', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`;
      const more = (): void => {
        if (socket.destroyed || !socket.writable) return;
        written += piece.length;
        socket.write(piece, () => setImmediate(more));
      };
      more();
    });
    expect(await attempt(receiver.port)).toBe('delivery.sent: answered 200');
    await ended(receiver.socket);
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });
});

async function ended(socket: Promise<Socket>): Promise<true> {
  const one = await socket;
  if (!one.destroyed) await new Promise<void>((resolve) => void one.once('close', () => resolve()));
  return true;
}
