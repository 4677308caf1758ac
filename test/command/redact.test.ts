import { describe, expect, test } from '@jest/globals';
import { holdsSecret, redactArgv } from '../../shared/command/redact.ts';

// Split, so that no scanner takes this file for a leak.
const jwt = ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJ4In0', 'c2lnbmF0dXJl'].join('.');

describe('redactArgv hides', () => {
  test.each<readonly [readonly string[], readonly string[]]>([
    [['--from-literal=user=hunter2'], ['--from-literal=user=[redacted]']],
    [
      ['--from-literal', 'user=hunter2'],
      ['--from-literal', 'user=[redacted]'],
    ],
    [['--from_literal=user=hunter2'], ['--from_literal=user=[redacted]']],
    [['--from-literal=hunter2'], ['--from-literal=[redacted]']],
    [['--from-literal=a=b=c'], ['--from-literal=a=[redacted]']],
    [['--docker-password=x'], ['--docker-password=[redacted]']],
    [
      ['--docker-password', 'x'],
      ['--docker-password', '[redacted]'],
    ],
    [
      ['--docker_password', '-x'],
      ['--docker_password', '[redacted]'],
    ],
    [
      ['--password', 'x'],
      ['--password', '[redacted]'],
    ],
    [['--token=x'], ['--token=[redacted]']],
    [['--kube-token=x'], ['--kube-token=[redacted]']],
    [
      ['--set', 'db.password=x'],
      ['--set', 'db.password=[redacted]'],
    ],
    [['--set=image=1,db.password=x,y'], ['--set=image=1,db.password=[redacted]']],
    [
      ['--set', 'a={b},auth.x=1'],
      ['--set', 'a=[redacted]'],
    ],
    [['--set-string=apiKey=x'], ['--set-string=apiKey=[redacted]']],
    [
      ['--set-json', 'db={"password":"x"}'],
      ['--set-json', 'db=[redacted]'],
    ],
    [['--set-literal=token=a,b'], ['--set-literal=token=[redacted]']],
    [['--env=DB_PASSWORD=x'], ['--env=DB_PASSWORD=[redacted]']],
    [
      ['-e', 'DB_PASSWORD=x'],
      ['-e', 'DB_PASSWORD=[redacted]'],
    ],
    [
      ['set', 'env', 'deploy/web', 'API_KEY=x'],
      ['set', 'env', 'deploy/web', 'API_KEY=[redacted]'],
    ],
    [
      ['--overrides', '{}'],
      ['--overrides', '[redacted]'],
    ],
    [
      ['patch', 'secret', 'db', '-p', '{"data":{}}'],
      ['patch', 'secret', 'db', '-p', '[redacted]'],
    ],
    [
      ['patch', 'secret/db', '-p{"data":{}}'],
      ['patch', 'secret/db', '-p[redacted]'],
    ],
    [
      ['patch', 'secrets.v1.', 'db', '--patch={}'],
      ['patch', 'secrets.v1.', 'db', '--patch=[redacted]'],
    ],
    [
      ['patch', 'cm', 'x', '-p', '{"data":{"password":"x","a":"b"}}'],
      ['patch', 'cm', 'x', '-p', '{"data":{"password":"[redacted]","a":"b"}}'],
    ],
    [[`--reason=${jwt}`], ['--reason=[redacted]']],
    [
      ['exec', 'web', '--', 'curl', '-H', `Authorization: Bearer ${jwt}`],
      ['exec', 'web', '--', 'curl', '-H', 'Authorization: Bearer [redacted]'],
    ],
    [['--filename=https://me:x@host/a'], ['--filename=https://me:[redacted]@host/a']],
    [['-----BEGIN PRIVATE KEY-----\nx'], ['[redacted]']],
  ])('%j', (argv, expected) => {
    expect(redactArgv(argv)).toEqual(expected);
    expect(holdsSecret(argv)).toBe(true);
  });
});

describe('redactArgv leaves as it is', () => {
  test.each([
    'kubectl get pods -n shop -l app=web,tier!=db -o jsonpath={.items[*].metadata.name}',
    'kubectl get secret db -o yaml',
    'kubectl create secret tls web --cert=tls.crt --key=tls.key',
    'kubectl create secret generic db --from-file=password.txt',
    'kubectl create token default --duration=10m',
    'kubectl patch deploy web -p {"spec":{"replicas":2}}',
    'kubectl logs web -p',
    'helm upgrade --hide-secret web ./web --set image.tag=1.2,replicas=3 -f secrets.yaml',
  ])('%s', (line) => {
    expect(redactArgv(line.split(' '))).toEqual(line.split(' '));
    expect(holdsSecret(line.split(' '))).toBe(false);
  });
});

test('redactArgv rather hides too much than too little', () => {
  expect(redactArgv(['label', 'pod', 'web', 'monkey=yes', 'author-name=x'])).toEqual([
    'label',
    'pod',
    'web',
    'monkey=[redacted]',
    'author-name=[redacted]',
  ]);
});
