import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { settings } from '../../functions/settings.ts';
import { AZ_PROGRAMS, fakeAz, flag, type AzAnswer } from '../support/fake-az.ts';
import { describeWith, findProgram } from '../support/programs.ts';
import { blocksOf } from '../support/recipes.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const runbook = read('infra/README.md');
const AZURE_CLI = '04b07795-8ddb-461a-bbee-02f9e1bf7b46';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A script as it stands in a document, by `sh -e`. */
const runScript = (text: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Ended> =>
  new Promise((resolve) => {
    const file = join(cwd, 'walk.sh');
    writeFileSync(file, text);
    const cache = { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }; // see test/compile-cache.js
    execFile('sh', ['-e', file], { cwd, env: { ...cache, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

/** `npx aksgw` is this clone's; other programs do nothing but say that they were called. */
function makePrograms(bin: string, others: Readonly<Record<string, string>> = {}): void {
  mkdirSync(bin, { recursive: true });
  const aksgw = `#!/bin/sh\n[ "$1" = aksgw ] && shift && exec '${process.execPath}' --disable-warning=ExperimentalWarning '${join(root, 'shared/client/aksgw.ts')}' "$@"\n`;
  for (const [name, text] of Object.entries({ npx: aksgw, ...others }))
    writeFileSync(join(bin, name), text, { mode: 0o755 });
}

describe('infra/README.md', () => {
  test('has a row for each setting', () => {
    const rows = [...runbook.matchAll(/^\| `(\w+)` \| (.*?) \| (.*) \|$/gm)].map(([, name, what]) => [name, what]);
    expect(rows).toEqual(Object.entries(settings).map(([name, { what }]) => [name, what]));
  });

  test('names tests and modules that are there', () => {
    const named = [...runbook.matchAll(/\b(?:test\/[\w/.-]+\.ts|terraform\/modules\/[\w-]+)/g)].map(([path]) =>
      path.startsWith('test/') ? path : `infra/${path}`,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describeWith([...AZ_PROGRAMS, 'sed'], 'the walks of the documents', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-walks-'));
  let stack: TestStack;

  beforeAll(async () => {
    stack = await testStack({ jobs: false });
    await stack.command({ command: 'kubectl get pods' });
  }, 60_000);
  afterAll(async () => {
    await stack.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const blocks = blocksOf(runbook, 'sh').filter((block) => block.startsWith('# local'));
  // All of them where everything is run, one otherwise: each starts several processes.
  const run = process.env['WALKS'] === 'all' ? blocks : blocks.filter((block) => block.includes('is blocked'));
  const title = (block: string): string => (block.split('\n')[0] ?? '').replace('# local: ', '');

  test.each(run.map((block) => [title(block), block]))(
    'runbook: %s',
    async (_title, block) => {
      const bin = join(folder, 'runbook');
      makePrograms(bin);
      // Beside the gateway's own folder, so that it does not take what the blocks make of its file.
      const place = join(folder, 'place');
      if (!existsSync(place)) {
        cpSync(stack.folder, place, { recursive: true });
        writeFileSync(join(place, 'gateway.yaml'), readFileSync(stack.config));
      }
      const keyId = block.includes('$ROOT_KEY') ? await rootKey(place, bin) : '';
      const env = {
        PATH: [bin, join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
        OID: people.user,
        USER_NAME: 'a person',
        ROOT_KEY: keyId,
      };
      const { code, stderr, stdout } = await runScript(block, place, env);
      expect([code, code === 0 ? '' : stdout + stderr]).toEqual([0, '']);
    },
    60_000,
  );

  /** As `aksgw audit keys` lists it. */
  async function rootKey(place: string, bin: string): Promise<string> {
    const { stdout } = await runScript('npx aksgw audit keys --config gateway.yaml', place, {
      PATH: [bin, process.env['PATH']].join(delimiter),
    });
    return /[\w-]{43}/.exec(stdout)?.[0] ?? '';
  }

  test('the README’s: from a clone to a governed kubectl get nodes', async () => {
    const [walk = ''] = blocksOf(read('README.md'), 'sh').filter((block) => block.includes('kubectl get nodes'));
    const place = join(folder, 'clone');
    const example = 'infra/terraform/examples/one-cluster';
    mkdirSync(join(place, 'infra'), { recursive: true });
    cpSync(join(root, example), join(place, example), { recursive: true });
    const bin = join(folder, 'readme');
    const outputs: Readonly<Record<string, string>> = {
      optional_claims_command: 'az rest --method PATCH --url https://graph.microsoft.com/v1.0/applications/x --body {}',
      token_scope: `api://${stack.azure.entra.audience}/.default`,
      deploy_command: 'infra/deploy --resource-group rg-shop-gateway --name func-aksgw-shop',
      url: stack.url,
      configuration: 'version: 1',
    };
    for (const name of Object.keys(outputs)) expect(read(`${example}/outputs.tf`)).toContain(`output "${name}"`);
    const cases = Object.entries(outputs).map(([name, value]) => `*'output -raw ${name}') printf %s '${value}' ;;`);
    makePrograms(bin, {
      npm: '#!/bin/sh\n[ "$*" = ci ]\n',
      terraform: `#!/bin/sh\ncase "\${*#-chdir=infra/terraform/examples/one-cluster }" in init | apply) ;; ${cases.join(' ')} *) exit 9 ;; esac\n`,
    });
    const doctor = `[ "$2" != doctor ] || exit 0\n`; // it would ask Azure itself, with a sign-in of its own
    writeFileSync(join(bin, 'npx'), readFileSync(join(bin, 'npx'), 'utf8').replace('\n', `\n${doctor}`));
    writeFileSync(join(place, 'infra/deploy'), '#!/bin/sh\necho "deployed by $*"\n', { mode: 0o755 });
    const az = fakeAz(bin, (args): AzAnswer => {
      if (args[1] !== 'get-access-token') return {};
      expect(flag(args, '--scope')).toBe(outputs['token_scope']);
      return { stdout: `${stack.tokens.bot}\n` };
    });
    // The README calls the cluster of the example shop; here it is the demo's.
    const env = {
      PATH: [bin, process.env['PATH']].join(delimiter),
      SUBSCRIPTION: '00000000-0000-4000-8000-000000000001',
      EDITOR: 'true',
    };
    const { code, stdout, stderr } = await runScript(
      walk.replace('--cluster shop kubectl', '--cluster demo kubectl'),
      place,
      env,
    );
    az.close();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('deployed by --resource-group rg-shop-gateway --name func-aksgw-shop');
    expect(stdout).toMatch(/^NAME +STATUS/m);
    expect(az.calls.map((args) => args.slice(0, 2).join(' '))).toEqual([
      'login',
      'account set',
      'rest --method',
      'account get-access-token',
    ]);
  }, 120_000);

  describe('by hand, with az alone', () => {
    const [walk = ''] = blocksOf(runbook, 'sh').filter((block) => block.includes('az group create'));
    const cluster =
      '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-demo/providers/Microsoft.ContainerService/managedClusters/aks-demo';
    const identity = '00000000-0000-4000-8000-0000000000a1';
    const me = '00000000-0000-4000-8000-0000000000a2';
    const app = '00000000-0000-4000-8000-0000000000a3';
    let calls: readonly (readonly string[])[];
    let place: string;
    let ended: Ended;
    const of = (...words: readonly string[]): readonly (readonly string[])[] =>
      calls.filter((args) => words.every((word, index) => args[index] === word));

    beforeAll(async () => {
      place = join(folder, 'by-hand');
      const bin = join(folder, 'by-hand-bin');
      mkdirSync(join(place, 'infra'), { recursive: true });
      makePrograms(bin);
      writeFileSync(join(place, 'infra/deploy'), '#!/bin/sh\necho "deployed by $*"\n', { mode: 0o755 });
      const ids: Readonly<Record<string, string>> = {
        tenantId: stack.azure.entra.tenants[0] ?? '',
        id: me,
        principalId: identity,
        clientId: '00000000-0000-4000-8000-0000000000a4',
        appId: app,
        accessToken: stack.tokens.bot,
      };
      const az = fakeAz(bin, (args) => ({
        stdout: args.includes('--query') ? `${ids[flag(args, '--query')] ?? ''}\n` : '',
      }));
      const local = walk
        .replace(/^AKSGW_URL=.*$/m, `AKSGW_URL=${stack.url}`)
        .replace('--cluster shop kubectl', '--cluster demo kubectl');
      ended = await runScript(local, place, {
        PATH: [bin, process.env['PATH']].join(delimiter),
        SUBSCRIPTION: '00000000-0000-4000-8000-000000000001',
        GROUP: 'rg-aksgw',
        LOCATION: 'westeurope',
        NAME: 'shop',
        CLUSTER: cluster,
        CALLERS: people.team,
      });
      az.close();
      ({ calls } = az);
    }, 120_000);

    test('ends with the nodes, after a configuration that the gateway takes', () => {
      expect([ended.code, ended.stderr]).toEqual([0, '']);
      expect(ended.stdout).toMatch(/gateway\.yaml: in order, 0 warnings/);
      expect(ended.stdout).toContain('deployed by --resource-group rg-aksgw --name func-shop');
      expect(ended.stdout).toMatch(/^NAME +STATUS/m);
    });

    test('gives the roles that Terraform gives, on the same places, and no other', () => {
      const given = of('role', 'assignment', 'create').map((args) => {
        const who = flag(args, '--assignee-object-id') === identity ? 'gateway' : 'deployer';
        const scope = flag(args, '--scope')
          .replace(/^.*\/(?:storageAccounts|vaults|managedClusters)\//, '')
          .replace('/blobServices/default/containers', '');
        return `${who}: ${flag(args, '--role').replace(' (shop)', '')} on ${scope}`;
      });
      expect(given.toSorted()).toEqual([
        'deployer: Key Vault Crypto Officer on kv-shop',
        'deployer: Storage Blob Data Contributor on stshopaud/configuration',
        'gateway: AKS run command on aks-demo',
        'gateway: Append to the audit trail on stshopaud/audit',
        'gateway: Append to the audit trail on stshoprec/checkpoints',
        'gateway: Sign the audit trail on kv-shop',
        'gateway: Storage Blob Data Contributor on stshoprec/aksgw-outputs',
        'gateway: Storage Blob Data Owner on stshoprun',
        'gateway: Storage Blob Data Reader on stshopaud/configuration',
        'gateway: Storage Queue Data Contributor on stshoprun',
        'gateway: Storage Table Data Contributor on stshoprec',
        'gateway: Storage Table Data Contributor on stshoprun',
      ]);
      // Whatever the modules name that is built in stands here too; telemetry, monitoring and clusters are not part of this walk.
      const modules = ['configuration', 'identity', 'storage-audit', 'storage-records', 'storage-runtime', 'vault'].map(
        (file) => read(`infra/terraform/modules/gateway/${file}.tf`),
      );
      const named = modules.flatMap((text) =>
        [...text.matchAll(/"((?:Storage|Key Vault) [\w ]+(?:Owner|Contributor|Reader|Officer))"/g)].map(
          ([, name]) => name,
        ),
      );
      expect(
        new Set(given.map((line) => /: (.*) on/.exec(line)?.[1]).filter((name) => /^(Storage|Key)/.test(name ?? ''))),
      ).toEqual(new Set(named));
    });

    test('makes custom roles of the actions that Terraform’s have', () => {
      const made = of('role', 'definition', 'create').flatMap((args) => {
        const { Actions, DataActions } = JSON.parse(flag(args, '--role-definition')) as Record<
          'Actions' | 'DataActions',
          string[]
        >;
        return [...Actions, ...DataActions];
      });
      const modules = ['run-command-role', 'storage-audit', 'vault'].map((file) =>
        read(`infra/terraform/modules/gateway/${file}.tf`),
      );
      const theirs = modules.flatMap((text) =>
        [...text.matchAll(/^ +"(Microsoft\.[^"]+)",$|actions += \["(Microsoft\.[^"]+)"\]/gm)].map(
          ([, one, other]) => one ?? other ?? '',
        ),
      );
      expect(made.toSorted()).toEqual(theirs.toSorted());
    });

    test('writes the claims, the scope, the role and the pre-authorisation that tokens need', () => {
      const bodies = of('rest', '--method', 'patch').map(
        (args) => JSON.parse(flag(args, '--body')) as Record<string, never>,
      );
      const written = Object.assign({}, ...bodies) as {
        groupMembershipClaims: string;
        identifierUris: string[];
        optionalClaims: { accessToken: { name: string; additionalProperties: string[] }[] };
        api: {
          requestedAccessTokenVersion: number;
          oauth2PermissionScopes: { id: string; value: string }[];
          preAuthorizedApplications: object[];
        };
        appRoles: { id: string; value: string; allowedMemberTypes: string[] }[];
      };
      expect(written.identifierUris).toEqual([`api://${app}`]);
      expect(written.groupMembershipClaims).toBe('ApplicationGroup');
      expect(
        written.optionalClaims.accessToken.map(({ name, additionalProperties }) => [name, ...additionalProperties]),
      ).toEqual([['idtyp', 'include_user_token'], ['acct'], ['auth_time']]);
      expect(written.api.requestedAccessTokenVersion).toBe(2);
      const [scope] = written.api.oauth2PermissionScopes;
      expect(scope?.value).toBe('Commands.Run');
      expect(written.api.preAuthorizedApplications).toEqual([
        { appId: AZURE_CLI, delegatedPermissionIds: [scope?.id] },
      ]);
      expect(read('infra/terraform/modules/entra/scopes.tf')).toContain(AZURE_CLI);
      expect(of('ad', 'sp', 'update')[0]).toContain('appRoleAssignmentRequired=true');
      const assigned = JSON.parse(flag(of('rest', '--method', 'post')[0] ?? [], '--body')) as Record<string, string>;
      expect(assigned).toMatchObject({ principalId: people.team, appRoleId: written.appRoles[0]?.id });
    });

    test('sets what the app needs, and no setting that nobody knows', () => {
      const args = of('functionapp', 'config', 'appsettings', 'set')[0] ?? [];
      const names = args.filter((word) => /^\w+=/.test(word)).map((word) => word.split('=')[0] ?? '');
      expect(names).toContain('AKSGW_CONFIG');
      expect(names.filter((name) => !(name in settings))).toEqual([]);
    });

    // One call of each kind: az reads its arguments before it asks who is signed in, and ends with 2 where it does not know one.
    const az = findProgram('az');
    (process.env['AKSGW_AZ'] === undefined || az === undefined ? test.skip : test)(
      'is taken by the real az, as far as it goes without a sign-in (AKSGW_AZ=1)',
      () => {
        const kinds = new Map(calls.map((args) => [args.filter((word) => /^-|^[a-z-]+$/.test(word)).join(' '), args]));
        for (const args of kinds.values()) {
          const { status, stderr } = spawnSync(az ?? 'az', args, {
            encoding: 'utf8',
            env: { ...process.env, AZURE_CONFIG_DIR: join(folder, 'az') },
          });
          expect([args, status, stderr]).toEqual([args, 1, expect.stringMatching(/az login|doesn't exist in cloud/)]);
        }
      },
      900_000,
    );
  });
});
