import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlattenedSign, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { changesBetween } from '../../shared/config/changes.ts';
import { openConfig } from '../../shared/config/source.ts';
import { signText as signAt } from '../../shared/config/signature.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { env, exampleText, parse } from './valid.ts';

const folder = mkdtempSync(join(tmpdir(), 'aksgw-signed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clock = createManualClock();
/** Signed now, as the gateway's clock has it. */
const signText = (signed: string, jwk: JWK, expires?: Date) =>
  signAt(signed, jwk, { now: new Date(clock.now()), expires });

const text = exampleText;
const other = text.replace('running: 4', 'running: 5');

async function keyPair(algorithm: 'ES256' | 'EdDSA' | 'PS256') {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return { open: await exportJWK(publicKey), secret: await exportJWK(privateKey) };
}
/** A signature whose header says `b64: false` (RFC 7797), over what would otherwise be signed. */
async function overBytes(signed: string, secret: JWK): Promise<string> {
  const payload = Buffer.from(Buffer.from(signed).toString('base64url'));
  const { protected: header = '', signature } = await new FlattenedSign(payload)
    .setProtectedHeader({ alg: 'ES256', b64: false, crit: ['b64'] })
    .sign(await importJWK(secret, 'ES256'));
  return `${header}..${signature}`;
}
const file = join(folder, 'gateway.yaml');
const put = (content: string, signature?: string): void => {
  writeFileSync(file, content);
  if (signature === undefined) rmSync(`${file}.jws`, { force: true });
  else writeFileSync(`${file}.jws`, `${signature}\n`);
};
const open = (key: unknown) =>
  openConfig({
    location: file,
    env: { ...env, AKSGW_CONFIG_KEY: typeof key === 'string' ? key : JSON.stringify(key) },
    clock,
    fetch: () => Promise.reject(new Error('nothing is reached')),
  });

describe('with AKSGW_CONFIG_KEY', () => {
  test.each(['ES256', 'EdDSA', 'PS256'] as const)('a configuration signed with %s is taken', async (algorithm) => {
    const { open: key, secret } = await keyPair(algorithm);
    put(text, await signText(text, secret));
    const source = await open(key);
    expect(source.current().limits.perPrincipal.running).toBe(4);
    source.close();
  });

  test('one without a signature, with another text’s, with another key’s or with a broken one is refused', async () => {
    const [mine, theirs] = [await keyPair('ES256'), await keyPair('ES256')];
    const good = await signText(text, mine.secret);
    const cases: readonly [signature: string | undefined, problem: RegExp][] = [
      [undefined, /gateway\.yaml\.jws: ENOENT/],
      [await signText(other, mine.secret), /is not a signature of it by the key in AKSGW_CONFIG_KEY/],
      [await signText(text, theirs.secret), /is not a signature of it/],
      [good.replace('..', `.${Buffer.from(text).toString('base64url')}.`), /not a detached JWS/],
      [`${Buffer.from('{"alg":"none"}').toString('base64url')}..`, /is not a signature of it/],
      ['', /is not a signature of it/],
      [await overBytes(text, mine.secret), /critical extensions/],
    ];
    for (const [signature, problem] of cases) {
      put(text, signature);
      await expect(open(mine.open)).rejects.toThrow(problem);
    }
  });

  test('a private key, an unknown kind of key and what is not a key are refused, and not shown', async () => {
    const { secret } = await keyPair('ES256');
    put(text, await signText(text, secret));
    const refused = async (key: unknown) =>
      String(
        await open(key).then(
          () => 'taken',
          (error: unknown) => error,
        ),
      );
    expect(await refused(secret)).toMatch(/is a private key/);
    expect(await refused(secret)).not.toContain(String(secret.d));
    expect(await refused({ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' })).toMatch(/is not a key for one of ES256/);
    expect(await refused('{ "kty": secret')).toMatch(/AKSGW_CONFIG_KEY: is not a JWK/);
    expect(await refused(join(folder, 'nowhere.jwk'))).toMatch(/ENOENT/);
  });

  test('a change that is not signed does not come into force; the signature first and then the text does', async () => {
    const { open: key, secret } = await keyPair('ES256');
    put(text, await signText(text, secret));
    const source = await open(key);
    put(other, await signText(text, secret));
    await source.refresh();
    expect(source.problem()?.message).toMatch(/is not a signature of it/);
    expect(source.current().limits.perPrincipal.running).toBe(4);
    put(text, await signText(other, secret));
    await source.refresh();
    expect(source.problem()).toBeUndefined();
    put(other, await signText(other, secret));
    await source.refresh();
    expect(source.current().limits.perPrincipal.running).toBe(5);
    source.close();
  });
});

describe('what a signature says of itself', () => {
  /** Signed by hand: any header there is. */
  const withHeader = async (secret: JWK, header: Record<string, unknown>): Promise<string> => {
    const { protected: said = '', signature } = await new FlattenedSign(Buffer.from(text))
      .setProtectedHeader({ alg: 'ES256', ...header })
      .sign(await importJWK(secret, 'ES256'));
    return `${said}..${signature}`;
  };
  const now = Math.floor(clock.now() / 1000);
  test.each<[said: Record<string, unknown>, problem: RegExp | undefined]>([
    [{}, undefined],
    [{ typ: 'JOSE', kid: 'any' }, undefined],
    [{ typ: 'aksgw-config', exp: now + 60, nbf: now - 60, iat: now - 60 }, undefined],
    [{ exp: now }, /has counted until \d{4}-/],
    [{ nbf: now + 60 }, /counts from \d{4}-.* on/],
    [{ exp: 'tomorrow' }, /says exp, which is not a time/],
    [{ iat: null }, /says iat, which is not a time/],
    [{ typ: 'JWT' }, /is of another type/],
    [{ typ: 'aksgw-receipt' }, /is of another type/],
    [{ aud: 'prod' }, /says aud in its header, which is not understood/],
    [{ jku: 'https://example.com/keys' }, /says jku in its header/],
  ])('%j', async (said, problem) => {
    const { open: key, secret } = await keyPair('ES256');
    put(text, await withHeader(secret, said));
    if (problem) return expect(open(key)).rejects.toThrow(problem);
    const source = await open(key);
    expect(source.current().limits.perPrincipal.running).toBe(4);
    return source.close();
  });

  test('an old text with its own signature is not put back; signed anew it is', async () => {
    const { open: key, secret } = await keyPair('ES256');
    const old = await signText(text, secret);
    await clock.advance(60_000);
    put(other, await signText(other, secret));
    const source = await open(key);
    put(text, old);
    await source.refresh();
    expect(source.problem()?.message).toMatch(/is older than the one that was taken last/);
    expect(source.current().limits.perPrincipal.running).toBe(5);
    put(text, await signText(text, secret));
    await source.refresh();
    expect(source.current().limits.perPrincipal.running).toBe(4);
    source.close();
  });

  test('one that expires stays in force where it is, and is not taken at the next start', async () => {
    const { open: key, secret } = await keyPair('ES256');
    put(text, await signText(text, secret, new Date(clock.now() + 60_000)));
    const source = await open(key);
    await clock.advance(61_000);
    await source.refresh();
    expect(source.problem()).toBeUndefined();
    source.close();
    await expect(open(key)).rejects.toThrow(/has counted until/);
  });
});

describe('what changed is told by its place', () => {
  const changes = (edit: (yaml: string) => string) => changesBetween(parse(text), parse(edit(text)));
  test.each<[name: string, edit: (yaml: string) => string, told: readonly string[]]>([
    ['nothing', (yaml) => `# a comment\n${yaml}`, []],
    ['a limit', (yaml) => yaml.replace('running: 4', 'running: 5'), ['limits.perPrincipal.running']],
    [
      'a namespace of a cluster',
      (yaml) => yaml.replace('defaultNamespace: shop', 'defaultNamespace: till'),
      ['clusters.demo.defaultNamespace'],
    ],
    [
      'a role and its binding',
      (yaml) =>
        yaml
          .replace('policy:\n  # A rule', 'policy:\n  # A rule')
          .replace(
            '  roles:\n',
            '  roles:\n    extra: { allow: [{ verbs: [get], resources: [pods], namespaces: [shop] }] }\n',
          )
          .replace('  blocked: []', '  blocked: [{ user: 77777777-7777-4777-8777-777777777777 }]'),
      ['+ policy.roles.extra', '+ policy.blocked[0]'],
    ],
    [
      'an exception in place of a deny',
      (yaml) =>
        yaml.replace(
          "resources: ['*'], namespaces: ['*'] }",
          "resources: ['*'], except: [secrets], namespaces: ['*'] }",
        ),
      ['+ policy.roles.viewer.allow[0].except'],
    ],
  ])('%s', (_name, edit, told) => {
    expect(changes(edit)).toEqual(told);
  });
});
