import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type JWK, compactDecrypt, exportJWK, generateKeyPair, importJWK } from 'jose';
import type { Opening } from '../../shared/audit/chain.ts';
import { createOpener, createSeal } from '../../shared/audit/seal.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { main } from '../../shared/client/main.ts';
import { createBench, completed, intended, linesOf } from './support/samples.ts';

const argv = ['kubectl', 'exec', 'web', '-n', 'shop', '--', 'curl', '-u', 'me:hunter2', 'https://x'];

async function aksgw(...words: string[]) {
  let out = '';
  const write = (chunk: Uint8Array | string) => (out += Buffer.from(chunk as Uint8Array).toString());
  const code = await main(words, {
    env: {},
    stdin: (async function* () {})(),
    stdout: { write },
    stderr: { write },
    cwd: () => tmpdir(),
  });
  return { code, out };
}

describe('data in a command', () => {
  test('stands in the trail as its length and HMAC, and nowhere in clear, refused and denied ones too', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.record(intended('cmd-1', { argv }));
    await trail.record(completed('cmd-1'));
    const refusal = {
      ...intended('x', { argv }),
      problem: 'command-refused',
      detail: '"me:hunter2": is not a word',
    } as const;
    await trail.record({ ...refusal, event: 'command.refused' });
    await trail.record({ ...refusal, event: 'command.denied', decision: 'deny', detail: 'no rule for me:hunter2' });
    await trail.record({ ...refusal, event: 'command.refused', argv: [`kubectl get pods; echo hunter2`] });
    await trail.close();
    const lines = await linesOf(bench.log);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    const { hmacKey, stream } = (lines[0]?.['opening'] ?? {}) as Opening;
    const key = bench.key.unwrap(stream, hmacKey);
    const hmac = (text: string) => createHmac('sha256', key).update(`word\n${text}`).digest('hex');
    const intent = lines.find(({ code }) => code === 'AKG300I');
    expect(intent?.['argv']).toEqual([...argv.slice(0, 7), ...Array.from({ length: 3 }, () => '[redacted]')]);
    expect(intent?.['data']).toEqual([
      { word: 7, bytes: 2, hmac: hmac('-u') },
      { word: 8, bytes: 10, hmac: hmac('me:hunter2') },
      { word: 9, bytes: 9, hmac: hmac('https://x') },
    ]);
    const refused = lines.filter(({ code }) => code === 'AKG200W');
    expect(refused.map(({ detail }) => detail)).toEqual(['"[redacted]": is not a word', '"[redacted]": is not a word']);
    expect(refused[1]?.['argv']).toEqual(['kubectl', 'get', 'pods', ';', '[redacted]']);
    expect((await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() })).verdict).toBe(
      'INTACT',
    );
  });

  const keys: readonly (readonly [string, () => Promise<{ readonly publicJwk: JWK; readonly privateJwk: JWK }>])[] = [
    ...(['P-256', 'P-521'] as const).map(
      (crv) =>
        [
          `EC ${crv}`,
          async () => {
            const pair = await generateKeyPair('ECDH-ES+A256KW', { crv, extractable: true });
            return { publicJwk: await exportJWK(pair.publicKey), privateJwk: await exportJWK(pair.privateKey) };
          },
        ] as const,
    ),
    [
      'RSA',
      async () => {
        const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        return {
          publicJwk: publicKey.export({ format: 'jwk' }),
          privateJwk: privateKey.export({ format: 'jwk' }),
        };
      },
    ],
  ];
  test.each(keys)('is sealed to the auditor: %s, opened by the private half alone', async (_, make) => {
    const { publicJwk, privateJwk } = await make();
    const hidden = [{ word: 3, text: 'hunter2' }];
    const sealed = await (await createSeal(publicJwk))(hidden);
    expect(await (await createOpener(privateJwk))(sealed)).toEqual(hidden);
    // By jose alone, as a stranger would.
    const alg = publicJwk.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW';
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, await importJWK(privateJwk, alg));
    expect([JSON.parse(new TextDecoder().decode(plaintext)), protectedHeader.enc]).toEqual([hidden, 'A256GCM']);
    const other = await make();
    await expect((await createOpener(other.privateJwk))(sealed)).rejects.toThrow();
  });

  test('is shown by aksgw audit open to the holder of the private key, and found by its digest with the signing key', async () => {
    await using bench = await createBench();
    const root = path.dirname(bench.folder);
    const pair = await generateKeyPair('ECDH-ES+A256KW', { extractable: true });
    const trail = await bench.open({ seal: await createSeal(await exportJWK(pair.publicKey)) });
    await trail.record(intended('cmd-1', { argv }));
    await trail.record(completed('cmd-1'));
    await trail.record(intended('cmd-2', { argv: ['kubectl', 'get', 'pods'] }));
    await trail.record(intended('cmd-3', { argv: ['kubectl', 'set', 'env', 'deploy/web', 'PW=s3cret'] }));
    await trail.close();
    const key = path.join(root, 'auditor.jwk');
    writeFileSync(key, JSON.stringify(await exportJWK(pair.privateKey)));
    const opened = await aksgw('audit', 'open', bench.folder, '--key', key);
    expect(opened.code).toBe(0);
    expect(opened.out).toContain('kubectl exec web -n shop -- curl -u me:hunter2 https://x');
    expect(opened.out).toContain('kubectl set env deploy/web PW=s3cret');
    expect(opened.out).not.toContain('cmd-2');
    expect((await aksgw('audit', 'open', bench.folder, '--key', key, '--command', 'cmd-2')).code).toBe(1);

    mkdirSync(path.join(root, 'data'), { recursive: true });
    const config = path.join(root, 'gateway.yaml');
    writeFileSync(config, configWith(`file:${bench.folder}`, `file:${path.join(root, 'signing.jwk')}`));
    const match = await aksgw('audit', 'open', '--match', 's3cret', '--config', config);
    expect([match.code, match.out]).toEqual([0, expect.stringContaining('cmd-3')]);
    expect(match.out).not.toContain('s3cret');
    expect((await aksgw('audit', 'open', '--match', 's3cre', '--config', config)).code).toBe(1);
    expect((await aksgw('audit', 'open')).code).toBe(2);
  });
});

test('aksgw audit keys lists the root keys of a trail, and what was decided about them holds in verify', async () => {
  await using bench = await createBench();
  await (await bench.open()).close();
  const folder = mkdtempSync(path.join(tmpdir(), 'aksgw-keys-'));
  const state = path.join(folder, 'state.json');
  const id = bench.key.keyId;
  const keys = (...more: string[]) => aksgw('audit', 'keys', ...more, '--state', state);
  const verdict = async () => (await aksgw('audit', 'verify', bench.folder, '--state', state)).out.split(':')[0];
  expect((await keys('list', bench.folder)).out).toMatch(new RegExp(`^${id} {2}1 streams, .*; not named\\n$`));
  expect((await keys('believe', id)).code).toBe(0);
  expect(await verdict()).toBe('INTACT');
  expect((await keys('revoke', id)).code).toBe(2);
  expect((await keys('revoke', id, '--from', '2025-12-31T00:00:00Z', '--by', 'Ann', '--why', 'stolen')).code).toBe(0);
  expect(await verdict()).toBe('BROKEN');
  expect((await keys('list', bench.folder)).out).toContain('revoked from 2025-12-31T00:00:00.000Z by Ann: stolen');
  expect((await keys('restore', id)).code).toBe(0);
  expect(await verdict()).toBe('INTACT');
  rmSync(folder, { recursive: true });
});

const configWith = (audit: string, signingKey: string): string => `version: 1
identity: { tenants: [11111111-1111-4111-8111-111111111111], audience: 33333333-3333-4333-8333-333333333333 }
azure: { resourceManager: https://management.azure.com, credential: { kind: default } }
clusters:
  demo: { resourceId: /subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/demo }
storage:
  audit: ${audit}
  records: sqlite:./data/gateway.sqlite
  signingKey: ${signingKey}
policy: { roles: {}, bindings: [] }
`;
