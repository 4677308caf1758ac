import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onPath } from '../../infra/local/pod/tools.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** The Azure CLI as it is installed: it needs `az` and, for its TLS, `openssl` on the PATH. */
const path = process.env['PATH'] ?? '';
const isThere = onPath('az', path) && onPath('openssl', path);
const describeAz = isThere ? describe : describe.skip;
const run = promisify(execFile);

describeAz('the emulated Azure, to az', () => {
  let folder: string;
  let stack: TestStack;
  let front: Server;
  let env: NodeJS.ProcessEnv;
  const az = async (...words: readonly string[]): Promise<string> => {
    const { stdout } = await run('az', [...words, '--only-show-errors', '-o', 'json'], { env });
    return stdout;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aksgw-az-'));
    stack = await testStack();
    front = await tlsBefore(stack, folder);
    const own = `https://localhost:${(front.address() as AddressInfo).port}`;
    const certificate = join(folder, 'certificate.pem');
    env = {
      ...process.env,
      AZURE_CONFIG_DIR: join(folder, 'az'),
      AZURE_CORE_COLLECT_TELEMETRY: 'false',
      AZURE_CORE_INSTANCE_DISCOVERY: 'false',
      REQUESTS_CA_BUNDLE: certificate,
      SSL_CERT_FILE: certificate,
    };
    await az('cloud', 'register', '--name', 'emulated', '--endpoint-resource-manager', own);
    await az('cloud', 'set', '--name', 'emulated');
    const [tenant = ''] = stack.azure.entra.tenants;
    await az('login', '--service-principal', '-u', people.bot, '-p', 'emulated-bot-secret', '--tenant', tenant);
  }, 180_000);
  afterAll(async () => {
    front.closeAllConnections();
    front.close();
    await stack.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is a cloud with a subscription, into which the bot signs in', async () => {
    const account = JSON.parse(await az('account', 'show')) as { id: string; user: { name: string; type: string } };
    expect(account.id).toBe('00000000-0000-4000-8000-000000000001');
    expect(account.user).toEqual({ name: people.bot, type: 'servicePrincipal' });
  }, 60_000);

  test('gives a token with which the gateway runs the command of a bot', async () => {
    const scope = `${stack.azure.entra.audience}/.default`;
    const { accessToken } = JSON.parse(await az('account', 'get-access-token', '--scope', scope)) as {
      accessToken: string;
    };
    const answer = await stack.request<{ principal: { oid: string } }>('GET', '/v1/whoami', { token: accessToken });
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([200, expect.stringContaining(people.bot)]);
    const ran = await stack.command({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] }, { token: accessToken });
    expect([ran.status, ran.body.status]).toEqual([200, 'completed']);
  }, 60_000);

  test('runs `az aks command invoke` to its end, with its output and exit code', async () => {
    const invoke = async (command: string) => {
      const text = await az('aks', 'command', 'invoke', '-g', 'rg-demo', '-n', 'aks-demo', '--command', command);
      return JSON.parse(text) as { exitCode: number; logs: string; provisioningState: string };
    };
    expect(await invoke('kubectl get pods -n shop -o name')).toMatchObject({
      exitCode: 0,
      logs: expect.stringContaining('pod/web'),
      provisioningState: 'Succeeded',
    });
    expect(await invoke('echo printed; exit 3')).toMatchObject({ exitCode: 3, logs: 'printed\n' });
  }, 120_000);
});

/** az speaks to nothing but TLS: one address before Entra and ARM, with a certificate that lives as long as the test. */
async function tlsBefore({ azure }: TestStack, folder: string): Promise<Server> {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${certificate}`.split(
      ' ',
    ),
    { stdio: 'ignore' },
  );
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (asked, answered) => {
    const ofTenant = azure.entra.tenants.some((tenant) => asked.url?.startsWith(`/${tenant}/`));
    const passed = request(
      new URL(asked.url ?? '/', ofTenant ? azure.entra.authority : azure.arm.url),
      { method: asked.method, headers: { ...asked.headers, 'x-forwarded-proto': 'https' } },
      (answer) => {
        answered.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(answered);
      },
    );
    passed.once('error', () => answered.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return server;
}
