import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { allCommands, flagsOf } from '../../shared/command/grammar/grammar.ts';
import { whyRefused } from '../../shared/command/grammar/refused-flags.ts';
import { interpret } from '../../shared/command/interpret.ts';
import { interpretKubectl } from '../../shared/command/kubectl/interpret.ts';
import { refusedVerbs, verbs } from '../../shared/command/kubectl/verbs.ts';
import { Problem } from '../../shared/errors.ts';
import { asked, call, context, file, refusal, sentFile } from './calls.ts';

describe('every word of the grammar was thought about', () => {
  const commands = allCommands('kubectl');

  test('each command is relayed or refused with a reason, and no table names another', () => {
    const refused = (path: readonly string[]): boolean =>
      path.some((_, index) => refusedVerbs.has(path.slice(0, index + 1).join(' ')));
    const undecided = commands.filter(({ path, parent }) => !parent && !verbs.has(path.join(' ')) && !refused(path));
    expect(undecided.map(({ path }) => path.join(' '))).toEqual([]);
    const known = new Set(commands.map(({ path }) => path.join(' ')));
    expect([...verbs.keys(), ...refusedVerbs.keys()].filter((path) => !known.has(path))).toEqual([]);
  });

  test('each flag of a relayed command is in its table or refused for every command, and no table names another', () => {
    const undecided: string[] = [];
    const unknown: string[] = [];
    for (const [path, { flags }] of verbs) {
      const all = flagsOf('kubectl', path.split(' '));
      for (const { name, own } of all) {
        if (!Object.hasOwn(flags, name) && whyRefused('kubectl', name, own) === undefined)
          undecided.push(`${path} --${name}`);
      }
      for (const name of Object.keys(flags)) {
        if (!all.some((flag) => flag.name === name)) unknown.push(`${path} --${name}`);
      }
    }
    expect(undecided).toEqual([]);
    expect(unknown).toEqual([]);
  });
});

test('a flag that no table names is refused, should the grammar ever know one', () => {
  const parsed = {
    tool: 'kubectl',
    path: ['get'],
    args: ['pods'],
    dash: undefined,
    flags: new Map([['new', ['x']]]),
  } as const;
  expect(refusal(() => interpretKubectl(parsed, { argv: [], files: [] }, context))).toMatchObject({ word: '--new' });
});

describe('verbs that change, and what they need', () => {
  test.each<[command: string, words: string, asked: string[]]>([
    [
      `patch deploy web -p 'spec: {replicas: 010}'`,
      'patch deployments.v1.apps/web --patch={"spec":{"replicas":8}} --field-manager=kubectl-patch --namespace=shop',
      ['get deployments.apps web in shop', 'patch deployments.apps web in shop'],
    ],
    [
      'label pods -l app=web -A tier=front',
      'label pods.v1. tier=front --selector=app=web --all-namespaces=true --field-selector=metadata.namespace!=aks-command --field-manager=kubectl-label',
      ['list pods in all namespaces', 'patch pods in all namespaces'],
    ],
    [
      'annotate deploy/web why="a reason"',
      'annotate deployments.v1.apps/web why=a reason --field-manager=kubectl-annotate --namespace=shop',
      ['get deployments.apps web in shop', 'patch deployments.apps web in shop'],
    ],
    [
      'label clusterrole reader aggregate=yes',
      'label clusterroles.v1.rbac.authorization.k8s.io/reader aggregate=yes --field-manager=kubectl-label --namespace=shop',
      [
        'get clusterroles.rbac.authorization.k8s.io reader',
        'patch clusterroles.rbac.authorization.k8s.io reader',
        'escalate clusterroles.rbac.authorization.k8s.io',
      ],
    ],
    [
      'set env deploy/web --list --resolve',
      'set env deployments.v1.apps/web --list=true --resolve=true --field-manager=kubectl-set --namespace=shop',
      ['get deployments.apps web in shop', 'get secrets in shop', 'get configmaps in shop'],
    ],
    [
      'set env deploy/web --from=secret/db',
      'set env deployments.v1.apps/web --from=secrets.v1./db --field-manager=kubectl-set --namespace=shop',
      ['get deployments.apps web in shop', 'patch deployments.apps web in shop', 'get secrets db in shop'],
    ],
    [
      'exec deploy/web -c app -- ls -l --color',
      'exec deployments.v1.apps/web --container=app --namespace=shop -- ls -l --color',
      ['get deployments.apps web in shop', 'list pods in shop', 'watch pods in shop', 'create pods/exec in shop'],
    ],
    [
      'cp data/x.txt team/web-1:/tmp/x -c app',
      'cp data/x.txt team/web-1:/tmp/x --container=app --namespace=shop',
      ['get pods web-1 in team', 'create pods/exec web-1 in team'],
    ],
    [
      'create rolebinding ops --role=deployer --user=ann',
      'create rolebinding ops --role=deployer --user=ann --field-manager=kubectl-create --validate=strict --namespace=shop',
      [
        'create rolebindings.rbac.authorization.k8s.io ops in shop',
        'bind roles.rbac.authorization.k8s.io deployer in shop',
      ],
    ],
    [
      'create clusterrolebinding ops --clusterrole=admin --group=ops',
      'create clusterrolebinding ops --clusterrole=admin --group=ops --field-manager=kubectl-create --validate=strict --namespace=shop',
      ['create clusterrolebindings.rbac.authorization.k8s.io ops', 'bind clusterroles.rbac.authorization.k8s.io admin'],
    ],
    [
      'create job again --from=cj/nightly',
      'create job again --from=cronjobs.v1.batch/nightly --field-manager=kubectl-create --validate=strict --namespace=shop',
      ['create jobs.batch again in shop', 'get cronjobs.batch nightly in shop'],
    ],
    [
      'create deployment fresh --image=web -o yaml --dry-run=client',
      'create deployment fresh --image=web --output=yaml --dry-run=client --field-manager=kubectl-create --validate=strict --namespace=shop',
      ['create deployments.apps fresh in shop', 'get deployments.apps fresh in shop'],
    ],
    ['create token builder', 'create token builder --namespace=shop', ['create serviceaccounts/token builder in shop']],
    [
      'drain node-1 --ignore-daemonsets',
      'drain nodes.v1./node-1 --ignore-daemonsets=true --namespace=shop',
      [
        'get nodes node-1',
        'patch nodes node-1',
        'list pods in all namespaces',
        'get pods in all namespaces',
        'get daemonsets.apps in all namespaces',
        'create pods/eviction in all namespaces',
      ],
    ],
    [
      'certificate approve csr-1',
      'certificate approve certificatesigningrequests.v1.certificates.k8s.io/csr-1 --namespace=shop',
      [
        'get certificatesigningrequests.certificates.k8s.io csr-1',
        'update certificatesigningrequests.certificates.k8s.io/approval csr-1',
        'approve signers.certificates.k8s.io',
      ],
    ],
    [
      'run probe --image=probe --expose --port=80 -- sleep 1',
      'run probe --image=probe --expose=true --port=80 --field-manager=kubectl-run --namespace=shop -- sleep 1',
      ['create pods probe in shop', 'create services probe in shop'],
    ],
    [
      'debug web-1 --image=busybox --target=app',
      'debug pods.v1./web-1 --image=busybox --target=app --profile=baseline --namespace=shop',
      ['get pods web-1 in shop', 'patch pods/ephemeralcontainers web-1 in shop'],
    ],
    [
      'wait pods --all --for=condition=Ready --timeout=2h',
      'wait pods.v1. --all=true --for=condition=Ready --timeout=3600s --namespace=shop',
      ['get pods in shop', 'list pods in shop', 'watch pods in shop'],
    ],
    [
      'top pods -A',
      'top pod --all-namespaces=true --field-selector=metadata.namespace!=aks-command',
      ['list pods.metrics.k8s.io in all namespaces', 'list pods in all namespaces'],
    ],
    ['cluster-info', 'cluster-info --namespace=kube-system', ['list services in kube-system']],
    [
      'auth can-i create deploy/web',
      'auth can-i create deployments.v1.apps/web --namespace=shop',
      ['create selfsubjectaccessreviews.authorization.k8s.io'],
    ],
  ])('kubectl %s', (command, words, attributes) => {
    const invocation = call(`kubectl ${command}`, { 'data/x.txt': 'x' });
    expect(invocation.sent.words.join(' ')).toBe(`kubectl ${words}`);
    expect(asked(invocation)).toEqual(attributes);
  });

  test.each([
    ['run probe --image=x --privileged', 'a privileged container'],
    [
      'run probe --image=x --annotations=container.apparmor.security.beta.kubernetes.io/probe=unconfined',
      'an unconfined AppArmor or seccomp profile',
    ],
    ['set serviceaccount deploy/web builder', 'a service account other than default'],
    ['debug web-1 --image=x --profile=sysadmin', 'the debugging profile sysadmin'],
    ['debug web-1 --image=x --copy-to=y', 'a copy of a pod, with its service account and volumes'],
    [`patch deploy web -p '{"spec":{"template":{"spec":{"hostNetwork":true}}}}'`, 'hostNetwork'],
    [
      `patch deploy web --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/0/securityContext","value":{"privileged":true}}]'`,
      'a privileged container',
    ],
    [
      `patch deploy web --type=json -p '[{"op":"replace","path":"/spec/template/spec/serviceAccountName","value":"admin"}]'`,
      'a service account other than default',
    ],
    [
      `patch deploy web --type=json -p '[{"op":"copy","from":"/a","path":"/spec/template/spec/hostPID"}]'`,
      'a patch that copies or moves within a kind that runs pods',
    ],
  ])('kubectl %s needs podSecurity: privileged', (command, reason) => {
    expect(call(`kubectl ${command}`).podSecurity).toEqual({ level: 'privileged', because: [reason] });
  });

  test.each([
    `patch deploy web -p '{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}'`,
    `patch deploy web --type=json -p '[{"op":"remove","path":"/spec/template/spec/hostNetwork"}]'`,
    'set serviceaccount deploy/web default',
    'debug web-1 --image=x --profile=restricted',
  ])('kubectl %s does not', (command) => {
    expect(call(`kubectl ${command}`).podSecurity).toEqual({ level: 'restricted' });
  });

  test('what a copy into a container reads is uploaded, and nothing else is sent', () => {
    const { sent } = call('kubectl cp data web-1:/srv', { 'data/a': '1', 'data/b/c': '2', other: '3' });
    expect(sent.files.map(({ path }) => path)).toEqual(['data/a', 'data/b/c']);
  });

  test('a patch file is judged and written anew', () => {
    const invocation = call('kubectl patch deploy web --patch-file=p.yaml', { 'p.yaml': 'spec: {paused: yes}' });
    expect(sentFile(invocation, 'p.yaml')).toBe('{"spec":{"paused":true}}');
  });

  test.each([
    'apply -f m -o go-template-file=m',
    'apply -f ./m -o jsonpath-file=m',
    'patch deploy x --patch-file=m -o custom-columns-file=./m',
    'patch -f m --patch-file=m',
  ])('a file that is judged cannot go out as it came: %s', (command) => {
    const text = 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}';
    expect(refusal(() => call(`kubectl ${command}`, { m: text }))).toMatchObject({ word: 'm' });
  });

  test('a template prints the object, with and without -o', () => {
    for (const flags of ['-o json', '--template={{.data}}', '-o go-template={{.data}}']) {
      const argv = ['kubectl', 'create', 'configmap', 'a', ...flags.split(' ')];
      expect(asked(interpret({ argv, files: [] }, context))).toContain('get configmaps a in shop');
    }
    expect(asked(call('kubectl create configmap a -o name'))).toEqual(['create configmaps a in shop']);
  });

  test('secrets are marked, so that they travel in the context, and are redacted', () => {
    const invocation = call('kubectl create secret generic s --from-literal=password=hunter2');
    expect(invocation.sent.secret).toBe(true);
    expect(JSON.stringify(invocation.argv)).not.toContain('hunter2');
    expect(call('kubectl get pods').sent.secret).toBe(false);
    expect(call('kubectl set env deploy/web A=b').sent.secret).toBe(true);
  });

  test('a name is what kubectl makes of it: cut for a service, whole for an autoscaler, unknown with a hash behind it', () => {
    const long = `${'a'.repeat(70)}.b`;
    expect(asked(call(`kubectl expose deploy ${long} --port=80`))).toContain(
      `create services ${long.slice(0, 63)} in shop`,
    );
    expect(asked(call(`kubectl autoscale deploy ${long} --max=3`))).toContain(
      `create horizontalpodautoscalers.autoscaling ${long} in shop`,
    );
    expect(asked(call('kubectl create configmap a --from-literal=b=c --append-hash'))).toEqual([
      'create configmaps in shop',
    ]);
    expect(asked(call('kubectl create secret generic a --from-literal=b=c --append-hash'))).toEqual([
      'create secrets in shop',
    ]);
  });

  test.each(['HOME', 'A=1\nKUBERNETES_SERVICE_HOST\n', ' PATH', 'A=1\r\nB\r\n', '\ufeffA=1\nPATH', '\u00a0PATH'])(
    'an env file has no value of the pod that runs the command: %j',
    (text) => {
      for (const kind of ['configmap', 'secret generic']) {
        const create = (): ReturnType<typeof call> =>
          call(`kubectl create ${kind} a --from-env-file=env`, { env: text });
        expect(refusal(create)).toMatchObject({
          word: 'env',
          why: expect.stringMatching(/^line \d is not NAME=VALUE$/u),
        });
      }
    },
  );

  test('an env file has values, blank lines and comments', () => {
    const text = '\ufeff# first\r\n\n  \t# second\nA=1\nB=\nC=x=y\n';
    const { files } = call('kubectl create configmap a --from-env-file=env', { env: text }).sent;
    expect(files.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([text]);
  });

  test.each<[command: string, spelt: readonly string[], not: string]>([
    ['apply -f m', ['--field-manager=kubectl-client-side-apply', '--validate=strict'], '--cascade'],
    ['apply -f m --server-side', ['--field-manager=kubectl'], '--cascade'],
    ['apply -f m --server-side --field-manager=ci', ['--field-manager=ci'], '--field-manager=kubectl'],
    ['apply -f m --force', ['--cascade=background'], '--profile'],
    ['replace -f m --force --cascade=orphan', ['--cascade=orphan'], '--cascade=background'],
    ['delete -f m', ['--cascade=background'], '--validate'],
    ['debug web --image=busybox', ['--profile=baseline'], '--validate'],
    ['debug web --image=busybox --profile=restricted', ['--profile=restricted'], '--profile=baseline'],
    ['get -f m', [], '--validate'],
  ])('what another version might take otherwise is spelt out: %s', (command, spelt, not) => {
    const { words } = call(`kubectl ${command}`, { m: 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}' }).sent;
    expect(words).toEqual(expect.arrayContaining([...spelt]));
    expect(words.filter((word) => word === not || word.startsWith(`${not}=`))).toEqual([]);
  });

  test('a debugging container that may trace processes is privileged, and none is by default', () => {
    expect(call('kubectl debug web --image=busybox').podSecurity).toEqual({ level: 'restricted' });
    expect(call('kubectl debug web --image=busybox --profile=general').podSecurity.level).toBe('privileged');
  });

  test('a wait is cut to the time-out of the command, with a warning', () => {
    const request = {
      argv: ['kubectl', 'wait', 'pod/a', '--for=delete', '--timeout=-1s'],
      files: [],
      timeoutSeconds: 60,
    };
    const invocation = interpret(request, context);
    expect(invocation.sent.words).toContain('--timeout=60s');
    expect(invocation.warnings).toHaveLength(1);
  });
});

describe('attacks', () => {
  test.each<[command: string, word: string]>([
    // 15: flags in disguise, names that reach the URL.
    ["get pod -- '--server=evil.example'", '--server=evil.example'],
    ["get pods -- '-sevil.example'", '-sevil.example'],
    ['delete pod/x/../../secrets/y', 'x/../../secrets/y'],
    ["logs 'web?container=other'", 'web?container=other'],
    ["create token 'builder/../x'", 'builder/../x'],
    ["label pod web -- '--server=x'", '--server=x'],
    // 16: parser differences.
    ['get pods -Ashttps://evil.example', '-s'],
    ['get pods --insecure_skip_tls_verify', '--insecure_skip_tls_verify'],
    ['get pods --names=shop', '--names'],
    ['--cache-dir get delete pod x', '--cache-dir'],
    // 18: where to and as whom.
    ['get pods --as=admin', '--as'],
    ['get pods --token=x', '--token'],
    ['get pods --kubeconfig=x', '--kubeconfig'],
    // 19
    ['get --raw /api/v1/secrets', '--raw'],
    ['config view', 'config view'],
    ['auth reconcile -f x', 'auth reconcile'],
    ['proxy', 'proxy'],
    ['port-forward web 80', 'port-forward'],
    ['edit deploy web', 'edit'],
    ['exec -it web -- sh', '--tty'],
    ['attach -t web', '--tty'],
    // 20: exec by another door.
    ['debug node/node-1 --image=x', 'nodes/node-1'],
    [`run x --image=y --overrides='{"spec":{"hostPID":true}}'`, '--overrides'],
    [`expose deploy web --overrides='{}'`, '--overrides'],
    ['debug web --image=x --custom=c.json', '--custom'],
    // 21
    ['apply -f https://evil.example/x.yaml', 'https://evil.example/x.yaml'],
    ['apply -f ok.yaml,https://evil.example/x.yaml', 'https://evil.example/x.yaml'],
    ['apply -k github.com/evil/base', '-k'],
    // 22
    ['kustomize . --enable-helm', '--enable-helm'],
    ['kustomize .', 'kustomize'],
    // 23, 24
    ['get pods --kuberc=x', '--kuberc'],
    ['plugin list', 'plugin list'],
    ['foo', 'foo'],
    // 25: local files.
    ['create configmap x --from-file=/var/run/secrets/token', '/var/run/secrets/token'],
    ['create configmap x --from-file=a=../up', '../up'],
    ['create configmap x --from-env-file=/etc/passwd', '/etc/passwd'],
    ['create secret tls x --cert=/a --key=/b', '/a'],
    ['get pods -o jsonpath-file=/etc/passwd', '/etc/passwd'],
    ['get pods -o custom-columns-file=/etc/passwd', '/etc/passwd'],
    ['get pods -o go-template-file --template=/etc/passwd', '-o go-template-file'],
    ['patch deploy web --patch-file=/etc/passwd', '/etc/passwd'],
    ['apply -f /etc/passwd', '/etc/passwd'],
    ['cp /etc/passwd web:/tmp/x', '/etc/passwd'],
    ['cp web:/etc/passwd x', 'web:/etc/passwd'],
    // What is looked up or created beside the object of a file would be in the pod's own namespace.
    ['expose -f ok.yaml --port=80', '--filename'],
    ['autoscale -f ok.yaml --max=3', '--filename'],
    ['set env -f ok.yaml --from=secret/x', '-f'],
    ['set env -f ok.yaml --list --resolve', '-f'],
    // 26: the namespace of run command in reads of all.
    ['describe pods -A', '--all-namespaces'],
    ['events -A', '--all-namespaces'],
  ])('kubectl %s is refused', (command, word) => {
    expect(
      refusal(() => call(`kubectl ${command}`, { 'ok.yaml': 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}' })),
    ).toMatchObject({ word });
  });

  test.each([
    'kubectl',
    'bin/kubectl-foo',
    '.kube/kuberc',
    'HELM',
    '.aksgw/run',
    '../x',
    '/x',
    'a\\b',
    'a/./b',
    'a\u202eb',
    '-x',
  ])('an uploaded %s is refused', (path) => {
    expect(refusal(() => call('kubectl get pods', { [path]: 'x' }))).toMatchObject({ word: path });
  });

  test.each([[['a', 'A']], [['a', './a']], [['a', 'a/b']], [['A/x', 'a/y']]])('uploads %j collide', (paths) => {
    const request = { argv: ['kubectl', 'get', 'pods'], files: paths.map((path) => file(path, '')) };
    expect(() => interpret(request, context)).toThrow(Problem);
  });

  test('reads of secrets need secrets, by every door', () => {
    for (const command of [
      'get secret x -o yaml',
      'describe secret x',
      'describe sa x',
      'set env deploy/x --list --resolve',
      'get secrets -A -o json',
      'get pods,secrets',
    ]) {
      expect(asked(call(`kubectl ${command}`)).some((line) => /^(get|list) secrets/u.test(line))).toBe(true);
    }
  });

  test('the namespace is explicit in every command that has not all of them', () => {
    expect(call('kubectl get pods').sent.words).toContain('--namespace=shop');
    expect(call('kubectl get pods -n a -n b').sent.words.filter((word) => word.startsWith('--namespace'))).toEqual([
      '--namespace=b',
    ]);
    expect(asked(call('kubectl get pods -n aks-command'))).toEqual(['list pods in aks-command']);
  });

  test('stdin that the command does not read is refused', () => {
    expect(refusal(() => call('kubectl get pods', {}, 'x'))).toMatchObject({ word: 'stdin' });
  });
});

describe('whatever comes', () => {
  const word = fc.oneof(
    fc.constantFrom(...[...verbs.keys()].flatMap((path) => path.split(' '))),
    fc.constantFrom(
      'pods',
      'deploy/web',
      'all',
      'secrets',
      'x',
      '-',
      '--',
      '-A',
      '-n',
      '-f',
      '-l',
      '-o',
      'yaml',
      'app=web',
      'node-1',
      'a-',
      '*',
    ),
    fc.constantFrom(...[...verbs.values()].flatMap(({ flags }) => Object.keys(flags).map((name) => `--${name}`))),
    fc
      .tuple(
        fc.constantFrom('--output', '--namespace', '--from-file', '--timeout', '--patch', '--type', '-v'),
        fc.string(),
      )
      .map(([flag, value]) => `${flag}=${value}`),
    fc.string(),
    fc.string({ unit: 'binary' }),
  );
  const yaml = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.constantFrom(
          'a: 1',
          '  b: &x {c: d}',
          '- *x',
          '<<: *x',
          '---',
          '...',
          '"',
          'kind: Pod',
          'apiVersion: v1',
          'metadata: {name: a}',
          '? [',
          '!!set {}',
          '\t',
          '|',
          '  text',
          '{',
          ']',
        ),
      )
      .map((lines) => lines.join('\n')),
  );
  const request = fc.record({
    argv: fc.array(word, { maxLength: 8 }).map((words) => ['kubectl', ...words]),
    files: fc.array(
      fc.record({
        path: fc.constantFrom('a.yaml', 'b/c.json', '-'),
        bytes: yaml.map((text) => new TextEncoder().encode(text)),
      }),
      { maxLength: 2 },
    ),
    stdin: fc.option(yaml, { nil: undefined }),
  });

  test('interpret gives an invocation or throws a problem that names the word', () => {
    fc.assert(
      fc.property(request, (one) => {
        try {
          interpret(one, context);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          expect(error.code).toBe('command-refused');
          expect(error.options.members).toHaveProperty('word');
        }
      }),
      { numRuns: 400 },
    );
  });

  test('manifests give an invocation or a problem', () => {
    fc.assert(
      fc.property(yaml, fc.constantFrom('apply', 'create', 'delete', 'get'), (text, verb) => {
        try {
          call(`kubectl ${verb} -f x.yaml`, { 'x.yaml': text });
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
        }
      }),
      { numRuns: 400 },
    );
  });

  test('no word goes out that is neither ours nor a parsed value', () => {
    // A marker in every place where a caller may write: in what goes out it stands only behind a flag that was parsed.
    const marker = fc.stringMatching(/^[a-z]{6,8}zq$/u);
    fc.assert(
      fc.property(marker, marker, marker, (name, value, flagValue) => {
        const { sent } = call(
          `kubectl get pods ${name} -l ${value} -n ${flagValue.slice(0, 8)}`.replace(` ${name} -l`, ' -l'),
        );
        expect(sent.words).toEqual([
          'kubectl',
          'get',
          'pods.v1.',
          `--selector=${value}`,
          `--namespace=${flagValue.slice(0, 8)}`,
        ]);
      }),
    );
  });
});
