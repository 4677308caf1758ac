import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
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
import { copyOf, unpacked } from '../../shared/client/commands/copied.ts';
import { main } from '../../shared/client/main.ts';
import type { CommandOutputBody } from '../../shared/http/schemas.ts';
import { tarOf, type TarMember } from '../command/everyday/tar.ts';
import { describeWith } from '../support/programs.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

// kubectl cp POD:PATH FILE: what comes out of a container is written here, as kubectl itself writes it, and never anywhere else.

const root = mkdtempSync(join(tmpdir(), 'aksgw-copied-'));
const outside = join(root, 'outside');
let stack: TestStack;
/** By path in the container: what `tar cf - PATH` prints there. */
const archives = new Map<string, Buffer>();
let ended = 0;
const STREAMS_MS = 150;
const TRIES = 3;

beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 10000')
        .replace(
          /^( *)roles:\n/m,
          `$&$1  copier: { allow: [{ verbs: [get], resources: [pods], namespaces: [shop] }, { verbs: [create], resources: [pods/exec], namespaces: [shop] }] }\n`,
        )
        .replace(
          /^( *)bindings:\n/m,
          `$&$1  - { role: copier, clusters: ['*'], subjects: [{ user: ${people.user} }] }\n`,
        ),
  });
  const { kubernetes } = stack.azure;
  kubernetes.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'box', namespace: 'shop' },
    spec: { containers: [{ name: 'box', image: 'box' }] },
    status: { phase: 'Running' },
  });
  kubernetes.containers.set('shop/box', {
    exec: async (words) => {
      // kubectl before 1.34 drops what comes before it has made its streams, as it never does over a network.
      await new Promise((resolve) => setTimeout(resolve, STREAMS_MS));
      return {
        exitCode: ended,
        stdout: archives.get(words.at(-1) ?? '') ?? Buffer.alloc(0),
        stderr: Buffer.from(ended === 0 ? '' : 'tar: no such file\n'),
      };
    },
    deleted: () => undefined,
  });
  writeFileSync(join(root, 'kubeconfig'), kubernetes.kubeconfig());
}, 60_000);
afterAll(async () => {
  await stack.close();
  rmSync(root, { recursive: true, force: true });
});

const here = join(root, 'here');
const theirs = join(root, 'theirs');
beforeEach(() => {
  ended = 0;
  for (const folder of [here, theirs, outside]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
});

/** Again where kubectl lost the archive all the same, on a machine that is busy. */
async function relayed(...words: string[]): ReturnType<typeof once> {
  let end = await once(...words);
  for (let tries = 1; tries < TRIES && end.err.includes('the archive is empty'); tries++) end = await once(...words);
  return end;
}

async function once(...words: string[]) {
  let [out, err] = ['', ''];
  const code = await main(['kubectl', 'cp', '-n', 'shop', ...words], {
    env: {
      AKSGW_HOME: join(root, 'home'),
      AKSGW_URL: stack.url,
      AKSGW_CLUSTER: 'demo',
      AKSGW_TOKEN: stack.tokens.user,
    },
    stdin: (async function* () {})(),
    stdout: { write: (chunk) => (out += Buffer.from(chunk as string).toString('latin1')) },
    stderr: { write: (chunk) => (err += Buffer.from(chunk as string).toString()) },
    cwd: () => here,
  });
  return { code, out, err };
}

async function direct(...words: string[]): Promise<number | null> {
  let code = await kubectl(...words);
  for (let tries = 1; tries < TRIES && readdirSync(theirs).length === 0; tries++) code = await kubectl(...words);
  return code;
}

function kubectl(...words: string[]): Promise<number | null> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: root, KUBECONFIG: join(root, 'kubeconfig') };
  const child = spawn('kubectl', ['cp', '-n', 'shop', ...words], { cwd: theirs, env, stdio: 'ignore' });
  return new Promise((resolve) => child.once('close', resolve));
}

/** What is left of a command whose output is the archive. */
function unpack(path: string, to: string, members: readonly TarMember[]): CommandOutputBody {
  const copy = copyOf(['kubectl', 'cp', `box:${path}`, to], here);
  const stdoutBase64 = tarOf(members).toString('base64');
  const record = { status: 'completed', exitCode: 0, stdout: '', stderr: '', stdoutBase64, warnings: [] };
  if (copy === undefined) throw new Error('is not a copy');
  return unpacked(record as unknown as CommandOutputBody, copy, { cwd: () => here });
}

/** Every file with its text, every folder, every link. */
const treeOf = (folder: string): unknown =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((path) => {
      const found = lstatSync(join(folder, path));
      return [path, found.isFile() ? readFileSync(join(folder, path), 'latin1') : found.isDirectory() ? '/' : 'link'];
    });

const BYTES = Uint8Array.from({ length: 700 }, (_, at) => at % 256);
const sound: readonly TarMember[] = [
  { path: 'var/log/', type: '5' },
  { path: 'var/log/a.log', text: 'hello\n' },
  { path: 'var/log/deep/er/b.bin', bytes: BYTES },
  { path: 'var/log/empty/', type: '5' },
  { path: 'var/log/none', text: '' },
  { path: 'var/log/away', type: '2', link: '/etc' },
];

describeWith(['kubectl'], 'kubectl cp out of a container', () => {
  test.each([
    ['/var/log', sound, './out'],
    ['/var/log/', sound, 'out/'],
    ['/var/log', sound, '.'],
    ['var/log', sound, 'a/b'],
    ['/../var/log', sound, 'out'],
    ['/etc/motd', [{ path: 'etc/motd', text: 'hi' }], 'motd'],
    ['/etc/motd', [{ path: 'etc/motd', text: 'hi' }], './a/motd.txt'],
  ] as const)('%s to a place of one’s own gives what kubectl itself gives', async (path, members, to) => {
    archives.set(path, tarOf(members));
    // kubectl takes the slash off before it asks.
    archives.set(path.replace(/\/$/, ''), tarOf(members));
    const { code, out, err } = await relayed(`box:${path}`, to);
    expect([err.replaceAll(/.*no terminal.*\n/g, ''), code, out]).toEqual([
      expect.not.stringContaining('tar xf'),
      0,
      '',
    ]);
    expect(await direct(`box:${path}`, to)).toBe(0);
    expect(treeOf(here)).toEqual(treeOf(theirs));
    if (members === sound) expect(err).toContain('var/log/away is a link, and was left out');
  });

  test('an absolute destination in the working folder is meant as it is written, and one outside is not', async () => {
    archives.set('/etc/motd', tarOf([{ path: 'etc/motd', text: 'hi' }]));
    expect((await relayed('box:/etc/motd', join(here, 'x'))).code).toBe(0);
    expect(treeOf(here)).toEqual([['x', 'hi']]);
    for (const to of [join(outside, 'x'), '../x', 'a/../../x'])
      expect([to, await relayed('box:/etc/motd', to)]).toEqual([to, expect.objectContaining({ code: 2 })]);
  });

  test.each<[string, TarMember[]]>([
    ['leads up', [{ path: 'd/../../outside/x', text: 'bad' }]],
    ['leads up and back', [{ path: 'd/../d/x', text: 'bad' }]],
    ['is absolute', [{ path: `${outside}/x`, text: 'bad' }]],
    ['was not asked for', [{ path: 'e/x', text: 'bad' }]],
    ['only begins like it', [{ path: 'dx', text: 'bad' }]],
    ['goes through a link that is here', [{ path: 'd/link/x', text: 'bad' }]],
    ['goes over a link that is here', [{ path: 'd/file-link', text: 'bad' }]],
    ['goes over a folder', [{ path: 'd/folder', text: 'bad' }]],
    ['lies in .git', [{ path: 'd/.git/hooks/post-checkout', text: 'bad' }]],
    ['lies in .GIT', [{ path: 'd/.GIT/config', text: 'bad' }]],
    ['is cut', [{ path: 'd/x', text: 'bad', size: 99_999 }]],
    [
      'goes through a link of the archive’s own',
      [
        { path: 'd/link2', type: '2', link: outside },
        { path: 'd/link/../link2/x', text: 'bad' },
      ],
    ],
  ])('of an archive in which a name %s nothing is written', (_, members) => {
    mkdirSync(join(here, 'out/folder'), { recursive: true });
    symlinkSync(outside, join(here, 'out/link'));
    writeFileSync(join(outside, 'precious'), 'kept');
    symlinkSync(join(outside, 'precious'), join(here, 'out/file-link'));
    const before = [treeOf(here), treeOf(outside)];
    const { exitCode, stderr } = unpack('/d', 'out', [{ path: 'd/first', text: 'good' }, ...members]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('error: ')]);
    expect([treeOf(here), treeOf(outside)]).toEqual(before);
  });

  test('links of the archive are never made, so that nothing goes through them', () => {
    const { exitCode, warnings } = unpack('/d', 'out', [
      { path: 'd/link', type: '2', link: outside },
      { path: 'd/link/x', text: 'in a folder' },
      { path: 'd/hard', type: '1', link: '/etc/passwd' },
    ]);
    expect([exitCode, warnings]).toEqual([0, [expect.stringContaining('d/link '), expect.stringContaining('d/hard ')]]);
    expect(treeOf(here)).toEqual([
      ['out', '/'],
      ['out/link', '/'],
      ['out/link/x', 'in a folder'],
    ]);
    expect(existsSync(join(outside, 'x'))).toBe(false);
  });

  test('what failed in the container writes nothing, and ends as it ended there', async () => {
    ended = 2;
    archives.set('/gone', tarOf([{ path: 'gone', text: 'half' }]));
    const { code, err } = await relayed('box:/gone', 'x');
    expect([code, err]).toEqual([2, expect.stringContaining('tar: no such file')]);
    expect(treeOf(here)).toEqual([]);
  });
});
