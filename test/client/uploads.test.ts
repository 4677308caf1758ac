import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectUploads } from '../../shared/client/uploads/collect.ts';

const folder = mkdtempSync(join(tmpdir(), 'aksgw-uploads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
for (const [path, text] of Object.entries({
  'app.yaml': 'a: 1',
  'k8s/one.yaml': 'b: 2',
  'k8s/deep/two.yaml': 'c: 3',
  'chart/Chart.yaml': 'name: c',
  'chart/templates/x.yaml': 'd: 4',
  'values.yaml': 'e: 5',
  'secret.pem': 'not a manifest',
  '.env': 'nor this',
})) {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
}
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const uploaded = (...argv: string[]) => {
  const { files, stdin } = collectUploads(argv, folder);
  return { paths: files.map(({ path }) => path), stdin };
};

describe('the wrapper uploads', () => {
  test.each([
    [['kubectl', 'get', 'pods'], []],
    [['kubectl', 'apply', '-f', 'app.yaml'], ['app.yaml']],
    [['kubectl', 'apply', '-fapp.yaml'], ['app.yaml']],
    [
      ['kubectl', 'apply', '--filename=./app.yaml,k8s/one.yaml'],
      ['app.yaml', 'k8s/one.yaml'],
    ],
    [
      ['kubectl', 'apply', '-R', '-f', 'k8s/'],
      ['k8s/deep/two.yaml', 'k8s/one.yaml'],
    ],
    [['kubectl', 'create', 'configmap', 'c', '--from-file=key=app.yaml'], ['app.yaml']],
    [['kubectl', 'logs', '-f', 'web-0'], []],
    [['kubectl', '-n', 'shop', 'logs', 'web', '-f'], []],
    [['kubectl', '-n', 'logs', 'apply', '-f', 'app.yaml'], ['app.yaml']],
    [
      ['kubectl', 'apply', '-Rf', 'k8s'],
      ['k8s/deep/two.yaml', 'k8s/one.yaml'],
    ],
    [['kubectl', 'apply', '-f', 'k8s'], ['k8s/one.yaml']],
    [
      ['kubectl', 'apply', '-f', '.'],
      ['app.yaml', 'values.yaml'],
    ],
    [['kubectl', 'create', 'configmap', 'c', '--from_file', 'key=app.yaml'], ['app.yaml']],
    [
      ['helm', 'install', 'r', './chart', '-f', 'values.yaml'],
      ['values.yaml', 'chart/Chart.yaml', 'chart/templates/x.yaml'],
    ],
    [['kubectl', 'apply', '-f', 'https://example.com/x.yaml'], []],
  ])('for %j: %j', (argv, paths) => {
    expect(uploaded(...argv)).toEqual({ paths, stdin: false });
  });

  test('standard input when a file is called -', () => {
    expect(uploaded('kubectl', 'apply', '-f', '-')).toEqual({ paths: [], stdin: true });
  });

  test.each([
    [['kubectl', 'apply', '-f', '../x.yaml'], /outside the working folder/],
    [['kubectl', 'apply', '-f', '/etc/passwd'], /outside the working folder/],
    [['kubectl', 'apply', '-f', 'k8s/../../x'], /outside the working folder/],
    [['kubectl', 'apply', '-f', 'missing.yaml'], /does not exist/],
    [['kubectl', 'apply', '-f'], /has no value/],
  ])('nothing for %j, and says why', (argv, why) => {
    expect(() => uploaded(...argv)).toThrow(why);
  });
});

describe('one path has one spelling, and argv is rewritten to it', () => {
  test.each([
    [
      ['kubectl', 'apply', '-f', './k8s/../app.yaml'],
      ['kubectl', 'apply', '-f', 'app.yaml'],
    ],
    [
      ['kubectl', 'apply', '-f', join(folder, 'app.yaml')],
      ['kubectl', 'apply', '-f', 'app.yaml'],
    ],
    [
      ['kubectl', 'apply', `--filename=${folder}/k8s/`],
      ['kubectl', 'apply', '--filename=k8s'],
    ],
    [
      ['kubectl', 'create', 'configmap', 'c', '--from-file=k=./app.yaml'],
      ['kubectl', 'create', 'configmap', 'c', '--from-file=k=app.yaml'],
    ],
    [
      ['helm', 'upgrade', 'r', join(folder, 'chart'), '--set-file', 'a=./app.yaml'],
      ['helm', 'upgrade', 'r', './chart', '--set-file', 'a=app.yaml'],
    ],
    [
      ['kubectl', 'cp', './app.yaml', 'shop/web-0:/tmp/x'],
      ['kubectl', 'cp', 'app.yaml', 'shop/web-0:/tmp/x'],
    ],
    [
      ['kubectl', 'cp', 'shop/web-0:/tmp/x', './here'],
      ['kubectl', 'cp', 'shop/web-0:/tmp/x', './here'],
    ],
    [
      ['kubectl', 'exec', 'web-0', '--', 'cat', '-f', './app.yaml'],
      ['kubectl', 'exec', 'web-0', '--', 'cat', '-f', './app.yaml'],
    ],
  ])('%j is sent as %j', (argv, words) => {
    expect(collectUploads(argv, folder).argv).toEqual(words);
  });

  test('of .git nothing is sent, and of too much nothing at all', () => {
    mkdirSync(join(folder, 'repo/.git'), { recursive: true });
    writeFileSync(join(folder, 'repo/.git/x.yaml'), 'a: 1');
    writeFileSync(join(folder, 'repo/y.yaml'), 'a: 1');
    expect(uploaded('kubectl', 'apply', '-R', '-f', 'repo').paths).toEqual(['repo/y.yaml']);
    expect(() => uploaded('kubectl', 'apply', '-f', 'repo/.git/x.yaml')).toThrow(/nothing is sent/);
    mkdirSync(join(folder, 'repo/.GIT'));
    writeFileSync(join(folder, 'repo/.GIT/x.yaml'), 'a: 1');
    expect(uploaded('kubectl', 'apply', '-R', '-f', 'repo').paths).toEqual(['repo/y.yaml']);
    expect(() => uploaded('kubectl', 'apply', '-f', 'repo/.GIT/x.yaml')).toThrow(/nothing is sent/);
    writeFileSync(join(folder, 'repo/big.yaml'), Buffer.alloc(7 * 1024 * 1024, ' '));
    expect(() => uploaded('kubectl', 'apply', '-f', 'repo')).toThrow(/MiB that a gateway takes/);
    truncateSync(join(folder, 'repo/big.yaml'), 3 * 1024 ** 3); // more than Node reads at once
    expect(() => uploaded('kubectl', 'apply', '-f', 'repo/big.yaml')).toThrow(/big\.yaml .* MiB that a gateway takes/);
    const fetched = { path: 'aksgw-fetched/x.yaml', contentBase64: Buffer.alloc(6 * 1024 * 1024).toString('base64') };
    expect(() => collectUploads(['kubectl', 'apply', '-f', 'app.yaml'], folder, [fetched])).toThrow(/app\.yaml .* MiB/);
  });
});

test('a link out of the working folder is refused by name, wherever it stands, and one within is followed', () => {
  const outside = mkdtempSync(join(tmpdir(), 'aksgw-outside-'));
  try {
    writeFileSync(join(outside, 'secret.yaml'), 'a: 1');
    mkdirSync(join(folder, 'out/chart/files'), { recursive: true });
    writeFileSync(join(folder, 'out/chart/Chart.yaml'), 'name: c');
    symlinkSync(join(outside, 'secret.yaml'), join(folder, 'out/one.yaml'));
    symlinkSync(outside, join(folder, 'out/chart/files/all'));
    symlinkSync(outside, join(folder, 'out/away'));
    symlinkSync('../app.yaml', join(folder, 'out/within.yaml'));
    for (const argv of [
      ['kubectl', 'apply', '-f', 'out/one.yaml'],
      ['kubectl', 'apply', '-f', 'out'],
      ['kubectl', 'apply', '-f', 'out/away/'],
      ['kubectl', 'apply', '-f', 'out/away/secret.yaml'],
      ['kubectl', 'create', 'configmap', 'c', '--from-file=k=out/one.yaml'],
      ['kubectl', 'create', 'configmap', 'c', '--from-file=out/away'],
      ['helm', 'install', 'r', './out/chart'],
      ['helm', 'install', 'r', './chart', '-f', 'out/one.yaml'],
      ['kubectl', 'cp', 'out/away', 'shop/web-0:/tmp'],
    ])
      expect(() => uploaded(...argv)).toThrow(/is a link to .* outside the working folder/);
    expect(uploaded('kubectl', 'apply', '-f', 'out/within.yaml').paths).toEqual(['out/within.yaml']);
  } finally {
    rmSync(outside, { recursive: true, force: true });
  }
});
