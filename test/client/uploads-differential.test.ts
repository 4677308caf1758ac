import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { collectUploads } from '../../shared/client/uploads/collect.ts';
import { UploadRefused } from '../../shared/client/uploads/upload.ts';
import { describeWith, findProgram } from '../support/programs.ts';

/** All of them with AKSGW_UPLOADS=all; else every fourth. */
const all = process.env['AKSGW_UPLOADS'] === 'all';
const sample = <T>(cases: readonly T[]): readonly T[] => cases.filter((_, index) => all || index % 4 === 0);

const outside = mkdtempSync(join(tmpdir(), 'aksgw-outside-'));
const folder = mkdtempSync(join(tmpdir(), 'aksgw-opened-'));
const OBJECT = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { a: b }\n`;

beforeAll(() => {
  const write = (path: string, text = OBJECT('x')): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const path of [
    'app.yaml',
    'k8s/one.yaml',
    'k8s/two.yml',
    'k8s/three.json',
    'k8s/deep/four.yaml',
    'k8s/deep/er/five.yaml',
  ])
    write(path, path.endsWith('json') ? '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"}}' : OBJECT('x'));
  write('k8s/notes.txt', 'none');
  write('k8s/UPPER.YAML');
  write('a, b.yaml');
  write('with space.yaml');
  write('ümlaut.yaml');
  write('-dash.yaml');
  write('conf/app.conf', 'a=1\n');
  write('conf/other.conf', 'b=2\n');
  write('conf/sub/never.conf', 'c=3\n');
  write('tls/cert.pem', 'x');
  write('tls/key.pem', 'x');
  write('env', 'A=1\n');
  write('t.tmpl', '{{.metadata.name}}');
  write('patch.yaml', 'data: { a: c }\n');
  write('.hidden.yaml');
  write('empty-folder/notes.txt', '');
  writeFileSync(join(outside, 'out.yaml'), OBJECT('out'));
  mkdirSync(join(outside, 'dir'));
  writeFileSync(join(outside, 'dir/in.yaml'), OBJECT('in'));
  symlinkSync('app.yaml', join(folder, 'link.yaml'));
  symlinkSync('k8s', join(folder, 'linked'));
  symlinkSync(join(outside, 'out.yaml'), join(folder, 'away.yaml'));
  symlinkSync(join(outside, 'dir'), join(folder, 'away'));
  mkdirSync(join(folder, 'links'));
  symlinkSync('../app.yaml', join(folder, 'links/app.yaml'));
  symlinkSync('../k8s', join(folder, 'links/k8s'));
  symlinkSync('.', join(folder, 'links/self'));
  mkdirSync(join(folder, 'broken'));
  symlinkSync('nowhere.yaml', join(folder, 'broken/x.yaml'));
  mkdirSync(join(folder, 'leads-out'));
  symlinkSync(join(outside, 'out.yaml'), join(folder, 'leads-out/x.yaml'));
  for (const [path, text] of Object.entries({
    'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 0.1.0\n',
    'values.yaml': 'a: 1\n',
    'templates/app.yaml': OBJECT('{{ .Release.Name }}'),
    'templates/_helpers.tpl': '',
    'templates/NOTES.txt': 'hello\n',
    'files/a.txt': 'a',
    'files/b.bak': 'b',
    'docs/readme.md': 'c',
    'docs/deep/x.md': 'd',
    'crds/x.yaml': '',
  }))
    write(`charts/web/${path}`, text);
  const chart = (name: string, ignore?: string): void => {
    cpSync(join(folder, 'charts/web'), join(folder, 'charts', name), { recursive: true });
    if (ignore !== undefined) write(`charts/${name}/.helmignore`, ignore);
  };
  ignores.forEach((text, index) => chart(`ignore-${index}`, text));
  chart('linked');
  symlinkSync('../../web/files', join(folder, 'charts/linked/files/more'));
  symlinkSync('../../../app.yaml', join(folder, 'charts/linked/files/app.yaml'));
  chart('loop');
  symlinkSync('..', join(folder, 'charts/loop/files/up'));
  chart('escapes');
  symlinkSync(join(outside, 'out.yaml'), join(folder, 'charts/escapes/files/out.yaml'));
});
afterAll(() => {
  for (const path of [folder, outside]) rmSync(path, { recursive: true, force: true });
});

const ignores = [
  '*.bak\n',
  '# a comment\ndocs/\n',
  '/docs\n',
  'docs/deep\n',
  'files/?.txt\n',
  '*.md\n!readme.md\n',
  'templates/NOTES.txt\nvalues.yaml\n',
  '[ab].*\n',
  '  docs  \n',
  'docs/*\n',
  'deep/\n',
  '\\*.bak\n',
];

/** The regular files below the working folder that a program opens, as strace sees it. */
function opened(argv: readonly string[]): { readonly paths: readonly string[]; readonly code: number | null } {
  const log = join(outside, 'strace.log');
  const home = join(outside, 'home');
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    KUBECONFIG: '/dev/null',
    HELM_CACHE_HOME: home,
    HELM_DATA_HOME: home,
  };
  const program = findProgram(argv[0] ?? '') ?? '';
  const { status } = spawnSync('strace', ['-f', '-e', 'trace=open,openat', '-o', log, program, ...argv.slice(1)], {
    cwd: folder,
    env,
  });
  const found = new Set<string>();
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, word = ''] = /open(?:at)?\((?:AT_FDCWD, )?"((?:[^"\\]|\\.)*)".* = \d+/.exec(line) ?? [];
    // strace writes bytes beyond ASCII in octal.
    const bytes = word.replace(/\\([0-7]{1,3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const path = Buffer.from(bytes, 'latin1')
      .toString('utf8')
      .replace(/^(?:\/private)?/, '');
    const plain = normalize(path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path);
    if (plain.startsWith('/') || plain.startsWith('..') || path === '') continue;
    if (statSync(join(folder, plain), { throwIfNoEntry: false })?.isFile()) found.add(plain);
  }
  return { paths: [...found].sort(), code: status };
}

function sent(argv: readonly string[]): readonly string[] | string {
  try {
    return collectUploads(argv, folder)
      .files.map(({ path }) => path)
      .sort();
  } catch (error) {
    if (error instanceof UploadRefused) return error.message;
    throw error;
  }
}

const local = ['kubectl', 'label', '--local', 'a=b', '-o', 'name'];
const configMap = ['kubectl', 'create', 'configmap', 'c', '--dry-run=client', '-o', 'yaml'];
const kubectlCases: readonly (readonly string[])[] = [
  ...[
    'app.yaml',
    './app.yaml',
    'k8s/../app.yaml',
    './/k8s//one.yaml',
    'k8s',
    'k8s/',
    './k8s/.',
    'linked',
    'linked/',
    'link.yaml',
    'links',
  ].map((path) => [...local, '-f', path]),
  ...[
    'k8s',
    '.',
    'links',
    'linked/',
    'broken',
    'leads-out',
    'empty-folder',
    '*.yaml',
    'k8s/*.y*ml',
    'nope.yaml',
    'k8s/UPPER.YAML',
  ].map((path) => [...local, '-R', '-f', path]),
  ...[
    'away.yaml',
    'away',
    'with space.yaml',
    'ümlaut.yaml',
    '.hidden.yaml',
    '"a, b.yaml"',
    'app.yaml,k8s/one.yaml',
    'k8s/notes.txt',
  ].map((path) => [...local, `--filename=${path}`]),
  [...local, '-fapp.yaml'],
  [...local, '-f=app.yaml'],
  [...local, '-Rfk8s'],
  [...local, '-f', './-dash.yaml'],
  [...local, '-f', 'k8s/one.yaml', '-f', 'app.yaml'],
  [...local.slice(0, 4), '-o', 'go-template-file=t.tmpl', '-f', 'app.yaml'],
  [...local.slice(0, 4), '-o', 'go-template-file', '--template', 't.tmpl', '-f', 'app.yaml'],
  [...configMap, '--from-file=conf'],
  [...configMap, '--from-file=conf/app.conf'],
  [...configMap, '--from-file=key=conf/app.conf'],
  [...configMap, '--from-file', './conf/../conf/app.conf'],
  [...configMap, '--from_file=conf/app.conf'],
  [...configMap, '--from-env-file=env'],
  [...configMap, '--from-file=links'],
  [...configMap, '--from-file=nope'],
  [
    'kubectl',
    'create',
    'secret',
    'tls',
    's',
    '--cert=tls/cert.pem',
    '--key=tls/key.pem',
    '--dry-run=client',
    '-o',
    'yaml',
  ],
  ['kubectl', 'patch', '--local', '-f', 'app.yaml', '--patch-file', 'patch.yaml', '--type=merge', '-o', 'name'],
];

describeWith(['strace', 'kubectl'], 'what is sent is what real kubectl opens', () => {
  test.each(sample(kubectlCases).map((argv) => [argv.slice(1).join(' '), argv] as const))('%s', (_, argv) => {
    const real = opened(argv);
    const ours = sent(argv);
    // Refused by name is right where the tool itself ends with an error, or would read what lies outside.
    if (typeof ours === 'string') expect([ours, real.code !== 0 || /outside/.test(ours)]).toEqual([ours, true]);
    else expect(ours).toEqual(real.paths);
  });
});

const charts = ['web', 'linked', 'loop', 'escapes', ...ignores.map((_, index) => `ignore-${index}`)];
const helmCases = charts.flatMap((name) => [
  ['helm', 'template', 'r', `charts/${name}`],
  ['helm', 'lint', `./charts/${name}/`],
]);
helmCases.push(
  ['helm', 'template', 'r', './charts/web', '-f', 'patch.yaml', '--set-file', 'a=t.tmpl'],
  ['helm', 'template', 'charts/web', '--generate-name', '--values', './charts/../charts/web/values.yaml'],
  ['helm', 'show', 'values', 'charts/web'],
);

describeWith(['strace', 'helm'], 'what is sent is what real helm opens', () => {
  test.each(sample(helmCases).map((argv) => [argv.slice(1).join(' '), argv] as const))('%s', (_, argv) => {
    const real = opened(argv);
    const ours = sent(argv);
    if (typeof ours === 'string') expect([ours, real.code !== 0 || /outside|loop/.test(ours)]).toEqual([ours, true]);
    // A link that helm follows is opened under the name of its target: the content counts.
    else expect(contents(ours)).toEqual(contents(real.paths));
  });
});

const contents = (paths: readonly string[]): readonly string[] =>
  [
    ...new Set(
      paths
        .filter((path) => !path.endsWith('.helmignore'))
        .map((path) => execFileSync('realpath', [path], { cwd: folder, encoding: 'utf8' })),
    ),
  ].sort();
