import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair } from 'jose';
import { main } from '../../shared/client/main.ts';
import { openConfig } from '../../shared/config/source.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import { createManualClock } from '../support/manual-clock.ts';
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
    const path = await aksgw(['policy', 'who-can', 'get', '/v1/audit/events', '--cluster', 'demo', '-c', stack.config]);
    expect(path.out).toMatch(new RegExp(`^may  user ${people.auditor} +auditor/allow\\[0\\]$`, 'm'));
    const metrics = await aksgw(['policy', 'who-can', 'get', '/metrics', '--cluster', 'demo', '-c', stack.config]);
    expect([metrics.code, metrics.out]).toEqual([1, 'get /metrics on demo\n']);
    for (const own of [
      ['run', 'jobs.aksgw', 'nightly'],
      ['notify', 'webhooks.aksgw', 'bot'],
      ['cancel', 'commands.aksgw'],
    ]) {
      const { err, out } = await aksgw(['policy', 'who-can', ...own, '--cluster', 'demo', '-c', stack.config]);
      expect([err, out]).toEqual(['', expect.stringMatching(`^${own.join(' ')} on demo\n`)]);
    }
    const slip = await aksgw(['policy', 'who-can', 'gte', 'pods', '--cluster', 'demo', '--config', stack.config]);
    expect([slip.code, slip.err]).toEqual([
      125,
      expect.stringContaining('no verb is called "gte". Did you mean "get"?'),
    ]);
  });

  test('who-can takes what only a cluster knows, where its own definitions are read', async () => {
    const found = changed('found.yaml', (yaml) =>
      yaml
        .replace('  demo:\n', '  demo:\n    resources: discover\n')
        .replace('deployments.apps', 'widgets.example.com, deployments.apps'),
    );
    const asked = ['policy', 'who-can', 'get', 'widgets.example.com', '-n', 'shop', '--cluster', 'demo', '-c'];
    expect(await aksgw([...asked, found])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^get widgets\.example\.com in shop on demo\nmay /),
    });
    expect(await aksgw([...asked, stack.config])).toMatchObject({ code: 125 });
  });

  describe('of a cluster with resources: discover', () => {
    const found = () =>
      changed('discover.yaml', (yaml) =>
        yaml
          .replace('  demo:\n', '  demo:\n    resources: discover\n')
          .replace('deployments.apps', 'widgets.example.com, clusterthings.example.com, deployments.apps'),
      );
    const item = (name: string, kind: string, namespaced: boolean, ...shortNames: string[]) => ({
      name,
      kind,
      version: 'v1',
      namespaced,
      shortNames,
    });
    const items = [
      item('widgets.example.com', 'Widget', true, 'wd'),
      item('clusterthings.example.com', 'ClusterThing', false),
    ];
    const discovered = { at: '2026-11-28T12:00:00.000Z', items, disputed: [] as string[], truncated: false };
    const recorded = (value: unknown): string => {
      const file = join(stack.folder, 'recorded.json');
      writeFileSync(file, JSON.stringify(value));
      return file;
    };
    const demo = (changes: object = {}) => ({ name: 'demo', resources: { discovered: { ...discovered, ...changes } } });
    const explain = (file: string, ...words: string[]) =>
      aksgw([
        'policy',
        'explain',
        '--cluster',
        'demo',
        '--user',
        people.user,
        '--group',
        people.team,
        '-c',
        file,
        ...words,
      ]);

    test('every command takes what was read of it, and says where its kinds are not known', async () => {
      const file = found();
      const given = ['--discovered', recorded([demo()])];
      const get = ['--', 'kubectl', 'get', 'wd', 'one'];
      expect(await explain(file, ...given, ...get)).toMatchObject({ code: 0, out: expect.stringMatching(/^allow: /) });
      const hint = /^note: what the definitions of cluster demo hold is not known here: --discovered FILE or address$/m;
      expect(await explain(file, ...get)).toMatchObject({ code: 2, out: expect.stringMatching(hint) });
      expect(await explain(file, ...given, '--', 'kubectl', 'get', 'gadgets')).toMatchObject({
        code: 2,
        out: expect.not.stringMatching(hint),
      });

      const who = (...words: string[]) =>
        aksgw(['policy', 'who-can', 'get', ...words, '--cluster', 'demo', '-c', file]);
      expect((await who('wd', '-n', 'shop', ...given)).out).toMatch(/^get widgets\.example\.com in shop on demo\nmay /);
      expect((await who('clusterthings.example.com', ...given)).out).toMatch(
        /^get clusterthings\.example\.com on demo\n/,
      );
      expect((await who('clusterthings.example.com')).out).toMatch(hint);
      expect(await who('wd')).toMatchObject({ code: 125, err: expect.stringMatching(hint) });
      expect(await who('gadgets.example.com', ...given)).toMatchObject({ code: 125 });

      const cases = join(stack.folder, 'discover-cases.yaml');
      writeFileSync(
        cases,
        `principals: { team: { user: ${people.user}, groups: [${people.team}] } }
cases: [{ principal: team, cluster: demo, command: kubectl get wd, expect: allow, rule: 'shop-deployer/allow[0]' }]\n`,
      );
      const tested = (...words: string[]) => aksgw(['policy', 'test', cases, '-c', file, ...words]);
      expect(await tested(...given)).toMatchObject({ code: 0, out: expect.not.stringMatching(hint) });
      expect(await tested()).toMatchObject({ code: 1, out: expect.stringMatching(hint) });

      expect((await aksgw(['policy', 'lint', '-c', file])).out).toMatch(hint);
      expect((await aksgw(['policy', 'lint', '-c', file, ...given])).out).not.toMatch(hint);
      const less = changed('discover-less.yaml', () =>
        readFileSync(file, 'utf8').replace('widgets.example.com, clusterthings.example.com, ', ''),
      );
      const diff = await aksgw(['policy', 'diff', less, file, ...given]);
      expect(diff.out).toMatch(/, namespace shop: deny -> allow\n(?: .*\n)* .*\bwidgets\.example\.com\b/);
      // A rule for one namespace gives nothing of what is in none.
      expect(diff.out).not.toMatch(/clusterthings\.example\.com/);
      expect((await aksgw(['policy', 'diff', less, file])).out).toMatch(hint);
    });

    test.each<[string, () => unknown, RegExp]>([
      ['another cluster', () => ({ ...demo(), name: 'dem' }), /no cluster is called "dem".*Did you mean "demo"/],
      ['nothing read yet', () => ({ name: 'demo', resources: { discovered: null } }), /has not read the definitions/],
      ['something else', () => ({ items: [] }), /is not what GET/],
      ['a problem', () => null, /is not what GET/],
      [
        'a kind of Kubernetes’ own',
        () => demo({ items: [item('pods.apps', 'Pod', true)] }),
        /"pods\.apps" is not a custom/,
      ],
      ['a kind in two lines', () => demo({ items: [item('a.example.com\nb', 'A', true)] }), /is not a custom resource/],
      [
        'a kind without a scope',
        () => demo({ items: [{ ...items[0], namespaced: 'yes' }] }),
        /is not a custom resource/,
      ],
      ['no kinds', () => demo({ items: 'none' }), /is not a custom resource/],
    ])('a record of %s is refused', async (_what, value, why) => {
      const ended = await explain(found(), '--discovered', recorded(value()), '--', 'kubectl', 'get', 'pods');
      expect(ended).toMatchObject({ code: 125, err: expect.stringMatching(why) });
    });

    test('a kind whose scope changed is refused, as by the gateway; a cluster that lists its kinds takes no record', async () => {
      const given = ['--discovered', recorded(demo({ disputed: ['widgets.example.com'] }))];
      expect(await explain(found(), ...given, '--', 'kubectl', 'get', 'wd')).toMatchObject({ code: 2 });
      expect(await explain(stack.config, ...given, '--', 'kubectl', 'get', 'pods')).toMatchObject({
        code: 125,
        err: expect.stringContaining('has no resources: discover'),
      });
      const http = await explain(found(), '--discovered', 'http://gateway.example.com', '--', 'kubectl', 'get', 'wd');
      expect(http).toMatchObject({ code: 125, err: expect.stringContaining('takes an https address') });
    });
  });

  test('test looks at frozen and blockedFrom, and says when a list cannot be read here', async () => {
    const cases = join(stack.folder, 'frozen-cases.yaml');
    const principals = `principals:\n  team: { user: ${people.user}, groups: [${people.team}] }\n`;
    const command = (verb: string, expect: string) =>
      `  - { principal: team, cluster: demo, command: 'kubectl ${verb} -n shop', expect: ${expect} }\n`;
    const all = (restart: string, get: string) =>
      writeFileSync(
        cases,
        `${principals}cases:\n${command('rollout restart deployment/web', restart)}${command('get pods', get)}`,
      );
    const tested = (file: string, ...words: string[]) => aksgw(['policy', 'test', cases, '-c', file, ...words]);
    const frozen = changed('frozen.yaml', (yaml) => yaml.replace('  demo:\n', '  demo:\n    frozen: "INC-7"\n'));
    all('refuse', 'allow');
    expect(await tested(frozen)).toMatchObject({ code: 0 });
    all('allow', 'allow');
    expect((await tested(frozen)).out).toContain('expected allow, got refuse: Cluster demo is frozen: INC-7');
    expect(await tested(frozen, '--thawed')).toMatchObject({ code: 0 });

    writeFileSync(join(stack.folder, 'blocked.yaml'), `blocked: [{ user: ${people.user} }]\n`);
    const blocked = (from: string) =>
      changed('blocked-from.yaml', (yaml) => yaml.replace('\npolicy:\n', `\npolicy:\n  blockedFrom: ${from}\n`));
    all('deny', 'deny');
    expect(await tested(blocked('blocked.yaml'))).toMatchObject({ code: 0 });
    const far = await tested(blocked('https://account.blob.core.windows.net/gateway/blocked.yaml'));
    expect(far.code).toBe(1);
    expect(far.out).toMatch(/^note: https:.*blocked\.yaml is not looked at: whom it blocks is not known here$/m);
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

  test('explain counts the rights of the person behind the caller too', async () => {
    const behind = changed('behind.yaml', (yaml) =>
      yaml.replace("namespaces: ['*'] }\n", "namespaces: ['*'], requester: required }\n"),
    );
    const explained = async (...more: string[]) => {
      const asked = ['policy', 'explain', '-c', behind, '--cluster', 'demo', '--app', people.bot, ...more];
      const { code, out, err } = await aksgw([...asked, '--', 'kubectl', 'get', 'pods', '-n', 'shop']);
      return [code, (out + err).split('\n', 2).join(';')];
    };
    const { team, user } = people;
    expect(await explained()).toEqual([1, expect.stringContaining('only for a person behind the caller')]);
    expect(await explained('--requester', user)).toEqual([
      1,
      expect.stringMatching(
        /^deny: The person behind the caller: No role is bound to you.*; {2}deny {2}list pods in shop$/,
      ),
    ]);
    expect(await explained('--requester', user, '--requester-group', team)).toEqual([
      0,
      'allow: by viewer/allow[0];  allow list pods in shop by viewer/allow[0]',
    ]);
    expect(await explained('--requester-group', team)).toEqual([125, expect.stringContaining('--requester is needed')]);
  });

  test('explain sends as the caller where the cluster impersonates, and knows of a token without its groups', async () => {
    const named = changed('named.yaml', (yaml) =>
      yaml
        .replace('  demo:\n', '  demo:\n    impersonate: true\n')
        .replaceAll('namespaces: [shop]', "namespaces: ['{team}']")
        .replace('- role: shop-deployer\n', '- role: shop-deployer\n      with: { team: shop }\n')
        .replace('- role: shop-restarter\n', '- role: shop-restarter\n      with: { team: shop }\n'),
    );
    const asked = ['policy', 'explain', '-c', named, '--cluster', 'demo', '--user', people.user];
    const command = ['--', 'kubectl', 'get', 'services', '-n', 'shop'];
    const { code, out } = await aksgw([...asked, '--group', people.team, ...command]);
    expect(out).toMatch(
      new RegExp(
        `^sent: 'kubectl' '--as=aksgw:[0-9a-f-]{36}:${people.user}' '--as-group=aksgw:shop-deployer' '--as-group=aksgw:shop-deployer:team=shop' 'get' `,
        'm',
      ),
    );
    expect(code).toBe(0);
    // Nobody is denied anything through a group there: what is known counts, and it is said.
    const unknown = await aksgw([...asked, '--groups-unknown', ...command]);
    expect([unknown.code, unknown.out]).toEqual([
      1,
      expect.stringMatching(/^deny: No role is bound to you[^]*^note: Your token does not list all your groups/m),
    ]);
    expect((await aksgw([...asked, '--groups-unknown', '--group', people.team, ...command])).code).toBe(125);
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
    const paths = await compare((yaml) =>
      yaml.replace("nonResourceURLs: ['/v1/audit/*', '/v1/commands/*']", "nonResourceURLs: ['/v1/audit/*', '/readyz']"),
    );
    expect(paths.out).toMatch(/on demo, cluster-scoped: allow -> deny\n {2}get: \/v1\/commands\/…/);
    expect(paths.out).toMatch(/on demo, cluster-scoped: deny -> allow\n {2}get: \/readyz/);
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

  test('diff over the trail knows whose token left groups out', async () => {
    const token = await stack.azure.entra.appToken({
      oid: people.job,
      roles: ['Commands.Run'],
      _claim_names: { groups: 'src1' },
    });
    const seen = await stack.explain({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] }, { token });
    expect(seen.body['decision']).toMatchObject({ verdict: 'allow' });
    const denying = changed('denying.yaml', (yaml) =>
      yaml.replace(
        '  bindings:\n',
        `  bindings:\n    - { role: viewer, clusters: [demo], subjects: [{ group: ${people.team} }] }\n`,
      ),
    );
    const { out } = await aksgw(['policy', 'diff', stack.config, denying, '--audit', join(stack.folder, 'data/audit')]);
    expect(out).toMatch(
      new RegExp(
        `^1x app ${people.job} on demo: list pods in shop: allow by .* -> deny [^]*Your token does not list your groups`,
        'm',
      ),
    );
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
    // What is wrong in one place hides nothing of another, warnings included.
    expect(out).toMatch(/^warning: .*wrong\.yaml:\d+: storage\.signingKey: a local key/m);
    expect(out).toMatch(/^2 errors, \d+ warnings$/m);
    expect(code).toBe(1);
    const job = changed('job.yaml', (yaml) =>
      yaml.replace(
        'policy:\n',
        'jobs: [{ name: n, cluster: demo, schedule: "61 * * * *", argv: [kubectl, get, pods] }]\npolicy:\n',
      ),
    );
    expect((await aksgw(['config', 'check', job])).out).toMatch(/job\.yaml:\d+: jobs\[0\]\.schedule: /);
    const both = changed('both.yaml', (yaml) =>
      yaml
        .replace(
          'policy:\n',
          'jobs: [{ name: n, cluster: demo, schedule: "61 * * * *", argv: [kubectl, get, pods] }]\npolicy:\n',
        )
        .replace('verbs: [get, list, watch], resources', 'verbs: [gte, list, watch], resources'),
    );
    const { out: all } = await aksgw(['config', 'check', both]);
    expect(all).toMatch(/jobs\[0\]\.schedule: /);
    expect(all).toMatch(/no verb is called "gte"/);
  });

  test('says what a condition of a later version is, and does not take it for a slip', async () => {
    const file = changed('later.yaml', (yaml) => yaml.replace('requireReason: true', 'approval: {}'));
    expect((await aksgw(['config', 'check', file])).out).toMatch(/approval: is not built yet/);
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
      expect.stringMatching(/: another, digest [0-9a-f]{64}, with the same policy, in force since /),
    ]);
    const wider = changed('other.yaml', (yaml) => yaml.replace('blocked: []', `blocked: [{ user: ${people.user} }]`));
    const policy = await aksgw(['config', 'check', wider, '--against', stack.url], env);
    expect([policy.code, policy.out]).toEqual([
      1,
      expect.stringMatching(
        /: another, digest [0-9a-f]{64}, with another policy, digest [0-9a-f]{64}, in force since /,
      ),
    ]);
    const stranger = await aksgw(['config', 'check', file, '--against', stack.url], { AKSGW_TOKEN: stack.tokens.bot });
    expect([stranger.code, stranger.err]).toEqual([
      125,
      expect.stringMatching(/shows you no line of the configuration in force/),
    ]);
  });

  test('--against reads the list of the blocked where it lies, and sends no token over plain http', async () => {
    let loaded = { configDigest: '', policyDigest: '', time: '2026-01-01T00:00:00.000Z', build: 'dev' };
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers.authorization);
      const list = `blocked: [{ app: ${people.job} }]\n...\n`;
      response.end(request.url === '/blocked.yaml' ? list : JSON.stringify({ items: [loaded] }));
    });
    const url = await new Promise<string>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
    );
    try {
      const file = changed('afar.yaml', (yaml) =>
        yaml.replace('  bindings:\n', `  blockedFrom: ${url}/blocked.yaml\n  bindings:\n`),
      );
      const env = { AKSGW_TOKEN: 'secret-token' };
      const clock = createManualClock();
      const source = await openConfig({ location: file, env: { AKSGW_ARM_TOKEN: 'x' }, clock, fetch });
      const config = source.current();
      source.close();
      loaded = { ...loaded, configDigest: config.digest, policyDigest: compilePolicy(config).digest };
      const same = await aksgw(['config', 'check', file, '--against', url], env);
      expect([same.code, same.out]).toEqual([0, expect.stringMatching(/: the same, in force since /)]);
      loaded = { ...loaded, policyDigest: 'f'.repeat(64) };
      const built = await aksgw(['config', 'check', file, '--against', url], env);
      expect([built.code, built.out]).toEqual([1, expect.stringMatching(/: the same file, and by it another policy/)]);
      // The list is no storage account's: it is sent no token, and the gateway is.
      expect(new Set(asked)).toEqual(new Set([undefined, 'Bearer secret-token']));
      const before = asked.length;
      const plain = await aksgw(['config', 'check', stack.config, '--against', 'http://gateway.example.com'], env);
      expect([plain.code, plain.err]).toEqual([125, expect.stringMatching(/takes an https address/)]);
      expect(asked.length).toBe(before);
    } finally {
      server.close();
    }
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
    const expiring = ['config', 'sign', file, '--key', key, '--expires'];
    expect((await aksgw([...expiring, '2100-01-31'])).code).toBe(0);
    expect((await aksgw(['config', 'check', file], env)).code).toBe(0);
    for (const past of ['2020-01-31', 'soon', '01/02/2100'])
      expect((await aksgw([...expiring, past])).err).toMatch(/--expires takes a date in the future/);
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
