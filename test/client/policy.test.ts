import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair } from 'jose';
import { main } from '../../shared/client/main.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** The commands about a policy, as an operator gives them, beside a gateway that runs. None but --against reaches anything. */
let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({ standIn: true });
  expect((await stack.command({ argv: ['kubectl', 'get', 'secrets'] })).status).toBe(403);
  const restart = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };
  expect((await stack.command(restart, { token: stack.tokens.job })).body.status).toBe('completed');
}, 30_000);
afterAll(() => stack.close());

async function aksgw(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  let out = '';
  let err = '';
  const code = await main(argv, {
    env,
    stdin: (async function* () {})(),
    stdout: { write: (chunk) => (out += Buffer.from(chunk as Uint8Array).toString()) },
    stderr: { write: (chunk) => (err += Buffer.from(chunk as Uint8Array).toString()) },
    cwd: () => stack.folder,
  });
  return { code, out, err };
}
function changed(name: string, edit: (yaml: string) => string): string {
  const file = join(stack.folder, name);
  const text = readFileSync(stack.config, 'utf8');
  writeFileSync(file, edit(text));
  expect(edit(text)).not.toBe(text);
  return file;
}

describe('aksgw policy', () => {
  test('lint tells of the deny that undoes the team, and exits 1', async () => {
    const file = changed('undone.yaml', (yaml) =>
      yaml
        .replace('resources: [secrets] }', 'resources: [services] }')
        .replace('{ app: 33333333-3333-4333-8333-333333333333 }', `{ group: ${people.team} }`),
    );
    const { code, out } = await aksgw(['policy', 'lint', '--config', file]);
    expect(out).toMatch(
      /^policy\.roles\.viewer\.deny\[0\]: undoes: takes ".* services.*" from group .* which role shop-deployer allows/m,
    );
    expect(code).toBe(1);
  });

  test('who-can names who may and who may not', async () => {
    const may = await aksgw([
      'policy',
      'who-can',
      'patch',
      'deploy',
      'web',
      '-n',
      'shop',
      '--cluster',
      'demo',
      '--config',
      stack.config,
    ]);
    expect(may.out).toMatch(new RegExp(`^may  group ${people.team} +shop-deployer/allow\\[0\\]$`, 'm'));
    expect(may.code).toBe(0);
    const nobody = await aksgw([
      'policy',
      'who-can',
      'get',
      'secrets',
      '-A',
      '--cluster',
      'demo',
      '--config',
      stack.config,
    ]);
    expect(nobody.out).toMatch(new RegExp(`^not  app ${people.bot} +viewer/deny\\[0\\] `, 'm'));
    expect(nobody.code).toBe(1);
    const slip = await aksgw(['policy', 'who-can', 'gte', 'pods', '--cluster', 'demo', '--config', stack.config]);
    expect([slip.code, slip.err]).toEqual([
      125,
      expect.stringContaining('no verb is called "gte". Did you mean "get"?'),
    ]);
  });

  test('explain decides a command attribute by attribute, and refuses what nobody may send', async () => {
    const asked = [
      'policy',
      'explain',
      '--config',
      stack.config,
      '--cluster',
      'demo',
      '--user',
      people.user,
      '--group',
      people.team,
      '--',
    ];
    const denied = await aksgw([...asked, 'kubectl', 'get', 'deploy,secrets', '-n', 'shop']);
    expect(denied.out).toMatch(/^deny: No rule of your role shop-deployer allows list secrets in shop/);
    expect(denied.out).toMatch(/^ {2}allow list deployments\.apps in shop by shop-deployer\/allow\[0\]$/m);
    expect(denied.out).toMatch(/^ {2}deny {2}list secrets in shop$/m);
    expect(denied.code).toBe(1);
    const allowed = await aksgw([...asked, 'kubectl', 'get', 'deploy', '-n', 'shop']);
    expect([allowed.code, allowed.out]).toEqual([
      0,
      expect.stringMatching(/^allow: by shop-deployer\/allow\[0\]$[^]*^sent: 'kubectl'/m),
    ]);
    expect((await aksgw([...asked, 'kubectl', 'get', '--raw', '/api'])).code).toBe(2);
  });

  test('diff of two files shows who gains and loses what', async () => {
    const file = changed('wider.yaml', (yaml) =>
      yaml.replace(
        'verbs: [get, list, watch, patch], resources: [deployments.apps]',
        'verbs: [get, list, watch, delete], resources: [deployments.apps]',
      ),
    );
    const { code, out } = await aksgw(['policy', 'diff', stack.config, file]);
    expect(out).toContain(`app ${people.job} on demo, namespace shop: allow -> deny\n  patch: deployments.apps\n`);
    expect(out).toContain(`app ${people.job} on demo, namespace shop: deny -> allow\n  delete: deployments.apps\n`);
    expect(code).toBe(1);
    expect(await aksgw(['policy', 'diff', stack.config, stack.config])).toMatchObject({
      code: 0,
      out: '0 differences, 0 changed places\n',
    });
  });

  test('diff of two files tells of a deny by any name, of a frozen cluster, and by its place of what no question asks for', async () => {
    const compare = (edit: (yaml: string) => string) =>
      aksgw(['policy', 'diff', stack.config, changed('compared.yaml', edit)]);
    const denied = await compare((yaml) =>
      yaml
        .replace(
          '    auditor:\n',
          "    none: { deny: [{ resources: [deployments.apps], namespaces: [shop], names: ['db-0', 'x-*'] }] }\n    auditor:\n",
        )
        .replace(
          '  bindings:\n',
          `  bindings:\n    - { role: none, clusters: [demo], subjects: [{ app: ${people.job} }] }\n`,
        ),
    );
    expect(denied.out).toMatch(/named db-0: allow -> deny/);
    const frozen = await compare((yaml) => yaml.replace('  demo:\n', '  demo:\n    frozen: CHG-7\n'));
    expect(frozen.out).toMatch(/allow -> deny, frozen\n {2}patch: deployments\.apps/);
    const wider = await compare((yaml) => yaml.replace('blocked: []', `blocked: [{ user: ${people.user} }]`));
    expect([wider.code, wider.out]).toEqual([
      1,
      'changed in the file: + policy.blocked[0]\n0 differences, 1 changed places\n',
    ]);
  });

  test('explain and who-can know of a frozen cluster and of the list of the blocked', async () => {
    const frozen = changed('frozen.yaml', (yaml) => yaml.replace('  demo:\n', '  demo:\n    frozen: CHG-7\n'));
    const asked = ['--cluster', 'demo', '--app', people.job];
    const restart = ['--', 'kubectl', 'rollout', 'restart', 'deploy/web', '-n', 'shop'];
    const explained = await aksgw(['policy', 'explain', '-c', frozen, ...asked, ...restart]);
    expect([explained.code, explained.out]).toEqual([
      2,
      expect.stringMatching(/^refuse: Cluster demo is frozen: CHG-7/),
    ]);
    const who = await aksgw(['policy', 'who-can', 'patch', 'deploy', '-n', 'shop', '-c', frozen, '--cluster', 'demo']);
    expect([who.code, who.out]).toEqual([1, expect.stringContaining('Until that ends nobody may')]);
    writeFileSync(join(dirname(frozen), 'blocked.yaml'), `blocked: [{ app: ${people.job} }]\n`);
    const blocked = changed('blocking.yaml', (yaml) =>
      yaml.replace('  bindings:\n', '  blockedFrom: blocked.yaml\n  bindings:\n'),
    );
    const denied = await aksgw(['policy', 'explain', '-c', blocked, ...asked, ...restart]);
    expect([denied.code, denied.out]).toEqual([1, expect.stringMatching(/^deny: /)]);
  });

  test('diff over the trail replays what was asked, memberships included', async () => {
    const audit = join(stack.folder, 'data/audit');
    const same = await aksgw(['policy', 'diff', stack.config, stack.config, '--audit', audit]);
    expect([same.code, same.out]).toEqual([0, '2 replayed, 0 would be decided otherwise (0 kinds)\n']);
    const file = changed('secrets.yaml', (yaml) =>
      yaml.replace(
        'resources: [deployments.apps, replicasets.apps,',
        'resources: [secrets, deployments.apps, replicasets.apps,',
      ),
    );
    const { code, out } = await aksgw(['policy', 'diff', stack.config, file, '--audit', audit]);
    expect(out).toMatch(
      new RegExp(
        `^1x user ${people.user} on demo: list secrets in shop: deny -> allow by shop-deployer/allow\\[0\\] \\(last `,
        'm',
      ),
    );
    expect(out).toMatch(/^2 replayed, 1 would be decided otherwise \(1 kinds\)$/m);
    expect(code).toBe(1);
  });
});

describe('aksgw config check', () => {
  test('needs none of the secrets, and prints the warnings and the digest', async () => {
    const { code, out } = await aksgw(['config', 'check', '--config', stack.config]);
    expect(out).toMatch(/^warning: .*gateway\.yaml:\d+: storage\.signingKey: a local key/m);
    expect(out).toMatch(/: in order, \d+ warnings, digest [0-9a-f]{64}$/m);
    expect(code).toBe(0);
  });

  test('prints every error with its line, also of a job and of the entrance', async () => {
    const file = changed('wrong.yaml', (yaml) =>
      yaml
        .replace('defaultNamespace: shop', 'defaultNamespace: Shop')
        .replace('verbs: [get, list, watch], resources', 'verbs: [gte, list, watch], resources')
        .replace(/\n\.\.\.\n?$/, '\n'),
    );
    const { code, out } = await aksgw(['config', 'check', file]);
    expect(out).toMatch(/wrong\.yaml:\d+: clusters\.demo\.defaultNamespace: "Shop" is not the name of a namespace/);
    expect(out).toMatch(/wrong\.yaml:\d+: policy\.roles\.viewer\.allow\[0\]\.verbs\[0\]: no verb is called "gte"/);
    expect(out).toMatch(/^2 errors$/m);
    expect(code).toBe(1);
    const job = changed('job.yaml', (yaml) =>
      yaml.replace(
        'policy:\n',
        'jobs: [{ name: n, cluster: demo, schedule: "61 * * * *", argv: [kubectl, get, pods] }]\npolicy:\n',
      ),
    );
    expect((await aksgw(['config', 'check', job])).out).toMatch(/job\.yaml:\d+: jobs\[0\]\.schedule: /);
  });

  test('says what a condition of a later version is, and does not take it for a slip', async () => {
    const file = changed('later.yaml', (yaml) => yaml.replace('requireReason: true', 'requester: required'));
    expect((await aksgw(['config', 'check', file])).out).toMatch(/requester: is not built yet/);
  });

  test('--against tells whether the file is in force', async () => {
    const env = { AKSGW_TOKEN: stack.tokens.auditor };
    const same = await aksgw(['config', 'check', stack.config, '--against', stack.url], env);
    expect(same.out).toMatch(/: the same, in force since \d{4}-/);
    expect(same.code).toBe(0);
    const file = changed('other.yaml', (yaml) => `# another\n${yaml}`);
    const other = await aksgw(['config', 'check', file, '--against', stack.url], env);
    expect([other.code, other.out]).toEqual([
      1,
      expect.stringMatching(/: another, digest [0-9a-f]{64}, in force since /),
    ]);
    const stranger = await aksgw(['config', 'check', file, '--against', stack.url], { AKSGW_TOKEN: stack.tokens.bot });
    expect([stranger.code, stranger.err]).toEqual([
      125,
      expect.stringMatching(/shows you no line of the configuration in force/),
    ]);
  });

  test('sign makes what check and the gateway take', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const key = join(stack.folder, 'config-key.jwk');
    writeFileSync(key, JSON.stringify(await exportJWK(privateKey)));
    const file = changed('signed.yaml', (yaml) => `# signed\n${yaml}`);
    const env = { AKSGW_CONFIG_KEY: JSON.stringify(await exportJWK(publicKey)) };
    const unsigned = await aksgw(['config', 'check', file], env);
    expect([unsigned.code, unsigned.out]).toEqual([1, expect.stringMatching(/signed\.yaml\.jws: .*ENOENT/)]);
    expect(await aksgw(['config', 'sign', file, '--key', key])).toMatchObject({ code: 0, out: `${file}.jws\n` });
    expect((await aksgw(['config', 'check', file], env)).code).toBe(0);
    writeFileSync(file, `${readFileSync(file, 'utf8')}# later\n`);
    expect(await aksgw(['config', 'check', file], env)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/signed\.yaml\.jws: .*signature verification failed/),
    });
    // What else is wrong is told as well.
    const wrong = changed('wrong.yaml', (yaml) => yaml.replace('verbs: [get, list, watch]', 'verbs: [gett]'));
    const both = await aksgw(['config', 'check', wrong], env);
    expect([both.code, both.out]).toEqual([1, expect.stringMatching(/gett[^]*wrong\.yaml\.jws: /)]);
    // The list of the blocked is held to the same key.
    writeFileSync(join(stack.folder, 'listed.yaml'), 'blocked: []\n');
    const listing = changed('listing.yaml', (yaml) =>
      yaml.replace('  bindings:\n', '  blockedFrom: listed.yaml\n  bindings:\n'),
    );
    await aksgw(['config', 'sign', listing, '--key', key]);
    const half = await aksgw(['config', 'check', listing], env);
    expect([half.code, half.out]).toEqual([1, expect.stringMatching(/^[^]*listed\.yaml\.jws: /)]);
  });
});
