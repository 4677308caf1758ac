import { describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectUploads } from '../../shared/client/uploads.ts';

const folder = mkdtempSync(join(tmpdir(), 'aksgw-uploads-'));
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
    [['kubectl', 'apply', '-f'], /no file behind it/],
  ])('nothing for %j, and says why', (argv, why) => {
    expect(() => uploaded(...argv)).toThrow(why);
  });
});
