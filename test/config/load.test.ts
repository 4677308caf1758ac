import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import {
  env,
  exampleText,
  lines,
  parse,
  problemsOf,
  tenant,
  withRole,
  withSections,
  withSubject,
  armId,
  type Section,
} from './valid.ts';
import { seed } from '../support/seed.ts';

const guid = '55555555-5555-4555-8555-555555555555';
const otherTenant = '99999999-9999-4999-8999-999999999999';

describe('what is accepted', () => {
  test('the project’s own example, with its locations resolved and its warnings', () => {
    const config = parse(exampleText);
    expect([...config.clusters.keys()]).toEqual(['demo']);
    expect(config.storage.records).toEqual({ kind: 'sqlite', path: '/srv/gateway/data/gateway.sqlite' });
    expect(config.warnings.map((warning) => warning.replace(/^gateway.yaml:\d+: /, '').split(': ')[0])).toEqual([
      'identity.authority',
      'azure.credential',
      'storage.signingKey',
      'policy.roles.shop-deployer.allow[0]',
      'policy.roles.shop-deployer.allow[3]',
      'policy.roles.shop-restarter.allow[0]',
    ]);
  });

  test('every default is the contract’s', () => {
    const minimal = Object.entries(lines)
      .filter(([section]) => !['listen', 'limits', 'jobs'].includes(section))
      .map(([, line]) => line)
      .join('\n');
    expect(parse(minimal)).toMatchObject({
      listen: { host: '127.0.0.1', port: 7071 },
      identity: { authority: 'https://login.microsoftonline.com', scopes: ['Commands.Run'] },
      azure: { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } },
      storage: { resultsHours: 24 },
      limits: {
        perPrincipal: { running: 4, queued: 20, submitsPerMinute: 30, requestsPerMinute: 1_200 },
        total: { openRequests: 1_000 },
        perCluster: { running: 8 },
        bodyBytes: 8_388_608,
        timeoutSeconds: { default: 300, max: 3600 },
      },
    });
    expect(parse(minimal).clusters.get('demo')).toMatchObject({
      runAs: 'gateway',
      impersonate: false,
      defaultNamespace: 'default',
      resources: [],
    });
  });

  test('a well-known custom resource may be given by name alone', () => {
    const clusters = `clusters: { demo: { resourceId: ${armId('demo')}, resources: [certificates.cert-manager.io, virtualservices.networking.istio.io, volumesnapshots.snapshot.storage.k8s.io] } }`;
    const policy = withRole(
      '{ allow: [{ verbs: [get], resources: [certificates.cert-manager.io], namespaces: ["*"] }] }',
    );
    const { resources } = parse(withSections({ clusters, policy })).clusters.get('demo') ?? {};
    expect(resources).toMatchObject([
      { group: 'cert-manager.io', version: 'v1', kind: 'Certificate', namespaced: true },
      { kind: 'VirtualService', shortNames: ['vs'] },
      { kind: 'VolumeSnapshot', shortNames: [] },
    ]);
  });

  test('ids come out in lower case, ARM ids rebuilt, and each subject with its tenant', () => {
    const config = parse(
      withSections({
        identity: lines.identity.replace(/22222222.*2222/, 'ABCDABCD-ABCD-4222-8222-ABCDABCDABCD'),
        clusters: `clusters: { demo: { resourceId: ${armId('Demo').toUpperCase()}/ } }`,
        policy: withSubject('{ user: ABCDEF01-1111-4111-8111-111111111111 }'),
      }),
    );
    expect(config.identity.audience).toBe('abcdabcd-abcd-4222-8222-abcdabcdabcd');
    expect(config.clusters.get('demo')?.arm.id).toBe(
      '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/RG/providers/Microsoft.ContainerService/managedClusters/DEMO',
    );
    expect(config.policy.bindings[0]?.subjects).toEqual([{ user: 'abcdef01-1111-4111-8111-111111111111', tenant }]);
  });

  test.each([
    [
      'a real deployment',
      'storage: { audit: "https://acc.blob.core.windows.net/audit", records: "https://acc.table.core.windows.net/", signingKey: "https://v.vault.azure.net/keys/audit" }',
    ],
    [
      'an account with DNS zone endpoints',
      'storage: { audit: "https://acc.z12.blob.storage.azure.net/audit", records: "https://acc.z12.table.storage.azure.net", signingKey: "https://v.vault.azure.net/keys/audit/0123" }',
    ],
    [
      'a managed HSM',
      'storage: { audit: "https://acc.blob.core.windows.net/audit", records: "https://acc.table.core.windows.net", signingKey: "https://h.managedhsm.azure.net/keys/audit" }',
    ],
    [
      'an emulated storage account',
      'storage: { audit: "http://127.0.0.1:10000/devstoreaccount1/audit", records: "http://127.0.0.1:10002/devstoreaccount1", signingKey: "file:k" }',
    ],
  ])('storage of %s', (_name, storage) => {
    expect(problemsOf(withSections({ storage }))).toEqual([]);
  });

  test.each([
    ['management.usgovcloudapi.net', 'core.usgovcloudapi.net', 'vault.usgovcloudapi.net'],
    ['management.chinacloudapi.cn', 'core.chinacloudapi.cn', 'vault.azure.cn'],
    ['management.local.azurestack.external', 'local.azurestack.external', 'vault.local.azurestack.external'],
  ])('storage in the cloud of %s, and in no other', (host, storage, vault) => {
    const places = (suffix: string, keys: string) =>
      `storage: { audit: "https://acc.blob.${suffix}/audit", records: "https://acc.table.${suffix}", signingKey: "https://vau.${keys}/keys/audit" }`;
    const azure = `azure: { resourceManager: "https://${host}", credential: { kind: default } }`;
    expect(problemsOf(withSections({ azure, storage: places(storage, vault) }))).toEqual([]);
    for (const [suffix, keys] of [
      ['core.windows.net', 'vault.azure.net'],
      ['attacker.example', 'attacker.example'],
      [`${storage}.attacker.example`, `${vault}.attacker.example`],
    ] as const)
      expect(problemsOf(withSections({ azure, storage: places(suffix, keys) }))).toHaveLength(3);
  });

  test('the digest is of the text as it was read', () => {
    expect(parse(exampleText).digest).toMatch(/^[0-9a-f]{64}$/);
    expect(parse(`${exampleText}\n`).digest).not.toBe(parse(exampleText).digest);
  });
});

describe('what is refused', () => {
  const cases: readonly [name: string, section: Section, text: string, problem: string][] = [
    ['another version', 'version', 'version: 2', '1 version: must be 1, not 2'],
    [
      'an unknown key, naming its line',
      'listen',
      'listen: { hots: x }',
      '2 listen.hots: unknown key. Did you mean "host"? Known here: host, port',
    ],
    ['what is not a port', 'listen', 'listen: { port: 70000 }', '2 listen.port: must be at most 65535, not 70000'],
    [
      'a caller who would have to impersonate himself',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, runAs: caller, impersonate: true } }`,
      [
        '5 clusters.demo.impersonate: cannot go with runAs: caller: the command runs as the user already, who would need the right to impersonate',
        '5 clusters.demo.runAs: runAs: caller needs azure.onBehalfOf, to get a token for the caller',
      ].join('; '),
    ],
    [
      'a scope as a client asks for it',
      'identity',
      lines.identity.replace(' }', ', scopes: ["api://gateway/Commands.Run"] }'),
      '3 identity.scopes[0]: "api://gateway/Commands.Run" is how a client asks for a scope; in a token stands its value alone, such as Commands.Run',
    ],
    [
      'a scope that no token can carry',
      'identity',
      lines.identity.replace(' }', ', scopes: ["Commands.Run Commands.Read"] }'),
      '3 identity.scopes[0]: "Commands.Run Commands.Read" cannot be a scope: no token can carry it',
    ],
    [
      'a scope of signing in',
      'identity',
      lines.identity.replace(' }', ', scopes: [openid] }'),
      '3 identity.scopes[0]: "openid" is a scope of signing in, and never in a token for the gateway',
    ],
    [
      'an app role that no token can carry',
      'policy',
      withSubject('{ appRole: "Prüfer" }'),
      '8 policy.bindings[0].subjects[0].appRole: "Prüfer" cannot be an app role: its value has no spaces, no letters other than a to z, no dot first, and at most 120 characters',
    ],
    [
      'records that are kept for less time than results',
      'storage',
      lines.storage.replace(' }', ', retention: { resultsHours: 48, recordsDays: 1 } }'),
      '6 storage.retention.recordsDays: is shorter than resultsHours: a result goes with its record',
    ],
    [
      'any tenant',
      'identity',
      lines.identity.replace(tenant, 'common'),
      '3 identity.tenants[0]: "common" would let any tenant in: name the tenants by their ids',
    ],
    [
      'organizations, however it is written',
      'identity',
      lines.identity.replace(tenant, 'Organizations'),
      '3 identity.tenants[0]: "Organizations" would let any tenant in: name the tenants by their ids',
    ],
    [
      'a tenant that is not a GUID',
      'identity',
      lines.identity.replace(tenant, 'contoso.com'),
      '3 identity.tenants[0]: "contoso.com" is not a GUID (00000000-0000-0000-0000-000000000000)',
    ],
    [
      'a tenant named twice',
      'identity',
      lines.identity.replace(tenant, `${tenant}, ${tenant}`),
      '3 identity.tenants[1]: this tenant is named twice',
    ],
    [
      'an audience that is a URI',
      'identity',
      lines.identity.replace(/audience: [^ ]+/, 'audience: "api://gateway"'),
      '3 identity.audience: "api://gateway" is not a GUID (00000000-0000-0000-0000-000000000000)',
    ],
    [
      'a number where text is meant',
      'identity',
      lines.identity.replace(/audience: [^ ]+/, 'audience: 12'),
      '3 identity.audience: must be a text, not 12; write it in quotes: "12"',
    ],
    [
      'an authority over plain http',
      'identity',
      lines.identity.replace('{', '{ authority: "http://login.example",'),
      '3 identity.authority: plain http is for loopback only: everybody on the way could read and change it. Write https',
    ],
    [
      'an authority with a tenant in it',
      'identity',
      lines.identity.replace('{', '{ authority: "https://login.microsoftonline.com/common",'),
      '3 identity.authority: must not have a path: https://login.microsoftonline.com',
    ],
    [
      'an authority with a password',
      'identity',
      lines.identity.replace('{', '{ authority: "https://me:pw@login.microsoftonline.com",'),
      '3 identity.authority: must not hold a user name or password',
    ],
    [
      'a host that only looks like loopback',
      'azure',
      'azure: { resourceManager: "http://127.0.0.1.example.com", credential: { kind: default } }',
      '4 azure.resourceManager: plain http is for loopback only: everybody on the way could read and change it. Write https',
    ],
    [
      'a fixed token off loopback',
      'azure',
      'azure: { credential: { kind: static, tokenEnv: AKSGW_ARM_TOKEN } }',
      '4 azure.credential: kind: static is for an emulated Azure on loopback: use managedIdentity or default',
    ],
    [
      'an unknown kind of credential',
      'azure',
      'azure: { credential: { kind: password } }',
      '4 azure.credential.kind: must be one of managedIdentity, default, static, not "password"',
    ],
    [
      'a key of another kind',
      'azure',
      'azure: { credential: { kind: default, clientId: x } }',
      '4 azure.credential.clientId: unknown key. Known here: kind',
    ],
    [
      'a variable that is not set',
      'azure',
      'azure: { resourceManager: "http://127.0.0.1:1", credential: { kind: static, tokenEnv: NOT_THERE } }',
      '4 azure.credential.tokenEnv: the environment variable NOT_THERE is not set',
    ],
    [
      'on-behalf-of without its proof',
      'azure',
      `azure: { credential: { kind: default }, onBehalfOf: { clientId: ${guid} } }`,
      '4 azure.onBehalfOf: needs one of secretEnv, federatedIdentityClientId',
    ],
    ['no cluster', 'clusters', 'clusters: {}', '5 clusters: must name at least one cluster'],
    [
      'an ARM id of something else',
      'clusters',
      'clusters: { demo: { resourceId: /subscriptions/x } }',
      '5 clusters.demo.resourceId: must be /subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.ContainerService/managedClusters/<name>',
    ],
    [
      'an ARM id with a path behind it',
      'clusters',
      `clusters: { demo: { resourceId: "${armId('demo')}/../other" } }`,
      '5 clusters.demo.resourceId: must be /subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.ContainerService/managedClusters/<name>',
    ],
    [
      'an ARM id with a query in its name',
      'clusters',
      `clusters: { demo: { resourceId: "${armId('demo?x=1')}" } }`,
      '5 clusters.demo.resourceId: "demo?x=1" is not the name of a managed cluster',
    ],
    [
      'two names for one ARM id, in whatever case',
      'clusters',
      `clusters: { a: { resourceId: ${armId('demo')} }, b: { resourceId: ${armId('DEMO')} } }`,
      '5 clusters.b.resourceId: is the same cluster as "a": policy for one name could be evaded by the other',
    ],
    [
      'a name that is not a word of a URL',
      'clusters',
      `clusters: { "a/b": { resourceId: ${armId('demo')} } }`,
      '5 clusters.a/b: a cluster\'s name is letters, digits, ".", "_" and "-", at most 63',
    ],
    [
      'definitions read where commands run as the caller',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, runAs: caller, resources: discover } }`,
      [
        '5 clusters.demo.runAs: runAs: caller needs azure.onBehalfOf, to get a token for the caller',
        "5 clusters.demo.resources: discover cannot go with runAs: caller: the gateway has no rights of its own to read the cluster's definitions",
      ].join('; '),
    ],
    [
      'resources that are neither a list nor discover',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, resources: all } }`,
      '5 clusters.demo.resources: must be a list or discover, not "all"',
    ],
    [
      'runAs: caller without on-behalf-of',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, runAs: caller } }`,
      '5 clusters.demo.runAs: runAs: caller needs azure.onBehalfOf, to get a token for the caller',
    ],
    [
      'aks-command as the default namespace',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, defaultNamespace: aks-command } }`,
      "5 clusters.demo.defaultNamespace: aks-command holds other callers' commands: it cannot be the default",
    ],
    [
      'a CRD that takes a built-in short name',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, resources: [{ group: x.io, version: v1, resource: deploys, kind: Deploy, namespaced: true, shortNames: [deploy] }] } }`,
      '5 clusters.demo.resources[0].shortNames[0]: "deploy" means a resource of Kubernetes itself',
    ],
    [
      'a custom resource that is not well known, by name alone',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, resources: [certificate.cert-manager.io] } }`,
      '5 clusters.demo.resources[0]: "certificate.cert-manager.io" is not a well-known custom resource. Did you mean "certificates.cert-manager.io"? Spell it out: group, version, resource, kind, namespaced',
    ],
    [
      'a built-in resource declared again',
      'clusters',
      `clusters: { demo: { resourceId: ${armId('demo')}, resources: [{ group: rbac.authorization.k8s.io, version: v1, resource: roles, kind: Role, namespaced: false }] } }`,
      '5 clusters.demo.resources[0]: roles.rbac.authorization.k8s.io is built in',
    ],
    [
      'storage of the wrong kind',
      'storage',
      lines.storage.replace('file:a', 'sqlite:a'),
      '6 storage.audit: must be file:<path> or https://<account>.blob.core.windows.net/<container>',
    ],
    [
      'a blob endpoint for tables',
      'storage',
      lines.storage.replace('sqlite:r', 'https://acc.blob.core.windows.net'),
      "6 storage.records: must be like https://<account>.table.core.windows.net, in the cloud of azure.resourceManager: it is sent the gateway's token",
    ],
    [
      'a SAS token',
      'storage',
      lines.storage.replace('file:a', 'https://acc.blob.core.windows.net/audit?sig=abc'),
      '6 storage.audit: must not have a query or fragment (a SAS token is a secret and has no place here)',
    ],
    [
      'what is not a path',
      'storage',
      lines.storage.replace('file:a', 'file:'),
      '6 storage.audit: names no path: file:./data/…',
    ],
    [
      'limits that contradict each other',
      'limits',
      'limits: { timeoutSeconds: { default: 300, max: 60 } }',
      '7 limits.timeoutSeconds.default: is more than max, which is 60',
    ],
    [
      'half a command',
      'limits',
      'limits: { perCluster: { running: 1.5 } }',
      '7 limits.perCluster.running: must be a whole number, not 1.5',
    ],
  ];
  test.each(cases)('%s', (_name, section, text, problem) => {
    expect(problemsOf(withSections({ [section]: text })).join('; ')).toBe(problem);
  });

  test.each([['0.0.0.0', {}, 'listen.host is 0.0.0.0']])(
    'a signing key in a file, when the gateway is reached from elsewhere (%s, %j)',
    (host, extra, why) => {
      const text = withSections({ listen: `listen: { host: ${host} }` });
      expect(problemsOf(text, { env: { ...env, ...extra } })).toEqual([
        `6 storage.signingKey: a key in a local file is for loopback only, but ${why}: use a Key Vault key`,
      ]);
    },
  );

  test('files of one instance, where the Functions entrance asks, but for an emulated Azure', () => {
    const real = withSections({ azure: 'azure: { credential: { kind: managedIdentity } }' });
    expect(problemsOf(real, { entrance: 'functions' }).map((problem) => problem.replace(/:.*/, ''))).toEqual([
      '6 storage.audit',
      '6 storage.records',
      '6 storage.signingKey',
    ]);
    expect(() => parse(real, { entrance: 'port' })).not.toThrow();
    const emulated = withSections({
      azure: 'azure: { resourceManager: "http://127.0.0.1:1", credential: { kind: static, tokenEnv: TOKEN } }',
    });
    expect(problemsOf(emulated, { entrance: 'functions', env: { ...env, TOKEN: 'x' } })).toEqual([]);
  });

  test.each([
    ['http://gateway.example.com', 'must be https: callers send their tokens there'],
    [
      'https://gateway.example.com/?x=1',
      'must be the address of the gateway alone, such as https://gateway.example.com/prefix',
    ],
    ['gateway', 'must be the address of the gateway alone, such as https://gateway.example.com/prefix'],
  ])('what is not a public address: %s', (address, why) => {
    expect(problemsOf(`${withSections({})}\npublicUrl: ${address}`).at(-1)).toMatch(
      new RegExp(`publicUrl: ${why.replaceAll('?', '.')}`),
    );
  });

  test('all problems at once, each with its own line', () => {
    const text = withSections({
      version: 'version: 3',
      listen: 'listen: { port: x }',
      identity: lines.identity.replace(tenant, 'common'),
      storage: 'storage: { audit: "file:a", records: "sqlite:r" }',
      policy: withRole('{ allow: [{ verbs: [get], resources: [pods] }] }'),
      jobs: 'jobs: [{}]',
    });
    expect(problemsOf(text).map((problem) => problem.split(' ', 2).join(' '))).toEqual([
      '1 version:',
      '2 listen.port:',
      '3 identity.tenants[0]:',
      '6 storage.signingKey:',
      '8 policy.roles.r.allow[0]:',
      '9 jobs[0].name:',
      '9 jobs[0].cluster:',
    ]);
  });

  test.each([
    ['an empty file', '', '1 : must be a mapping, not nothing'],
    ['a list', '- a', '1 : must be a mapping, not a list'],
    ['a duplicate key', 'version: 1\nversion: 1', '2 : the key "version" is given twice: the second would win'],
    ['an unknown tag', 'version: 1\nlisten: !env HOST', '2 : the tag !env is not read here: write plain values'],
    [
      'a second document',
      'version: 1\n---\nversion: 1',
      '2 : Source contains multiple documents; please use YAML.parseAllDocuments()',
    ],
    [
      'two keys that are one text',
      withSections({
        clusters: `clusters: { 2026: { resourceId: ${armId('a')} }, "2026": { resourceId: ${armId('b')} } }`,
      }),
      '5 : the key "2026" is given twice: the second would win',
    ],
    [
      'a key that is read as another text',
      withSections({ clusters: `clusters: { 0x10: { resourceId: ${armId('a')} } }` }),
      '5 : the key 0x10 would be read as 16: write it in quotes',
    ],
    [
      'a key that is a list',
      'version: 1\n? [a]\n: 1',
      '1 : a key must be a plain text, not an alias, a list or a mapping',
    ],
    [
      'an ordered map, which has no keys to JavaScript',
      withSections({ policy: 'policy: { roles: !!omap [{ r: {} }], bindings: [] }' }),
      '8 : the tag tag:yaml.org,2002:omap is not read here: write plain values',
    ],
    [
      'a set',
      withSections({ policy: 'policy: { roles: {}, bindings: [], blocked: !!set { a } }' }),
      '8 : the tag tag:yaml.org,2002:set is not read here: write plain values',
    ],
    [
      'a text that says it is one',
      withSections({ version: 'version: !!int "1"' }),
      '1 : the tag tag:yaml.org,2002:int is not read here: write plain values',
    ],
    [
      'a directive for another YAML',
      `%YAML 1.1\n---\n${withSections({})}`,
      '1 : a directive (%YAML, %TAG) changes how everything after it is read: leave it out',
    ],
    [
      'a directive for tags',
      `%TAG ! tag:example.com,2026:\n---\n${withSections({})}`,
      '1 : a directive (%YAML, %TAG) changes how everything after it is read: leave it out',
    ],
  ])('%s', (_name, text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test.each([
    [
      'aliases that multiply',
      `a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c]`,
    ],
    ['endless nesting', '['.repeat(20_000)],
    ['a huge file', `version: 1 # ${'x'.repeat(1024 * 1024)}`],
  ])('%s, without falling over', (_name, text) => {
    expect(problemsOf(text).length).toBeGreaterThan(0);
  });

  test('a name out of JavaScript’s own vocabulary is a name like any other', () => {
    const text = withSections({ policy: withSubject(`{ user: ${guid} }`).replace('role: r', 'role: constructor') });
    expect(problemsOf(text)).toEqual(['8 policy.bindings[0].role: no role is called "constructor".']);
  });
});

test('any text is a configuration or a ConfigError with lines that exist', () => {
  const vandal = fc.array(
    fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 12 }),
      by: fc.oneof(
        fc.string(),
        fc.constantFrom('\n', ': ', '*', '- ', '{', '&a ', '*a', '<<: ', 'null', '__proto__: 1\n', '"'),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(vandal, (edits) => {
      const text = edits.reduce((before, { at, length, by }) => {
        const start = at % before.length;
        return before.slice(0, start) + by + before.slice(start + length);
      }, exampleText);
      const last = text.split(/\r\n|\n|\r/).length;
      for (const problem of problemsOf(text)) {
        const line = Number(problem.split(' ')[0]);
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(last);
      }
    }),
    {
      seed,
      numRuns: Number(process.env['AKSGW_RUNS'] ?? 100),
    },
  );
});

describe('rules', () => {
  const allow = (rule: string): string =>
    `{ allow: [{ verbs: [get], resources: [pods], namespaces: ["*"], ${rule} }] }`;
  const cases: readonly [name: string, role: string, problem: string][] = [
    ['an allow without verbs', '{ allow: [{ resources: [pods], namespaces: [a] }] }', 'allow[0]: an allow needs verbs'],
    [
      'an allow without resources',
      '{ allow: [{ verbs: [get], namespaces: [a] }] }',
      'allow[0]: an allow needs resources (or nonResourceURLs)',
    ],
    [
      'an allow without namespaces',
      '{ allow: [{ verbs: [get], resources: [pods] }] }',
      'allow[0]: an allow needs namespaces: ["*"] for all of them and for what is cluster-scoped',
    ],
    [
      'an allow with an empty list',
      '{ allow: [{ verbs: [get], resources: [pods], namespaces: [] }] }',
      'allow[0].namespaces: must not be empty',
    ],
    [
      'an empty deny',
      '{ deny: [{}] }',
      'deny[0]: an empty deny would deny everything: if that is meant, write resources: ["*"]',
    ],
    [
      'a condition on a deny',
      '{ deny: [{ resources: [pods], requireReason: true }] }',
      'deny[0].requireReason: is for allow rules only',
    ],
    [
      'what is not a verb',
      allow('names: [a]').replace('get', 'gte'),
      'allow[0].verbs[0]: no verb is called "gte". Did you mean "get"?',
    ],
    [
      'what is not a sub-resource',
      allow('names: [a]').replace('pods', 'pods/logs'),
      'allow[0].resources[0]: pods has no sub-resource "logs". Did you mean "pods/log"?',
    ],
    [
      'a short name',
      allow('names: [a]').replace('pods', 'deploy'),
      'allow[0].resources[0]: no resource is called "deploy". Did you mean "deployments.apps"?',
    ],
    [
      'a resource without its group',
      allow('names: [a]').replace('pods', 'deployments'),
      'allow[0].resources[0]: no resource is called "deployments". Did you mean "deployments.apps"?',
    ],
    [
      'a singular',
      '{ deny: [{ resources: [secret] }] }',
      'deny[0].resources[0]: no resource is called "secret". Did you mean "secrets"?',
    ],
    [
      'an unknown custom resource',
      allow('names: [a]').replace('pods', 'widgets.acme.io'),
      'allow[0].resources[0]: no resource is called "widgets.acme.io". A custom resource has to be listed in a cluster\'s resources: first',
    ],
    [
      'every sub-resource of one',
      '{ deny: [{ resources: ["pods/*"] }] }',
      'deny[0].resources[0]: "pods/*" is not a resource: name each sub-resource (pods/exec); a deny on the resource includes them all',
    ],
    [
      'what is not an API group',
      allow('names: [a]').replace('pods', '"*.app"'),
      'allow[0].resources[0]: no API group is called "app"',
    ],
    [
      'what is not a namespace',
      allow('names: [a]').replace('"*"', 'Shop'),
      'allow[0].namespaces[0]: "Shop" is neither a namespace nor a glob of one',
    ],
    [
      'a glob of another language',
      allow('names: ["web-?"]'),
      'allow[0].names[0]: "web-?" is neither a name nor a glob of one',
    ],
    [
      'URLs beside resources',
      '{ allow: [{ verbs: [get], resources: [pods], namespaces: ["*"], nonResourceURLs: ["/x"] }] }',
      'allow[0].resources: cannot stand in one rule with nonResourceURLs',
    ],
    [
      'a URL that climbs',
      '{ allow: [{ verbs: [get], nonResourceURLs: ["/v1/../x"] }] }',
      'allow[0].nonResourceURLs[0]: "/v1/../x" is neither a path nor a glob of one: it starts with "/"',
    ],
    [
      'a chart by name',
      allow('charts: [redis]'),
      'allow[0].charts[0]: a chart is named by its digest, sha256:<64 hex digits>',
    ],
    [
      'what is not pod security',
      allow('podSecurity: none'),
      'allow[0].podSecurity: must be restricted or baseline or privileged, not "none"',
    ],
    [
      'a service account that can be none',
      allow('serviceAccounts: [Web]'),
      'allow[0].serviceAccounts[0]: "Web" is not the name of a service account and not a glob of one',
    ],
  ];
  test.each(cases)('%s', (_name, role, problem) => {
    expect(problemsOf(withSections({ policy: withRole(role) }))[0]).toBe(`8 policy.roles.r.${problem}`);
  });

  test.each([
    'pods',
    'pods/log',
    'deployments.apps/scale',
    '*',
    '*.apps',
    '*/scale',
    'releases.helm.sh',
    'pods.metrics.k8s.io',
  ])('resources are spelled %s', (resource) => {
    expect(
      problemsOf(withSections({ policy: withRole(allow('names: ["*"]').replace('pods', `"${resource}"`)) })),
    ).toEqual([]);
  });

  test('a custom resource can be named once a cluster lists it', () => {
    const widgets = '{ group: acme.io, version: v1, resource: widgets, kind: Widget, namespaced: true }';
    const text = withSections({
      clusters: `clusters: { demo: { resourceId: ${armId('demo')}, resources: [${widgets}] } }`,
      policy: withRole('{ deny: [{ resources: [widgets.acme.io, widgets.acme.io/status, "*.acme.io"] }] }'),
    });
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('subjects', () => {
  const cases: readonly [name: string, policy: string, problem: string][] = [
    [
      'an unknown role',
      withSubject(`{ user: ${guid} }`).replace('role: r', 'role: q'),
      'role: no role is called "q". Did you mean "r"?',
    ],
    [
      'an unknown cluster',
      withSubject(`{ user: ${guid} }`, '[dmo]'),
      'clusters[0]: no cluster is called "dmo". Did you mean "demo"?',
    ],
    [
      'a user by address',
      withSubject('{ user: ada@contoso.com }'),
      'subjects[0].user: "ada@contoso.com" is not a GUID (00000000-0000-0000-0000-000000000000): Entra\'s object ids only, since names and addresses change hands',
    ],
    [
      'a foreign tenant',
      withSubject(`{ user: ${guid}, tenant: ${otherTenant} }`),
      'subjects[0].tenant: is not one of identity.tenants',
    ],
    [
      'a subject that is two',
      withSubject(`{ user: ${guid}, app: ${guid} }`),
      'subjects[0].app: unknown key. Known here: user, tenant',
    ],
    ['a subject that is nobody', withSubject('{}'), 'subjects[0]: needs one of appRole, group, user, app, job'],
    ['a job that there is not', withSubject('{ job: nightly }'), 'subjects[0].job: no job is called "nightly".'],
  ];
  test.each(cases)('%s', (_name, policy, problem) => {
    expect(problemsOf(withSections({ policy }))).toEqual([`8 policy.bindings[0].${problem}`]);
  });

  test.each(['user', 'app', 'group', 'appRole'])('with several tenants a subject names its own: %s', (kind) => {
    const identity = lines.identity.replace(tenant, `${tenant}, ${otherTenant}`);
    const id = kind === 'appRole' ? 'Viewer' : guid;
    expect(problemsOf(withSections({ identity, policy: withSubject(`{ ${kind}: ${id} }`) }))).toEqual([
      '8 policy.bindings[0].subjects[0]: needs tenant: the gateway serves several, and each assigns its own ids',
    ]);
    expect(
      problemsOf(withSections({ identity, policy: withSubject(`{ ${kind}: ${id}, tenant: ${otherTenant} }`) })),
    ).toEqual([]);
  });

  test('so does a blocked principal', () => {
    const identity = lines.identity.replace(tenant, `${tenant}, ${otherTenant}`);
    const policy = `policy: { roles: {}, bindings: [], blocked: [{ user: ${guid} }] }`;
    expect(problemsOf(withSections({ identity, policy }))).toEqual([
      '8 policy.blocked[0]: needs tenant: the gateway serves several, and each assigns its own ids',
    ]);
  });

  test('a glob may wait for its clusters, with a warning', () => {
    expect(parse(withSections({ policy: withSubject(`{ user: ${guid} }`, '["prod-*"]') })).warnings).toContain(
      'gateway.yaml:8: policy.bindings[0].clusters[0]: "prod-*" matches no cluster yet',
    );
  });
});

describe('what a role implies is said when it is loaded', () => {
  const cases: readonly [role: string, warning: RegExp | undefined][] = [
    ['{ allow: [{ verbs: [create], resources: [pods], namespaces: [a] }] }', /can read every secret there/],
    [
      '{ allow: [{ verbs: [patch], resources: ["*.apps"], namespaces: ["*"] }] }',
      /workloads in any namespace can read/,
    ],
    [
      '{ allow: [{ verbs: [install], resources: [releases.helm.sh], namespaces: [a] }] }',
      /makes admin of namespace a, and cluster-admin on demo, stage/,
    ],
    ['{ allow: [{ verbs: ["*"], resources: [services], namespaces: [a] }] }', /takes in verbs that later versions add/],
    ['{ allow: [{ verbs: [create], resources: [pods/exec], namespaces: [a] }] }', /reads whatever the pods can read/],
    [
      '{ allow: [{ verbs: [create], resources: [serviceaccounts/token], namespaces: [a] }] }',
      /work outside the gateway/,
    ],
    [
      '{ allow: [{ verbs: [create, bind], resources: [rolebindings.rbac.authorization.k8s.io], namespaces: [a] }] }',
      /give themselves any right/,
    ],
    ['{ allow: [{ verbs: [get], resources: [pods], namespaces: [a], podSecurity: privileged }] }', /root on the nodes/],
    [
      '{ allow: [{ verbs: [get], resources: [pods], namespaces: [a], serviceAccounts: [web] }] }',
      /service accounts \(web\) in namespace a has their rights/,
    ],
    ['{ allow: [{ verbs: [get, list], resources: ["*"], namespaces: ["*"] }] }', undefined],
    ['{ allow: [{ verbs: [create], resources: ["*/scale"], namespaces: ["*"] }] }', undefined],
  ];
  test.each(cases)('%s', (role, warning) => {
    const { warnings } = parse(withSections({ policy: withRole(role) }));
    const ofRoles = warnings.filter((text) => text.includes('policy.roles'));
    if (warning) expect(ofRoles).toEqual([expect.stringMatching(warning)]);
    else expect(ofRoles).toEqual([]);
  });

  test('a cluster that impersonates is not named as open to charts', () => {
    const clusters = `clusters: { a: { resourceId: ${armId('a')}, impersonate: true }, b: { resourceId: ${armId('b')} } }`;
    const role = '{ allow: [{ verbs: [install], resources: [releases.helm.sh], namespaces: [x] }] }';
    expect(parse(withSections({ clusters, policy: withRole(role) })).warnings.join('\n')).toMatch(
      /cluster-admin on b if/,
    );
  });
});

test('the example says nothing that a copy for a real cluster would have to unlearn: its comments name each line to change', () => {
  const text = readFileSync(new URL('../../infra/local/gateway.yaml', import.meta.url), 'utf8');
  const local = text
    .split('\n')
    .flatMap((line, index, all) => (/127\.0\.0\.1:|static|file:|sqlite:/.test(line) ? [all[index - 1]] : []));
  expect(local.length).toBe(6);
  for (const comment of local) expect(comment).toMatch(/real:|loopback only/);
});
