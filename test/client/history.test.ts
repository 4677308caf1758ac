import { expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { note, readHistory } from '../../shared/client/history.ts';

const home = mkdtempSync(join(tmpdir(), 'aksgw-history-'));
process.once('exit', () => rmSync(home, { recursive: true, force: true }));
const host = { env: { AKSGW_HOME: home } };
const noted = (argv: readonly string[]) => {
  const entry = { id: 'c1', url: 'https://gateway.example.com', cluster: 'demo', argv, at: '', cwd: '/', files: [] };
  void note({ ...entry, stdin: false }, host);
  return readHistory(host)[0]?.argv;
};

test.each([
  ['kubectl', 'patch', 'secret', 'x', '-p', '{"data":{"a":"hunter2"}}'],
  ['kubectl', 'set', 'env', 'deploy/x', 'DB=hunter2'],
  ['kubectl', 'exec', 'web-0', '--', 'mysql', '-phunter2'],
  ['kubectl', 'run', 'x', '--image=i', '--env=A=hunter2'],
  ['kubectl', 'annotate', 'pod', 'x', 'a=hunter2'],
  ['kubectl', 'create', 'secret', 'generic', 'x', '--from-literal', 'a=hunter2'],
  ['helm', 'upgrade', 'x', './c', '--set', 'db.pw=hunter2'],
])('the history does not keep the data of %s %s %s …', (...argv) => {
  expect(noted(argv)).toBeUndefined();
  expect(readFileSync(join(home, 'history.jsonl'), 'utf8')).not.toContain('hunter2');
});

test.each([
  [['kubectl', 'get', 'pods', '-n', 'shop', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}']],
  [['kubectl', 'scale', 'deploy/web', '--replicas=3']],
  [['kubectl', 'apply', '-f', 'k8s/app.yaml', '-R']],
  [['helm', 'upgrade', '--install', 'web', './chart', '-f', 'values.yaml']],
])('and keeps %j, for its owner alone', (argv) => {
  expect(noted(argv)).toEqual(argv);
  expect(statSync(join(home, 'history.jsonl')).mode & 0o777).toBe(0o600);
});
