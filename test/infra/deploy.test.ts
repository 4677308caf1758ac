import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { unzip } from '../../infra/local/pod/unzip.ts';
import { writeConfig } from '../../infra/local/stack.ts';
import { archive, filesOf } from '../../infra/build/archive.ts';
import { AZ_PROGRAMS, fakeAz, flag, type AzAnswer, type FakeAz } from '../support/fake-az.ts';
import { startFunctionsHost, type FunctionsHost } from '../support/functions-host.ts';
import { describeWith, findProgram } from '../support/programs.ts';

const root = join(import.meta.dirname, '../..');
const script = join(root, 'infra/deploy');
const APP = ['--resource-group', 'rg-gateway', '--name', 'func-aksgw-shop'];
const CONFIG = 'https://stshopaud.blob.core.windows.net/configuration/gateway.yaml';
/** Otherwise what is published is as good as ready, unless a setting is spoilt: gateways that start take their time. */
const REAL = process.env['DEPLOY'] === 'all';
const HISTORY = 'configuration/packages/history';
const PROGRAMS = [...AZ_PROGRAMS, 'awk', 'sed', 'cut', 'date', 'mktemp', 'dirname', 'sha256sum'];

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** infra/deploy as it stands, with an az that this test answers and a Functions host that gets what is published. */
describeWith(PROGRAMS, 'infra/deploy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-deploy-'));
  const bin = join(folder, 'bin');
  const blobs = new Map<string, Buffer>();
  let azure: EmulatedAzure;
  let az: FakeAz;
  let host: FunctionsHost | undefined;
  let env: NodeJS.ProcessEnv;
  /** What the app has: without AKSGW_CONFIG it does not get ready. */
  let appSettings: NodeJS.ProcessEnv;
  let signedIn: boolean;
  /** Whether what is published really runs. Where only the script matters, it is as good as ready. */
  let real: boolean;
  /** Digests of what went to the app. */
  let published: string[];
  /** What others do just before a line of the history is written. */
  let meanwhile: (() => void)[];
  let live = '';
  let asked = 0;

  const answers: Readonly<Record<string, (args: readonly string[]) => AzAnswer | Promise<AzAnswer>>> = {
    'account show': () => (signedIn ? {} : { code: 1, stderr: "Please run 'az login' to setup account.\n" }),
    'functionapp show': () => ({ stdout: 'func-aksgw-shop.azurewebsites.net\n' }),
    'functionapp config appsettings list': () => ({
      stdout: `${appSettings['AKSGW_CONFIG'] === undefined ? '' : CONFIG}\n`,
    }),
    'storage blob exists': (args) => ({ stdout: `${blobs.has(place(args))}\n` }),
    'storage blob show': (args) => ({ stdout: `${etagOf(place(args))}\n` }),
    'storage blob upload': (args) => {
      if (place(args) === HISTORY) meanwhile.shift()?.();
      if (blobs.has(place(args)) && !args.includes('--overwrite')) return { code: 1, stderr: 'BlobAlreadyExists\n' };
      if (args.includes('--if-match') && flag(args, '--if-match') !== etagOf(place(args)))
        return { code: 1, stderr: 'ConditionNotMet\n' };
      blobs.set(place(args), readFileSync(flag(args, '--file')));
      return {};
    },
    'storage blob download': (args) => {
      const blob = blobs.get(place(args));
      if (!blob) return { code: 1, stderr: 'BlobNotFound\n' };
      writeFileSync(flag(args, '--file'), blob);
      return {};
    },
    'functionapp deployment source config-zip': async (args) => {
      published.push(
        createHash('sha256')
          .update(readFileSync(flag(args, '--src')))
          .digest('hex'),
      );
      await host?.terminate();
      const dist = mkdtempSync(join(folder, 'published-'));
      await unzip(readFileSync(flag(args, '--src')), dist);
      live = (JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8')) as { version: string }).version;
      if (real) host = await startFunctionsHost(dist, appSettings);
      return {};
    },
    rest: async (args) => {
      const { hostname, pathname } = new URL(flag(args, '--url'));
      expect(hostname).toBe('func-aksgw-shop.azurewebsites.net');
      // The instance before answers on for a while, and is ready.
      if (!real && asked < 2) return { stdout: `${pathname === '/healthz' ? `0.0.9+${(asked += 1)}` : 'ready'}\n` };
      if (!real && pathname === '/healthz') return { stdout: `${live}\n` };
      if (!real && appSettings !== env) return { code: 1, stderr: 'Service Unavailable(AKSGW_CONFIG missing)\n' };
      if (!real) return { stdout: 'ready\n' };
      if (!host) return { code: 1, stderr: 'Service Unavailable\n' };
      const answer = await fetch(host.url + pathname);
      const body = await answer.text();
      if (!answer.ok) return { code: 1, stderr: `${answer.statusText}(${body})\n` };
      return { stdout: `${(JSON.parse(body) as Record<string, string>)[flag(args, '--query')] ?? ''}\n` };
    },
  };
  const etagOf = (name: string): string =>
    `"0x${createHash('sha256')
      .update(blobs.get(name) ?? '')
      .digest('hex')}"`;
  const place = (args: readonly string[]): string => {
    expect([flag(args, '--auth-mode'), flag(args, '--account-name')]).toEqual(['login', 'stshopaud']);
    return `${flag(args, '--container-name')}/${flag(args, '--name')}`;
  };

  /** The build under way: npm gives this one. */
  const packaged = join(folder, 'package');
  let builds: { readonly zip: string; readonly build: string; readonly sha256: string }[];

  beforeAll(async () => {
    mkdirSync(bin);
    azure = await startAzure();
    const { config, env: given } = writeConfig(folder, azure, 0, (yaml) => yaml);
    env = { ...given, AKSGW_CONFIG: config };
    az = fakeAz(bin, (args) => {
      const end = args.findIndex((word) => word.startsWith('-'));
      const known = answers[args.slice(0, end).join(' ')];
      return known ? known(args) : { code: 2, stderr: `unknown: az ${args.join(' ')}\n` };
    });
    // npm as the script calls it, but into another folder than the repository's dist/ and without installing anew.
    writeFileSync(
      join(bin, 'npm'),
      `#!/bin/sh\ncase $1 in ci) exit 0 ;; run) [ "$2 $3 $4 $5" = '--silent build -- --zip' ] && cp '${packaged}.zip' "$6" && sed "s,ZIP,$6," '${packaged}.txt' ;; esac\n`,
      { mode: 0o755 },
    );
    writeFileSync(join(bin, 'sleep'), `#!/bin/sh\nexec ${findProgram('sleep') ?? 'true'} 0.05\n`, { mode: 0o755 });
    builds = await makeBuilds();
  }, 120_000);
  afterAll(async () => {
    await host?.terminate();
    az.close();
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    blobs.clear();
    az.calls.length = 0;
    published = [];
    meanwhile = [];
    signedIn = true;
    asked = 0;
    real = false;
    appSettings = env;
    await host?.terminate();
    host = undefined;
  });

  /** What `npm run build -- --zip` makes, and two that differ from it in their number alone. */
  async function makeBuilds() {
    const dist = join(folder, 'dist');
    const out = execFileSync(
      process.execPath,
      [join(root, 'infra/build.ts'), '--outdir', dist, '--zip', `${packaged}-0.zip`],
      {
        encoding: 'utf8',
      },
    );
    const [, build = '', sha256 = ''] = /^build (\S+)\npackage \S+ sha256:([0-9a-f]{64})$/m.exec(out) ?? [];
    const made = [{ zip: `${packaged}-0.zip`, build, sha256 }];
    for (const digit of ['1', '2']) {
      const other = join(folder, `dist-${digit}`);
      cpSync(dist, other, { recursive: true });
      const name = build.replace(/\+.*/, `+${digit.repeat(12)}`);
      for (const file of filesOf(other)) {
        const content = readFileSync(join(other, file), 'utf8');
        if (content.includes(build)) writeFileSync(join(other, file), content.replaceAll(build, name));
      }
      const { bytes, sha256: digest } = await archive(other);
      writeFileSync(`${packaged}-${digit}.zip`, bytes);
      made.push({ zip: `${packaged}-${digit}.zip`, build: name, sha256: digest });
    }
    return made;
  }

  const run = (...args: readonly string[]): Promise<Run> =>
    new Promise((resolve) => {
      const PATH = [bin, process.env['PATH']].join(delimiter);
      execFile('sh', [script, ...args], { env: { PATH, TMPDIR: folder } }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });
  function nextBuild(index: number) {
    const build = builds[index];
    if (!build) throw new Error('there is no such build');
    cpSync(build.zip, `${packaged}.zip`);
    writeFileSync(`${packaged}.txt`, `build ${build.build}\npackage ZIP sha256:${build.sha256}\n`);
    return build;
  }
  /** As after an earlier run. */
  function wasReady(index: number) {
    const build = nextBuild(index);
    blobs.set(`configuration/packages/${build.build}.zip`, readFileSync(build.zip));
    const lines = ['published', 'ready'].map((what) => `${build.build} ${build.sha256} ${what} 2026-01-01T00:00:00Z\n`);
    blobs.set(HISTORY, Buffer.from((blobs.get(HISTORY)?.toString() ?? '') + lines.join('')));
    return build;
  }
  const history = (): string[] =>
    (blobs.get(HISTORY)?.toString() ?? '')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ').slice(0, 3).join(' '));

  test('publishes what was built, keeps it beside gateway.yaml, and waits for just this build', async () => {
    real = REAL;
    const { build, sha256, zip } = nextBuild(0);
    const { code, stdout, stderr } = await run(...APP);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`built: ${build}, sha256 ${sha256}`);
    expect(stdout).toContain(`live: ${build}, ready, https://func-aksgw-shop.azurewebsites.net`);
    const asks = az.calls.filter(([first]) => first === 'rest').map((args) => new URL(flag(args, '--url')).pathname);
    if (!real) expect(asks).toEqual(['/healthz', '/healthz', '/healthz', '/readyz']);
    expect(stdout).toContain(`Go back: infra/deploy ${APP.join(' ')} --rollback`);
    expect(published).toEqual([sha256]);
    expect(blobs.get(`configuration/packages/${build}.zip`)?.equals(readFileSync(zip))).toBe(true);
    expect(history()).toEqual([`${build} ${sha256} published`, `${build} ${sha256} ready`]);
    expect(readdirSync(folder).filter((name) => name.startsWith('tmp.'))).toEqual([]);
  }, 120_000);

  test('says what a build lacks that does not get ready, and goes back to the one before', async () => {
    const good = wasReady(0);
    const bad = nextBuild(1);
    real = REAL;
    appSettings = { ...env, AKSGW_CONFIG: '@Microsoft.KeyVault(VaultName=x;SecretName=y)' };
    const failed = await run(...APP, '--wait', '4');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('AKSGW_CONFIG missing');
    expect(failed.stderr).toContain(`the gateway says it is ${bad.build}, and ${bad.build} is not ready`);
    expect(failed.stderr).toContain('--rollback');

    appSettings = env;
    real = false;
    const back = await run(...APP, '--rollback');
    expect([back.code, back.stderr]).toEqual([0, '']);
    expect(back.stdout).toContain(`live: ${good.build}, ready`);
    expect(published.at(-1)).toBe(good.sha256);
    expect(history().slice(2)).toEqual([
      `${bad.build} ${bad.sha256} published`,
      `${bad.build} ${bad.sha256} withdrawn`,
      `${good.build} ${good.sha256} published`,
      `${good.build} ${good.sha256} ready`,
    ]);
  }, 120_000);

  test('goes back further each time, never to what was withdrawn unless told so by name', async () => {
    const [first, second, third] = [0, 1, 2].map((index) => wasReady(index).build);
    expect((await run(...APP, '--rollback')).stdout).toContain(`live: ${second}`);
    blobs.set(
      HISTORY,
      Buffer.from(`${blobs.get(HISTORY)?.toString()}${second} x withdrawn -\n${first} x published -\n`),
    );
    const none = await run(...APP, '--rollback');
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('no earlier build in the history')]);
    expect((await run(...APP, '--rollback', third ?? '')).stdout).toContain(`live: ${third}`);
    expect((await run(...APP, '--history')).stdout.split('\n').at(-2)).toContain(`${third} `);
  }, 120_000);

  test('loses no line of another who publishes at the same time, and gives up before it publishes unrecorded', async () => {
    const { build } = nextBuild(0);
    const other = (): void =>
      void blobs.set(HISTORY, Buffer.from(`${blobs.get(HISTORY)?.toString() ?? ''}other x ready -\n`));
    meanwhile = [other, other]; // once where there was no history, once where there was
    expect((await run(...APP)).code).toBe(0);
    expect(history().map((line) => line.replace(/ \S+ /, ' '))).toEqual([
      'other ready',
      'other ready',
      `${build} published`,
      `${build} ready`,
    ]);
    published = [];
    meanwhile = Array.from({ length: 5 }, () => other);
    const failed = await run(...APP);
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/ConditionNotMet\n.* is published could not/),
    ]);
    expect(published).toEqual([]);
  }, 120_000);

  test('publishes no package that is not what it was', async () => {
    const good = wasReady(0);
    wasReady(1);
    blobs.set(`configuration/packages/${good.build}.zip`, Buffer.from('another'));
    const { code, stderr } = await run(...APP, '--rollback');
    expect([code, stderr]).toEqual([1, expect.stringContaining('is not the package that was published')]);
    expect(published).toEqual([]);
  }, 120_000);

  test.each([
    ['nobody is signed in', () => (signedIn = false), "Please run 'az login'"],
    ['the app has no AKSGW_CONFIG', () => (appSettings = {}), 'AKSGW_CONFIG must be the address'],
  ])('publishes nothing when %s', async (_what, spoil, said) => {
    nextBuild(0);
    spoil();
    const { code, stderr } = await run(...APP);
    expect([code, stderr]).toEqual([1, expect.stringContaining(said)]);
    expect(published).toEqual([]);
  });

  test.each([[[]], [['--name', 'x']], [[...APP, '--slot', 'x']], [[...APP, '--wait', 'soon']]])(
    'explains itself to %j',
    async (args) => {
      const { code, stderr } = await run(...args);
      expect(code).toBeGreaterThan(0);
      expect(stderr).toMatch(/--resource-group GROUP|--wait takes seconds/);
      expect(az.calls).toEqual([]);
    },
  );
});

describeWith(['shellcheck'], 'shellcheck', () => {
  test('finds nothing in infra/deploy', () => {
    expect(execFileSync('shellcheck', [script], { encoding: 'utf8' })).toBe('');
  });
});
