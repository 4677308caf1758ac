import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { readRootKey } from '../../shared/audit/keys.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { buildInto } from '../support/build.ts';
import { startFunctionsHost, type FunctionsHost } from '../support/functions-host.ts';

interface Init extends Omit<RequestInit, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>;
}

/** The folder that is deployed, as it is, under a host that keeps the Functions host's own rules. */
describe('the built folder on a Functions host', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-host-'));
  const dist = join(folder, 'dist');
  let azure: EmulatedAzure;
  let config: string;
  let env: NodeJS.ProcessEnv;
  let token: string;
  let host: FunctionsHost;

  beforeAll(async () => {
    writeFileSync(
      join(folder, 'kubectl'),
      `#!/bin/sh\ncase "$*" in *slow*) while [ ! -e '${folder}/go' ]; do sleep 0.1; done ;; esac\necho ran\n`,
      { mode: 0o755 },
    );
    azure = await startAzure({ tools: folder });
    ({ config, env } = writeConfig(folder, azure, 0, (yaml) => yaml));
    token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
    await buildInto(dist);
    host = await startFunctionsHost(dist, { ...env, AKSGW_CONFIG: config });
  }, 60_000);
  afterAll(async () => {
    await host.terminate();
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const post = (to: FunctionsHost, command: string, init: Init = {}): Promise<Response> =>
    fetch(`${to.url}/v1/clusters/demo/commands`, {
      method: 'POST',
      body: JSON.stringify({ command }),
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...init.headers },
    });

  test('has four functions, answers every address, and says which build it is', async () => {
    expect(host.functions.map(({ name }) => name).sort()).toEqual(['deliveries', 'http', 'jobs', 'sweep']);
    const { version } = JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8')) as { version: string };
    const answers = await Promise.all(['/healthz', '/readyz', '/openapi.json'].map((path) => fetch(host.url + path)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await answers[0]?.json()).toEqual({ status: 'ok', version });
  });

  test('runs a command that came with its length, and answers without headers of the connection', async () => {
    const answer = await post(host, 'kubectl get pods -n shop');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ status: 'completed', stdout: 'ran\n' });
    const head = await fetch(`${host.url}/healthz`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('says 411 to a body in chunks, which this host swallows, and starts nothing', async () => {
    const before = azure.arm.posts.length;
    const chunks = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('{"command":"kubectl get pods -n shop"}'));
        controller.close();
      },
    });
    const answer = await post(host, '', { body: chunks, duplex: 'half' });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([411, 'length-required']);
    expect(azure.arm.posts.length).toBe(before);
  });

  test('takes the caller from the token alone, whatever the front end adds', async () => {
    const headers = { authorization: '', 'x-ms-client-principal-id': people.user, 'x-forwarded-host': 'evil.example' };
    const answer = await post(host, 'kubectl get pods -n shop', { headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).not.toContain('evil.example');
  });

  test('told to end while a command runs, ends in order and in time; the next worker finishes it', async () => {
    const first = await startFunctionsHost(dist, { ...env, AKSGW_CONFIG: config });
    const accepted = await post(first, 'kubectl get pods slow -n shop', { headers: { prefer: 'respond-async' } });
    const { id } = (await accepted.json()) as { id: string };
    expect(accepted.status).toBe(202);
    expect(await first.terminate()).toBe(0);
    writeFileSync(join(folder, 'go'), '');
    const second = await startFunctionsHost(dist, { ...env, AKSGW_CONFIG: config });
    await second.tick('sweep'); // gave back by the first: no lease has to run out
    const headers = { authorization: `Bearer ${token}`, prefer: 'wait=30' };
    const answer = await fetch(`${second.url}/v1/commands/${id}`, { headers });
    expect(await answer.json()).toMatchObject({ status: 'completed', stdout: 'ran\n' });
    expect(await second.terminate()).toBe(0);
  }, 60_000);

  test.each(['sweep', 'jobs', 'deliveries'])('the timer %s does its work', async (name) => {
    await expect(host.tick(name)).resolves.toBeDefined();
  });

  describe('without a setting that it needs', () => {
    const secret = 'a-value-that-nobody-may-see';

    /** What is told to strangers, and to the log. */
    async function told(given: NodeJS.ProcessEnv) {
      const broken = await startFunctionsHost(dist, given);
      const [ready, health, command] = await Promise.all([
        fetch(`${broken.url}/readyz`),
        fetch(`${broken.url}/healthz`),
        post(broken, 'kubectl get pods'),
      ]);
      const bodies = [await ready.text(), await command.text()];
      const log = await broken.log();
      await broken.terminate();
      return { statuses: [ready.status, health.status, command.status], bodies, log };
    }

    test('names it in /readyz and in the log, with the name under which it may stand, and no value', async () => {
      const { statuses, bodies, log } = await told({ ...env, AKSGW_CONFG: secret });
      expect(statuses).toEqual([503, 200, 503]);
      for (const body of bodies)
        expect(JSON.parse(body)).toMatchObject({
          code: 'gateway-busy',
          detail: expect.stringContaining('AKSGW_CONFIG'),
          settings: ['AKSGW_CONFIG'],
        });
      expect(log).toContain('the setting AKSGW_CONFIG is not set');
      expect(log).toContain('Set by another name: \\"AKSGW_CONFG\\"');
      expect(bodies.join() + log).not.toContain(secret);
    });

    test('names one that gateway.yaml asks for, and a Key Vault reference that was not resolved', async () => {
      const own = join(folder, 'with-secret.yaml');
      const clientId = '22222222-2222-4222-8222-222222222222';
      writeFileSync(
        own,
        readFileSync(config, 'utf8').replace(
          'azure:\n',
          `azure:\n  onBehalfOf: { clientId: ${clientId}, secretEnv: OBO_SECRET }\n`,
        ),
      );
      const reference = `@Microsoft.KeyVault(SecretUri=https://${secret}.vault.azure.net/secrets/obo)`;
      const { statuses, bodies, log } = await told({ ...env, AKSGW_CONFIG: own, OBO_SECRET: reference });
      expect(statuses).toEqual([503, 200, 503]);
      expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ settings: ['OBO_SECRET'] });
      expect(log).toContain('OBO_SECRET holds a Key Vault reference that was not resolved');
      expect(bodies.join() + log).not.toContain(secret);
    });
  });

  test('leaves a trail that verifies, over all its workers', async () => {
    expect(await host.terminate()).toBe(0);
    const log = createFileLog({ folder: join(folder, 'data/audit') });
    const rootKeys = [await readRootKey({ kind: 'file', path: join(folder, 'data/signing.jwk') }, undefined)];
    const { findings, commands } = await verifyTrail(log, { rootKeys });
    expect(findings.filter(({ level }) => level !== 'note')).toEqual([]);
    expect(commands.open).toEqual([]);
  });
});
