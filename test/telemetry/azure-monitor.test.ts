import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { describeWith } from '../support/programs.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';

/**
 * Application Insights' ingestion on loopback: what Microsoft's exporter sends there, from a gateway in a process of its own, whose every
 * other request would go through a proxy that writes down who was asked for.
 */
const KEY = '12345678-1234-4234-8234-123456789abc';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

interface Envelope {
  readonly name: string;
  readonly iKey: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly data: {
    readonly baseType: string;
    readonly baseData: {
      readonly name?: string;
      readonly properties?: Readonly<Record<string, string>>;
      readonly metrics?: readonly { readonly name: string; readonly value: number }[];
    };
  };
}

const folder = mkdtempSync(join(tmpdir(), 'aksgw-insights-'));
const sent: Envelope[] = [];
/** Who exports say they are: a gateway that signs in, and one that does not, where Application Insights takes nothing without a token. */
const presented = new Set<string | undefined>();
const ARM_TOKEN = 'a-token-of-the-gateway-itself';
/** Commands of gateways whose exports do not arrive. */
const lost = new Map<string, { readonly log: string; readonly status: number }>();
const elsewhere: string[] = [];
let azure: EmulatedAzure;
let ingestion: Server;
let proxy: Server;
const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

describeWith(['openssl'], 'Azure Monitor', () => {
  beforeAll(async () => {
    azure = await startAzure();
    const file = (name: string): string => join(folder, name);
    // Microsoft's exporter speaks https to whatever it is given.
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
    const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', file('key.pem'), '-out', file('cert.pem')];
    execFileSync('openssl', ['req', '-x509', ...made, ...subject], { stdio: 'ignore' });
    const tls = { key: readFileSync(file('key.pem')), cert: readFileSync(file('cert.pem')) };
    ingestion = createSecureServer(tls, (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        presented.add(request.headers.authorization);
        if (request.headers.authorization !== `Bearer ${ARM_TOKEN}`) return void response.writeHead(401).end();
        const bytes = Buffer.concat(parts);
        const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
        const envelopes = JSON.parse(text) as Envelope[];
        sent.push(...envelopes);
        const answer = { itemsReceived: envelopes.length, itemsAccepted: envelopes.length, errors: [] };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    proxy = createServer((request, response) => {
      elsewhere.push(request.url ?? '');
      response.writeHead(502).end();
    });
    proxy.on('connect', (request, socket) => {
      elsewhere.push(request.url ?? '');
      socket.destroy();
    });
    const port = await listening(ingestion);
    const through = `http://127.0.0.1:${await listening(proxy)}`;
    const { config, env } = writeConfig(folder, azure, 0, (yaml) =>
      yaml.replace('\nstorage:', '\ntelemetry: { azureMonitor: true }\nstorage:'),
    );
    const insights = {
      ...env,
      AKSGW_ARM_TOKEN: ARM_TOKEN,
      NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem'),
      HTTPS_PROXY: through,
      HTTP_PROXY: through,
      NO_PROXY: '127.0.0.1,localhost',
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${KEY};IngestionEndpoint=https://127.0.0.1:${port}`,
    };
    const token = await azure.entra.appToken({ oid: people.bot, roles: ['Commands.Run'] });
    const commandOf = async (own: NodeJS.ProcessEnv) => {
      const gateway = await startGatewayProcess(config, { ...insights, ...own });
      const answer = await fetch(`${gateway.url}/v1/clusters/demo/commands`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
        },
        body: JSON.stringify({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'], reason: 'hunter2' }),
      });
      expect(await gateway.stop()).toBe(0);
      return { status: answer.status, log: gateway.log() };
    };
    const signedIn = await commandOf({ APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD' });
    expect(signedIn.status).toBe(200);
    expect(signedIn.log).not.toContain('telemetry is being lost');
    lost.set('refuses what it gets', await commandOf({}));
    const nowhere = {
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${KEY};IngestionEndpoint=https://127.0.0.1:9`,
    };
    lost.set('is not there', await commandOf(nowhere));
  }, 90_000);

  afterAll(async () => {
    ingestion.close();
    proxy.close();
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('Application Insights gets the trace of a command, and the metrics', () => {
    expect(new Set(sent.map(({ iKey }) => iKey))).toEqual(new Set([KEY]));
    const spans = sent.filter(({ tags }) => tags['ai.operation.id'] === TRACE);
    const requests = spans.filter(({ data }) => data.baseType === 'RequestData');
    expect(requests.map(({ data }) => data.baseData.name)).toEqual(['POST /v1/clusters/:cluster/commands']);
    const rooms = spans
      .filter(({ data }) => data.baseType === 'RemoteDependencyData')
      .map(({ data }) => data.baseData.name);
    for (const room of ['identity', 'admission', 'command', 'policy', 'intent', 'relay', 'outcome'])
      expect(rooms).toContain(room);
    const metrics = sent.flatMap(({ data }) =>
      (data.baseData.metrics ?? []).map(({ name, value }) => ({ name, value, ...data.baseData.properties })),
    );
    expect(metrics).toContainEqual({ name: 'aksgw.commands', value: 1, cluster: 'demo', outcome: 'completed' });
    expect(JSON.stringify(sent)).not.toContain('hunter2');
    expect(new Set(sent.map(({ tags }) => tags['ai.cloud.role']))).toEqual(new Set(['aks-access-gateway']));
  });

  test('gets a token of the gateway itself where it says that it wants one', () => {
    expect(presented).toEqual(new Set([`Bearer ${ARM_TOKEN}`, undefined]));
    expect(JSON.stringify(sent)).not.toContain(ARM_TOKEN);
  });

  test.each([
    ['refuses what it gets', /telemetry is being lost: .* Application Insights answered 401/],
    ['is not there', /telemetry is being lost: .* connect ECONNREFUSED/],
  ])('that %s costs no command, and the log says that telemetry is lost', (how, said) => {
    const { status, log } = lost.get(how) ?? { status: 0, log: '' };
    expect(status).toBe(200);
    expect(log).toMatch(said);
    expect(log).not.toContain(KEY);
  });

  test('no other host is asked than those that README names', () => {
    expect(elsewhere.filter((host) => !/^settings\.sdk\.monitor\.azure\.com:443$/.test(host))).toEqual([]);
  });
});
