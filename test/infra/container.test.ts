import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DockerfileParser, type Instruction } from 'dockerfile-ast';
import { execFile, execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import manifest from '../../package.json' with { type: 'json' };
import { buildInto } from '../support/build.ts';
import { describeWith } from '../support/programs.ts';

const root = join(import.meta.dirname, '../..');
const dockerfile = readFileSync(join(root, 'infra/container/Dockerfile'), 'utf8');
const USER = 65_532;

describe('the Dockerfile', () => {
  const instructions = DockerfileParser.parse(dockerfile).getInstructions();
  const stages = instructions.reduce<Instruction[][]>((all, each) => {
    if (each.getKeyword() === 'FROM') all.push([]);
    all.at(-1)?.push(each);
    return all;
  }, []);
  const [build = [], final = []] = stages;
  const of = (stage: readonly Instruction[], keyword: string): readonly string[] =>
    stage.filter((each) => each.getKeyword() === keyword).map((each) => each.getArgumentsContent() ?? '');

  test('has a stage that builds and one that runs, which takes nothing but dist/ from the other', () => {
    expect(stages).toHaveLength(2);
    expect(of(build, 'RUN')).toEqual([
      '["npm", "ci", "--ignore-scripts"]',
      '["npm", "run", "build", "--", "--without-cli"]',
    ]);
    expect(of(final, 'COPY')).toEqual(['/src/dist ./']);
    expect(dockerfile).toMatch(/^COPY --from=build --chown=0:0 /m);
    expect([...of(final, 'RUN'), ...of(final, 'ADD'), ...of(build, 'ADD')]).toEqual([]);
  });

  test('runs as a user that owns nothing there, by its number, which `runAsNonRoot` can check', () => {
    expect(of(final, 'USER')).toEqual([`${USER}:${USER}`]);
  });

  test('copies what is there, the lock file and .npmrc among it', () => {
    const copied = of(build, 'COPY').flatMap((words) => words.split(/\s+/).slice(0, -1));
    expect(copied).toEqual(expect.arrayContaining(['package-lock.json', '.npmrc', 'functions', 'shared', 'LICENSE']));
    expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('builds of what it copies, and of nothing else, just what is deployed', () => {
    const place = mkdtempSync(join(tmpdir(), 'aksgw-image-'));
    for (const words of of(build, 'COPY')) {
      const [to = '', ...from] = words.split(/\s+/).toReversed();
      for (const path of from)
        cpSync(join(root, path), join(place, to, to.endsWith('/') ? path : ''), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'), 'junction');
    const [program = '', ...words] = JSON.parse(of(build, 'RUN')[1] ?? '[]') as string[];
    execFileSync(program, words, { cwd: place, stdio: 'pipe', shell: process.platform === 'win32' });
    expect(readdirSync(join(place, 'dist')).toSorted()).toEqual([
      'LICENSE',
      'THIRD-PARTY-NOTICES.txt',
      'functions',
      'host.json',
      'package.json',
      'sbom.cdx.json',
    ]);
    rmSync(place, { recursive: true, force: true });
  }, 60_000);

  test('starts as `npm run serve` does, as the first process, so that it hears SIGTERM', () => {
    const [start] = of(final, 'ENTRYPOINT');
    const words = JSON.parse(start ?? '[]') as string[];
    const served = manifest.scripts.serve.split(' ').filter((word) => !word.startsWith('--disable-warning'));
    const settings = served.slice(0, served.indexOf('node'));
    expect(settings).toEqual([expect.stringMatching(/^MALLOC_/), expect.stringMatching(/^MALLOC_/)]);
    expect(of(final, 'ENV')).toContain(settings.join(' '));
    expect(words).toEqual(served.slice(settings.length).map((word) => word.replace('server.ts', 'server.js')));
    expect(of(final, 'STOPSIGNAL')).toEqual(['SIGTERM']);
  });
});

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  /** As the kernel tells of the process that serves. */
  readonly pid: number;
}

/** What a container is held to, asked of the gateway and of the kernel. */
async function expectContained({ child, url, pid }: Running, azure: EmulatedAzure): Promise<void> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  expect(status).toMatch(new RegExp(`^Uid:\\t${USER}\\t${USER}\\t${USER}\\t${USER}$`, 'm'));
  expect(status).toMatch(/^CapEff:\t0{16}$/m);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  const rootMount = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[4] === '/');
  expect(rootMount?.split(' ')[5]?.split(',')).toContain('ro');

  const token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
  const answer = await fetch(`${url}/v1/clusters/demo/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"command":"kubectl get pods -n shop"}',
  });
  expect(await answer.json()).toMatchObject({ status: 'completed', exitCode: 0 });
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  process.kill(pid, 'SIGTERM');
  expect(await ended).toBe(0);
}

/** The address that it prints. Rejects with what it says when it ends before. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      const address = /listening on (\S+)/.exec(said)?.[1];
      if (address) resolve(address);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${said}`)));
  });
}

/** Whether this machine lets a root file system be mounted read-only, and another user be. */
const canContain =
  process.getuid?.() === 0 &&
  spawnSync('unshare', ['--mount', 'setpriv', '--reuid', String(USER), '--clear-groups', 'true']).status === 0;
const describeContained = canContain
  ? (name: string, body: () => void): void => describeWith(['sh', 'mount', 'unshare', 'setpriv'], name, body)
  : (name: string, body: () => void): void => describe.skip(`${name} (skipped: needs root, unshare and setpriv)`, body);
const image = process.env['AKSGW_IMAGE'];

describeContained('what is in the container', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-container-'));
  const data = join(folder, 'data');
  let azure: EmulatedAzure;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    azure = await startAzure();
    ({ env } = writeConfig(folder, azure, 0, (yaml) => yaml));
    mkdirSync(data, { recursive: true });
    for (const place of [folder, data]) chmodSync(place, 0o755);
    chmodSync(join(folder, 'gateway.yaml'), 0o644);
    chownSync(data, USER, USER);
  }, 60_000);
  afterAll(async () => {
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('serves on a read-only root, as a user with no rights, and ends in order', async () => {
    await buildInto(join(folder, 'dist'));
    writeFileSync(join(folder, 'node'), '');
    const script = `mount --bind '${folder}' /mnt && mount --bind '${process.execPath}' /mnt/node && mount --bind '${data}' /mnt/data &&
      mount -o remount,bind,ro /mnt && mount -o remount,bind,ro / && cd /mnt/dist &&
      exec setpriv --reuid ${USER} --regid ${USER} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \\
        /mnt/node --max-semi-space-size=8 functions/server.js`;
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], {
      env: { ...env, AKSGW_CONFIG: '/mnt/gateway.yaml', NODE_COMPILE_CACHE: undefined },
    });
    await expectContained({ child, url: await listening(child), pid: child.pid ?? 0 }, azure);
  }, 60_000);

  // AKSGW_IMAGE names an image that was built from the Dockerfile, by docker or buildah; AKSGW_PODMAN is podman with flags of your own.
  (image === undefined ? test.skip : test)(
    'serves as an image does, by podman',
    async () => {
      const name = `aksgw-${process.pid}`;
      const [podman = 'podman', ...flags] = (process.env['AKSGW_PODMAN'] ?? 'podman').split(' ');
      const isolation =
        '--read-only --read-only-tmpfs=false --cap-drop=ALL --security-opt=no-new-privileges --network=host';
      const limits = '--ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024'; // podman's own ask for more than some machines give
      const mounts = [`${join(folder, 'gateway.yaml')}:/etc/aksgw/gateway.yaml:ro`, `${data}:/etc/aksgw/data`];
      const own = [
        '--env',
        `AKSGW_ARM_TOKEN=${env['AKSGW_ARM_TOKEN']}`,
        ...mounts.flatMap((mount) => ['--volume', mount]),
      ];
      const run = [...flags, 'run', '--rm', '--name', name, ...isolation.split(' '), ...limits.split(' '), ...own];
      const child = spawn(podman, [...run, image ?? '']);
      const url = await listening(child);
      const inspect = [...flags, 'inspect', '--format', '{{.State.Pid}}', name];
      const { stdout } = await promisify(execFile)(podman, inspect);
      await expectContained({ child, url, pid: Number(stdout) }, azure);
    },
    120_000,
  );
});

describeWith(['hadolint'], 'hadolint', () => {
  test('finds nothing in the Dockerfile', () => {
    expect(execFileSync('hadolint', [join(root, 'infra/container/Dockerfile')], { encoding: 'utf8' })).toBe('');
  });
});
