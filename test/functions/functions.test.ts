import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import core from './functions-core-double.cjs';

/** An HTTP answer as the host gets it from the worker. */
interface RpcHttp {
  readonly statusCode: string;
  readonly headers: Record<string, string>;
  readonly body: { readonly bytes?: Uint8Array; readonly string?: string };
}

describe('on the Functions host', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-functions-'));
  let azure: EmulatedAzure;
  let token: string;
  let close: () => Promise<void>;

  beforeAll(async () => {
    azure = await startAzure();
    token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
    const { config, env } = writeConfig(folder, azure, 0, (yaml) => yaml);
    process.env['AKSGW_CONFIG'] = config;
    process.env['AKSGW_ARM_TOKEN'] = env.AKSGW_ARM_TOKEN;
    await import('../../functions/http.ts');
    await import('../../functions/sweep.ts');
    await import('../../functions/jobs.ts');
    await import('../../functions/deliveries.ts');
    const { gateway } = await import('../../functions/gateway.ts');
    close = async () => (await gateway()).close();
  });
  afterAll(async () => {
    await close();
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function call(method: string, path: string, headers: Record<string, string> = {}, body?: string | Uint8Array) {
    const http = {
      method,
      url: `https://aksgw.example.com${path}`,
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? { string: body } : { bytes: body } }),
    };
    const response = await core.invoke('http', { http });
    const answer = (response.returnValue as { http: RpcHttp }).http;
    const text = Buffer.from(answer.body.bytes ?? answer.body.string ?? '').toString();
    return {
      status: Number(answer.statusCode),
      headers: answer.headers,
      text,
      json: () => JSON.parse(text) as Record<string, unknown>,
    };
  }
  const authorised = () => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });

  test('four functions are registered: every address, a sweep, a look at the jobs and the deliveries each minute', () => {
    const bindings = [...core.functions].map(([name, { metadata }]) => [
      name,
      Object.values(metadata.bindings).map(({ type, route, schedule }) => ({ type, route, schedule })),
    ]);
    expect(bindings).toEqual([
      ['http', [{ type: 'httpTrigger', route: '{*path}' }, { type: 'http' }]],
      ['sweep', [{ type: 'timerTrigger', schedule: '0 * * * * *' }]],
      ['jobs', [{ type: 'timerTrigger', schedule: '0 * * * * *' }]],
      ['deliveries', [{ type: 'timerTrigger', schedule: '0 * * * * *' }]],
    ]);
  });

  test('a command goes the whole way through the library’s own converters', async () => {
    const answer = await call(
      'POST',
      '/v1/clusters/demo/commands',
      authorised(),
      JSON.stringify({ command: 'kubectl get pods -n shop' }),
    );
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ status: 'completed', exitCode: 0 });
    expect(answer.headers['content-location']).toMatch(/^\/v1\/commands\//);
    for (const hop of ['connection', 'keep-alive', 'transfer-encoding']) expect(answer.headers).not.toHaveProperty(hop);
  });

  test("the host's trace is the request's, in the audit trail too", async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const http = { method: 'GET', url: 'https://aksgw.example.com/v1/commands', headers: authorised() };
    await core.invoke('http', { http }, { traceParent: `00-${traceId}-00f067aa0ba902b7-01` });
    const lines = readdirSync(join(folder, 'data/audit')).flatMap((name) =>
      readFileSync(join(folder, 'data/audit', name), 'utf8').split('\n'),
    );
    expect(lines.filter((line) => line.includes(`"traceId":"${traceId}"`))).toHaveLength(1);
  });

  test('bytes that are no UTF-8 arrive as such, and are refused', async () => {
    const answer = await call('POST', '/v1/clusters/demo/commands', authorised(), Buffer.from([0x7b, 0xff, 0x7d]));
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'request-invalid', detail: expect.stringContaining('UTF-8') });
  });

  test('identity comes from the token alone, whatever headers the front end or a caller may add', async () => {
    const principal = Buffer.from(JSON.stringify({ userId: people.auditor })).toString('base64');
    const answer = await call('GET', '/v1/commands', {
      'x-ms-client-principal': principal,
      'x-ms-client-principal-id': people.auditor,
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('resource_metadata=');
  });

  test.each(['/healthz', '/readyz', '/openapi.json', '/docs', '/.well-known/oauth-protected-resource'])(
    '%s answers without a prefix',
    async (path) => {
      expect((await call('GET', path)).status).toBe(200);
    },
  );

  test.each([
    ['PUT', '/healthz', 405],
    ['HEAD', '/healthz', 200],
    ['GET', '//v1/whoami', 404],
    ['GET', '/v1/commands/%ff', 404],
    ['GET', '/v1/commands/..%2f..%2fx', 404],
    ['GET', '/v1/clusters/%00', 404],
    ['OPTIONS', '/v1/commands', 405],
    ['DELETE', '/', 404],
    ['GET', "/v1/commands?cursor=%ff&x='", 400],
  ])('%s %s is %i, as on a port', async (method, path, status) => {
    for (const headers of [authorised(), { ...authorised(), accept: '*/*;q=x, ,', prefer: '=', te: 'x' }])
      expect((await call(method, path, headers)).status).toBe(status);
  });

  test.each(['[', 'a:b', 'evil.example.com/path'])('the Host %j names no host', async (host) => {
    expect((await call('GET', '/v1/whoami', { ...authorised(), host })).status).toBe(400);
  });

  test.each(['sweep', 'jobs'])('the function %s runs on its timer', async (name) => {
    const timer = {
      schedule: { adjustForDST: true },
      isPastDue: false,
      scheduleStatus: { last: '', next: '', lastUpdated: '' },
    };
    await expect(core.invoke(name, { json: JSON.stringify(timer) })).resolves.toBeDefined();
  });
});
