import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { reconcile } from '../../shared/client/operator/audit/reconcile.ts';
import { readActivityLogFromApi } from '../../shared/audit/verify/activity-log.ts';
import { Secret } from '../../shared/secret.ts';

/** Azure Monitor's Activity Log over a real socket: `pages` says what it answers, one after the other. */
let pages: ((origin: string) => { readonly status?: number; readonly body: unknown })[] = [];
const seen: { readonly url: URL; readonly authorization: string | undefined }[] = [];
const server = createServer((request, response) => {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  seen.push({ url: new URL(request.url ?? '', origin), authorization: request.headers.authorization });
  const { status = 200, body } = pages.shift()?.(origin) ?? { status: 404, body: {} };
  response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

const since = Date.UTC(2026, 0, 1);
const read = (maxPages?: number) => {
  seen.length = 0;
  const resourceManager = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const token = async () => new Secret('token-1');
  return readActivityLogFromApi({
    resourceManager,
    subscription: 's1',
    since,
    until: since + 1_000,
    token,
    ...(maxPages && { maxPages }),
  });
};
const entry = (correlationId: string) => ({
  operationName: { value: 'Microsoft.ContainerService/managedClusters/runCommand/action' },
  eventTimestamp: '2026-01-01T00:00:00Z',
  correlationId,
  resourceId: '/ID',
});

test('the Activity Log is read from the API to its last page', async () => {
  pages = [
    (origin) => ({ body: { value: [entry('a')], nextLink: `${origin}/more?$skipToken=2` } }),
    () => ({ body: { value: [entry('b')] } }),
  ];
  expect((await read()).map(({ correlationId }) => correlationId)).toEqual(['a', 'b']);
  expect(seen.map(({ url }) => url.pathname)).toEqual([
    '/subscriptions/s1/providers/Microsoft.Insights/eventtypes/management/values',
    '/more',
  ]);
  expect(seen[0]?.url.searchParams.get('api-version')).toBe('2015-04-01');
  expect(seen[0]?.url.searchParams.get('$filter')).toBe(
    "eventTimestamp ge '2026-01-01T00:00:00.000Z' and eventTimestamp le '2026-01-01T00:00:01.000Z' and resourceProvider eq 'Microsoft.ContainerService'",
  );
  expect(seen.map(({ authorization }) => authorization)).toEqual(['Bearer token-1', 'Bearer token-1']);
});

test.each([
  ['another host', () => ({ body: { value: [], nextLink: 'http://127.0.0.2:9/more' } }), 'another host'],
  ['no end', (origin: string) => ({ body: { value: [], nextLink: `${origin}/more` } }), 'more than 2 pages'],
  ['a refusal', () => ({ status: 403, body: {} }), 'answered 403'],
  ['not JSON', () => ({ body: 'x' }), 'not JSON'],
  ['no value', () => ({ body: {} }), 'no "value"'],
])('half of it is not a page: %s', async (_, page, message) => {
  pages = [page, page, page];
  await expect(read(2)).rejects.toMatchObject({ code: 'azure-unreachable', message: expect.stringContaining(message) });
});

test('aksgw audit reconcile asks the API of --config when it is given no file, and names what went around', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'aksgw-activity-'));
  mkdirSync(path.join(folder, 'data/audit'), { recursive: true });
  const example = readFileSync(path.join(import.meta.dirname, '../../infra/local/gateway.yaml'), 'utf8');
  const { port } = server.address() as AddressInfo;
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(config, example.replace('http://127.0.0.1:7082', `http://127.0.0.1:${port}`));
  const armId = /resourceId: (\S+)/.exec(example)?.[1] ?? '';
  const run = { ...entry('around-1'), eventTimestamp: new Date(Date.now() - 60_000).toISOString(), caller: 'mallory' };
  pages = [
    () => ({
      body: {
        value: [
          { ...run, resourceId: armId },
          { ...run, correlationId: 'elsewhere' },
        ],
      },
    }),
  ];
  seen.length = 0;
  let out = '';
  const code = await reconcile(['--config', config], {
    env: { AKSGW_ARM_TOKEN: 'token-2' },
    stdin: (async function* () {})(),
    stdout: { write: (chunk) => (out += chunk.toString()) },
    stderr: { write: () => true },
    cwd: () => folder,
  });
  expect([code, out]).toEqual([
    1,
    expect.stringMatching(/^0 runs are in both\n[^]*\naround the gateway: .* by mallory on .*around-1\)\n$/),
  ]);
  expect(seen.map(({ authorization }) => authorization)).toEqual(['Bearer token-2']);
  rmSync(folder, { recursive: true });
});
