import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { holdsData, redactWords, shownWords } from '../../shared/command/redact-words.ts';

const R = '[redacted]';
const shown = (command: readonly string[] | string): string => shownWords(command).join(' ');

describe('the words of a command, by position', () => {
  test.each<readonly [readonly string[] | string, string]>([
    [
      ['kubectl', 'run', 'web', '--image=nginx', '--env', 'MODE=hunter2'],
      `kubectl run web --image=nginx --env MODE=${R}`,
    ],
    [
      ['kubectl', 'run', 'web', '--env=MODE=hunter2', '--', 'sh', '-c', 'hunter2'],
      `kubectl run web --env=MODE=${R} -- sh ${R} ${R}`,
    ],
    [['kubectl', 'set', 'env', 'deploy/web', 'MODE=hunter2', 'X-'], `kubectl set env deploy/web MODE=${R} X-`],
    [['kubectl', 'patch', 'cm', 'web', '-p', '{"a":"hunter2"}'], `kubectl patch cm web -p ${R}`],
    [['kubectl', 'patch', 'cm', 'web', '-p{"a":"hunter2"}'], `kubectl patch cm web -p${R}`],
    [
      ['kubectl', 'patch', 'cm', 'web', '--type=json', '--patch', '[]hunter2'],
      `kubectl patch cm web --type=json --patch ${R}`,
    ],
    [
      ['kubectl', 'create', 'secret', 'generic', 'x', '--from-literal', 'user=hunter2'],
      `kubectl create secret generic x --from-literal user=${R}`,
    ],
    [
      ['kubectl', 'create', 'secret', 'docker-registry', 'x', '--docker-password=hunter2'],
      `kubectl create secret docker-registry x --docker-password=${R}`,
    ],
    [['kubectl', 'annotate', 'pod', 'web', 'note=hunter2', 'gone-'], `kubectl annotate pod web note=${R} gone-`],
    [['kubectl', 'label', 'pod', 'web', 'app=shop'], 'kubectl label pod web app=shop'],
    [
      ['kubectl', 'exec', '-it', 'web', '-n', 'shop', '--', 'curl', '-u', 'me:hunter2', 'http://x'],
      `kubectl exec -it web -n shop -- curl ${R} ${R} ${R}`,
    ],
    [['kubectl', 'run', 'x', '--overrides', '{"hunter2":1}'], `kubectl run x --overrides ${R}`],
    [
      ['helm', 'upgrade', 'web', './web', '--set', 'a.b=hunter2,c=d', '-n', 'shop'],
      `helm upgrade web ./web --set a.b=${R} -n shop`,
    ],
    [
      ['helm', 'upgrade', 'web', './web', '--description', 'hunter2 was here'],
      `helm upgrade web ./web --description ${R}`,
    ],
    [
      ['kubectl', 'get', 'pods', '-l', 'app in (web, db)', '-o', 'jsonpath={.items[*].metadata.name}'],
      'kubectl get pods -l app in (web, db) -o jsonpath={.items[*].metadata.name}',
    ],
    [['kubectl', '-n', 'shop', 'get', 'pods'], 'kubectl -n shop get pods'],
    [['kubectl', 'get', 'pods', '--bogus=hunter2'], `kubectl get pods --bogus=${R}`],
    [['kubectl', 'frobnicate', 'hunter2', '--x', 'hunter2'], `kubectl frobnicate ${R} --x ${R}`],
    [['rm', '-rf', 'hunter2'], `rm ${R} ${R}`],
    [['kubectl get pods hunter2', 'x'], `${R} ${R}`],
    ['kubectl get pods -n shop', 'kubectl get pods -n shop'],
    ['kubectl get pods; curl -u me:hunter2 x', `kubectl get pods ; ${R}`],
    ["kubectl run x --env 'MODE=hunter2", `kubectl run x --env ${R}`],
    ['kubectl run x --env "MODE=$HUNTER2hunter2"', `kubectl run x --env ${R}`],
    ['kubectl exec web -- sh -c hunter2 | cat hunter2', `kubectl exec web -- sh ${R} ${R} | ${R}`],
    [['kubectl', 'get', '--token=hunter2', 'pods'], `kubectl get --token=${R} pods`],
    [
      ['kubectl', 'create', '--docker_password', '-hunter2', '--bogus', 'hunter2', '--bogus', '-n'],
      `kubectl create --docker_password ${R} --bogus ${R} --bogus -n`,
    ],
    [['kubectl', 'get', 'pods', '-u', 'me:hunter2'], `kubectl get pods -u ${R}`],
    [['kubectl', 'get', 'pods', '--bogus', '-x', 'hunter2'], `kubectl get pods --bogus -x ${R}`],
    [['kubectl', 'exec', 'web', '-itu', 'hunter2', '-n', 'shop'], `kubectl exec web -itu ${R} -n shop`],
    [['helm', 'install', 'a', './b', '-p', 'hunter2'], `helm install a ./b -p ${R}`],
    // The tools take a program without `--` too.
    [['kubectl', 'exec', 'web', 'mysql', 'hunter2', '-n', 'shop'], `kubectl exec web mysql ${R} -n shop`],
    [['kubectl', 'run', 'web', '--image=nginx', 'sh', 'hunter2'], `kubectl run web --image=nginx sh ${R}`],
    [['kubectl', 'debug', 'web', '--image=nginx', 'sh', 'hunter2'], `kubectl debug web --image=nginx sh ${R}`],
    [['kubectl', 'create', 'job', 'x', '--image=i', 'sh', 'hunter2'], `kubectl create job x --image=i sh ${R}`],
    [['kubectl', 'config', 'set', 'users.me.x', 'hunter2'], `kubectl config set users.me.x ${R}`],
    [
      ['kubectl', 'config', 'set-credentials', 'me', '--exec-arg=hunter2', '--auth-provider-arg', 'client=hunter2'],
      `kubectl config set-credentials me --exec-arg=${R} --auth-provider-arg client=${R}`,
    ],
    [
      ['kubectl', 'create', 'ingress', 'x', '--annotation', 'a=hunter2'],
      `kubectl create ingress x --annotation a=${R}`,
    ],
    [['kubectl', 'create', 'ingress', 'x', '--annotation=a=hunter2'], `kubectl create ingress x --annotation=a=${R}`],
    [[], ''],
    ['', ''],
  ])('%j', (command, expected) => {
    expect(shown(command)).toBe(expected);
    expect(shown(command)).not.toContain('hunter2');
  });

  test('give back what was hidden, word by word', () => {
    const command = ['kubectl', 'exec', 'web', '--', 'curl', '-u', 'me:x'];
    expect(redactWords(command).flatMap(({ hidden }, at) => (hidden === undefined ? [] : [[at, hidden]]))).toEqual([
      [5, '-u'],
      [6, 'me:x'],
    ]);
    expect([holdsData(command), holdsData(['kubectl', 'get', 'pods'])]).toEqual([true, false]);
  });

  test('are read whatever they are, as many as there were', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        'kubectl',
        'helm',
        'get',
        'set',
        'env',
        'patch',
        '-p',
        '--',
        '--env',
        '-n',
        '--set=a=b',
        '-',
        '-it',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (argv) => {
        expect(redactWords(argv)).toHaveLength(argv.length);
      }),
      { seed: 20_260_106, numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (line) => void redactWords(line)),
      { seed: 20_260_107, numRuns: 1_000 },
    );
  });
});

describe('sixty secrets in the places of data', () => {
  const secret = (n: number): string => `pl4nted${n}Value`;
  const places: readonly ((s: string) => readonly string[] | string)[] = [
    (s) => ['kubectl', 'run', 'x', '--image=a', `--env=A=${s}`],
    (s) => ['kubectl', 'run', 'x', '--image=a', '--env', `A=${s}`],
    (s) => ['kubectl', 'run', 'x', '--image=a', '--', 'sh', s],
    (s) => ['kubectl', 'run', 'x', '--image=a', '--overrides', s],
    (s) => ['kubectl', 'run', 'x', '--image=a', `--annotations=a=${s}`],
    (s) => ['kubectl', 'set', 'env', 'deploy/x', `A=${s}`],
    (s) => ['kubectl', 'set', 'env', 'deploy/x', '-e', `A=${s}`],
    (s) => ['kubectl', 'patch', 'cm', 'x', '-p', `{"a":"${s}"}`],
    (s) => ['kubectl', 'patch', 'cm', 'x', `-p={"a":"${s}"}`],
    (s) => ['kubectl', 'patch', 'cm', 'x', `--patch={"a":"${s}"}`],
    (s) => ['kubectl', 'patch', 'secret', 'x', '--type', 'merge', '--patch', s],
    (s) => ['kubectl', 'annotate', 'pods', 'x', `a=${s}`],
    (s) => ['kubectl', 'create', 'configmap', 'x', `--from-literal=a=${s}`],
    (s) => ['kubectl', 'create', 'secret', 'generic', 'x', '--from-literal', `a=${s}`],
    (s) => ['kubectl', 'create', 'secret', 'docker-registry', 'x', '--docker-password', s],
    (s) => ['kubectl', 'create', 'secret', 'docker-registry', 'x', `--docker-username=${s}`],
    (s) => ['kubectl', 'create', 'job', 'x', '--image=a', '--', 'curl', '-H', `Authorization: ${s}`],
    (s) => ['kubectl', 'create', 'cronjob', 'x', '--image=a', '--schedule=* * * * *', '--', 'sh', '-c', s],
    (s) => ['kubectl', 'exec', 'x', '--', 'curl', '-u', `me:${s}`, 'http://x'],
    (s) => ['kubectl', 'exec', 'x', '-c', 'y', '--', 'psql', `--password=${s}`],
    (s) => ['kubectl', 'exec', 'x', '--', `A=${s} sh`],
    (s) => ['kubectl', 'debug', 'x', '--image=a', `--env=A=${s}`],
    (s) => ['kubectl', 'debug', 'x', '--image=a', '--', 'sh', s],
    (s) => ['kubectl', 'get', 'pods', `--bogus=${s}`],
    (s) => ['kubectl', 'get', 'pods', `--token=${s}`],
    (s) => ['kubectl', 'get', 'pods', '--token', s],
    (s) => ['kubectl', 'get', 'pods', '--password', s],
    (s) => ['kubectl', 'frobnicate', s],
    (s) => ['helm', 'install', 'x', './c', '--set', `a=${s}`],
    (s) => ['helm', 'install', 'x', './c', `--set=a.b[0]=${s}`],
    (s) => ['helm', 'upgrade', 'x', './c', '--set-string', `a=1,b=${s}`],
    (s) => ['helm', 'upgrade', 'x', './c', '--set-json', `a={"b":"${s}"}`],
    (s) => ['helm', 'upgrade', 'x', './c', '--set-literal', `a=${s},b`],
    (s) => ['helm', 'upgrade', 'x', './c', '--description', `a ${s}`],
    (s) => ['curl', '-u', `me:${s}`],
    (s) => ['sh', '-c', s],
    (s) => [`sh ${s}`, 'x'],
    (s) => `kubectl run x --env A=${s}; true`,
    (s) => `kubectl run x --env A=${s} && true`,
    (s) => `kubectl get pods | sh ${s}`,
    (s) => `kubectl run x --env "A=${s}`,
    (s) => `kubectl run x --env 'A=${s}`,
    (s) => `kubectl run x --env "A=$X${s}"`,
    (s) => `curl -u me:${s} http://x`,
    (s) => `echo ${s} > x`,
    (s) => `kubectl get pods\n${s}`,
    (s) => `${s}; kubectl get pods`.replace(/^/, 'sh '),
    (s) => `kubectl exec x -- sh -c 'A=${s} run'`,
    (s) => `kubectl patch cm x -p '{"a":"${s}"}'`,
    (s) => `kubectl annotate pods x a=${s}`,
    (s) => `kubectl create secret generic x --from-literal=a=${s}`,
    (s) => `helm install x ./c --set a=${s}`,
    (s) => `kubectl set env deploy/x A=${s} B=${s}`,
    (s) => ['kubectl', 'get', 'secret', 'x', '-o', `jsonpath={.data.password} password=${s}`],
    (s) => ['kubectl', 'apply', '-f', `https://me:${s}@host/x.yaml`],
    (s) => ['kubectl', 'logs', 'x', `https://me:${s}@host`],
    (s) => ['kubectl', 'get', 'pods', `{"password":"${s}"}`],
    (s) => ['kubectl', 'expose', 'deploy', 'x', '--overrides', `{"a":"${s}"}`],
    (s) => ['kubectl', 'cp', 'x:/a', `b c ${s}`],
    (s) => ['kubectl', 'run', 'x', '--image=a', '--env', `A=${s}`, '--', 'x'],
  ];

  test.each(places.map((place, n) => [n, place(secret(n))] as const))('number %i: %j', (n, command) => {
    expect(shown(command)).not.toContain(secret(n));
    expect(redactWords(command).some(({ hidden }) => hidden?.includes(secret(n)))).toBe(true);
  });

  test('are sixty', () => expect(places).toHaveLength(60));
});
