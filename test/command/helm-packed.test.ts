import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import { asked, call, context, refusal } from './calls.ts';
import { tarOf, type TarMember } from './everyday/tar.ts';
import { findTools } from './tools.ts';

const chart: readonly TarMember[] = [
  { path: 'web/', type: '5' },
  { path: 'web/Chart.yaml', text: 'apiVersion: v2\nname: web\nversion: 1.2.3\n' },
  { path: 'web/values.yaml', text: 'color: red\n' },
  {
    path: 'web/templates/map.yaml',
    text: 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata: {c: "{{ .Values.color }}"}\n',
  },
];
const pack = (members: readonly TarMember[]): Buffer => gzipSync(tarOf(members));

function helm(command: string, archive: Uint8Array, more: Readonly<Record<string, string>> = {}): Invocation {
  const files = [
    { path: 'web-1.2.3.tgz', bytes: archive },
    ...Object.entries(more).map(([path, text]) => ({ path, bytes: Buffer.from(text) })),
  ];
  return interpret({ argv: splitWords(command), files }, context);
}
const INSTALL = 'helm install web web-1.2.3.tgz';

describe('a packed chart', () => {
  test('is judged as what it holds, and sent as a folder of exactly that', () => {
    const { sent, charts, attributes } = helm(INSTALL, pack(chart));
    expect(sent.words.slice(0, 3)).toEqual(['helm', 'install', '--timeout=300s']);
    expect(sent.words.slice(-2)).toEqual(['web', './web-1.2.3']);
    expect(sent.files.map(({ path }) => path)).toEqual([
      'web-1.2.3/Chart.yaml',
      'web-1.2.3/templates/map.yaml',
      'web-1.2.3/values.yaml',
    ]);
    expect(attributes.map(({ verb }) => verb)).toEqual(['install']);
    // The same chart as a folder has the same digest: a rule with `charts:` knows both by it.
    const folder = Object.fromEntries(chart.slice(1).map(({ path, text = '' }) => [path, text]));
    expect(charts[0]?.digest).toBe(call('helm install web ./web', folder).charts[0]?.digest);
  });

  test('that looks something up needs that, as a folder would', () => {
    const looking = [...chart, { path: 'web/templates/x.yaml', text: '{{ lookup "v1" "Secret" "kube-system" "x" }}' }];
    expect(asked(helm(INSTALL, pack(looking)))).toContain('get secrets x in kube-system');
  });

  test('may hold others, packed too', () => {
    const inner = pack([{ path: 'sub/Chart.yaml', text: 'apiVersion: v2\nname: sub\nversion: 0.1.0\n' }]);
    const outer = [
      {
        path: 'web/Chart.yaml',
        text: 'apiVersion: v2\nname: web\nversion: 1.2.3\ndependencies: [{name: sub, version: 0.1.0}]\n',
      },
      { path: 'web/charts/sub-0.1.0.tgz', bytes: inner },
    ];
    expect(helm(INSTALL, pack(outer)).sent.files.map(({ path }) => path)).toEqual([
      'web-1.2.3/Chart.yaml',
      'web-1.2.3/charts/sub-0.1.0/Chart.yaml',
    ]);
  });

  const LONG = `web/templates/${'x'.repeat(120)}.yaml`;
  test('with names longer than a header holds keeps them (pax, GNU)', () => {
    const record = (text: string): string => {
      for (let length = text.length; ; length++) if (`${length} ${text}`.length === length) return `${length} ${text}`;
    };
    for (const header of [
      { path: 'PaxHeader', type: 'x', text: record(`path=${LONG}\n`) },
      { path: '././@LongLink', type: 'L', text: `${LONG}\0` },
    ]) {
      const { sent } = helm(INSTALL, pack([...chart, header, { path: 'cut', text: 'a: b\n' }]));
      expect(sent.files.map(({ path }) => path)).toContain(LONG.replace('web/', 'web-1.2.3/'));
    }
  });
});

test('two archives that would share a folder are refused, whatever each holds', () => {
  const lint = (line: string, paths: readonly string[]): Invocation =>
    interpret({ argv: splitWords(line), files: paths.map((path) => ({ path, bytes: pack(chart) })) }, context);
  expect(refusal(() => lint('helm lint a.tgz a.tar.gz', ['a.tgz', 'a.tar.gz']))).toMatchObject({
    word: 'a.tar.gz',
    why: 'would be unpacked into a, as a.tgz is',
  });
  const { sent } = lint('helm lint a.tgz ./a.tgz b/a.tgz', ['a.tgz', 'b/a.tgz']);
  expect(sent.words.slice(-3)).toEqual(['./a', './a', './b/a']);
  expect(sent.files).toHaveLength(6);
});

describe('an archive that is more than a chart is refused', () => {
  const cases: readonly (readonly [what: string, members: readonly TarMember[], why: string])[] = [
    ['a symbolic link', [{ path: 'web/Chart.lock', type: '2', link: '/etc/passwd' }], 'link'],
    ['a hard link', [{ path: 'web/x', type: '1', link: 'web/Chart.yaml' }], 'link'],
    ['a device', [{ path: 'web/x', type: '3' }], 'device'],
    ['a fifo', [{ path: 'web/x', type: '6' }], 'device'],
    ['an absolute path', [{ path: '/etc/cron.d/x', text: 'x' }], 'the one folder'],
    ['a path that leaves it', [{ path: 'web/../../x', text: 'x' }], 'leaves'],
    ['a path that leaves it further in', [{ path: 'web/a/../../../x', text: 'x' }], 'leaves'],
    ['a path from the top', [{ path: '../x', text: 'x' }], 'the one folder'],
    ['a backslash', [{ path: 'web/..\\x', text: 'x' }], 'backslash'],
    ['a tool by name', [{ path: 'web/kubectl', text: 'x' }], 'in place of a tool'],
    ['settings of a tool', [{ path: 'web/.kube/config', text: 'x' }], 'settings'],
    ['another folder', [{ path: 'other/x', text: 'x' }], 'the one folder'],
    ['two files of one name', [{ path: 'web/values.yaml', text: 'x' }], 'there twice'],
    ['two that differ in case', [{ path: 'web/VALUES.yaml', text: 'x' }], 'there twice'],
    ['a file that is cut', [{ path: 'web/x', text: 'x', size: 1_000_000 }], 'cut'],
    ['a size that is none', [{ path: 'web/x', text: 'x', size: -1 }], 'wrong size'],
  ];
  test.each(cases)('%s', (_what, members, why) => {
    expect(refusal(() => helm(INSTALL, pack([...chart, ...members])))).toMatchObject({
      why: expect.stringContaining(why),
    });
  });

  test('a bomb, at once and without unpacking it', () => {
    const zeros = { path: 'web/x', text: '\0'.repeat(60 * 1024 * 1024) };
    const bomb = pack([...chart, zeros]);
    expect(bomb.byteLength).toBeLessThan(200_000);
    expect(refusal(() => helm(INSTALL, bomb))).toMatchObject({ why: expect.stringContaining('larger than') });
  });

  test('a bomb in pieces: many archives in one, archives in archives', () => {
    const sub = (name: string, text: string): Buffer =>
      pack([
        { path: `${name}/Chart.yaml`, text: `name: ${name}\n` },
        { path: `${name}/x`, text },
      ]);
    const many = Array.from({ length: 8 }, (_, at) => ({
      path: `web/charts/s${at}.tgz`,
      bytes: sub(`s${at}`, '\0'.repeat(4 * 1024 * 1024)),
    }));
    expect(refusal(() => helm(INSTALL, pack([...chart, ...many])))).toMatchObject({
      why: expect.stringContaining('larger than'),
    });
    let deep = sub('s', '');
    for (let level = 0; level < 8; level++)
      deep = pack([
        { path: 's/Chart.yaml', text: 'name: s\n' },
        { path: 's/charts/s.tgz', bytes: deep },
      ]);
    expect(refusal(() => helm(INSTALL, deep))).toMatchObject({ why: expect.stringContaining('archives inside') });
    const crowd = Array.from({ length: 2_100 }, (_, at) => ({ path: `web/f${at}`, text: '' }));
    expect(refusal(() => helm(INSTALL, pack([...chart, ...crowd])))).toMatchObject({
      why: expect.stringContaining('2000 files'),
    });
  });

  test('what is not an archive, not gzip, or would lie on other uploads', () => {
    expect(refusal(() => helm(INSTALL, Buffer.from('text')))).toMatchObject({ why: 'is not a gzip archive' });
    expect(refusal(() => helm(INSTALL, gzipSync('x'.repeat(2000))))).toMatchObject({
      why: expect.stringContaining('not a tar'),
    });
    expect(refusal(() => helm(INSTALL, pack(chart), { 'web-1.2.3/values.yaml': 'a: b\n' }))).toMatchObject({
      word: 'web-1.2.3.tgz',
    });
  });
});

describe('further words of helm', () => {
  test('-g needs the right to a release of any name', () => {
    const uploads = Object.fromEntries(chart.slice(1).map(({ path, text = '' }) => [path, text]));
    const invocation = call('helm install -g ./web', uploads);
    expect(invocation.sent.words).toContain('--generate-name=true');
    expect(invocation.sent.words.at(-1)).toBe('./web');
    expect(asked(invocation)).toEqual(['install releases.helm.sh in shop']);
    expect(refusal(() => call('helm install web ./web -g', uploads))).toMatchObject({ word: './web' });
  });

  test('--debug prints the values of a release, and needs what reading them needs', () => {
    const uploads = Object.fromEntries(chart.slice(1).map(({ path, text = '' }) => [path, text]));
    expect(asked(call('helm upgrade web ./web --debug', uploads))).toContain('get secrets in shop');
    expect(asked(call('helm status web --debug'))).toContain('get secrets in shop');
    expect(asked(call('helm template web ./web --debug', uploads))).toEqual([]);
    const list = call('helm list --debug');
    expect(list.sent.words.join(' ')).not.toContain('debug');
    expect(list.warnings).toEqual([expect.stringContaining('--debug')]);
  });

  test('dep list reads the chart alone; --version says nothing of a chart that was sent', () => {
    const uploads = Object.fromEntries(chart.slice(1).map(({ path, text = '' }) => [path, text]));
    expect(call('helm dep list ./web', uploads).sent.words).toEqual([
      'helm',
      'dependency',
      'list',
      '--namespace=shop',
      './web',
    ]);
    expect(call('helm dep list ./web', uploads).attributes).toEqual([]);
    const upgrade = call('helm upgrade web ./web --version 9.9.9', uploads);
    expect(upgrade.sent.words.join(' ')).not.toContain('version');
    expect(upgrade.warnings).toEqual([expect.stringContaining('--version')]);
  });
});

const [tool] = findTools('helm');
(tool === undefined ? describe.skip : describe)('a real helm makes of the folder what it makes of the archive', () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'packed-'));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  test('template', () => {
    const archive = pack([...chart.slice(1), { path: 'web/.helmignore', text: 'templates/\n' }]);
    writeFileSync(join(home, 'web-1.2.3.tgz'), archive);
    const { sent } = helm('helm template web web-1.2.3.tgz', archive);
    for (const { path, bytes } of sent.files) {
      mkdirSync(dirname(join(home, path)), { recursive: true });
      writeFileSync(join(home, path), bytes);
    }
    const run = (words: readonly string[]) =>
      execFileSync(tool ?? '', words, { cwd: home, encoding: 'utf8', env: { HOME: home, PATH: '/bin' } });
    expect(run(sent.words.slice(1))).toBe(run(['template', 'web', './web-1.2.3.tgz', '--namespace=shop']));
  });
});
