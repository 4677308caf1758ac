import { describe, expect, test } from '@jest/globals';
import { asked, call, refusal, sentFile } from './calls.ts';

const deployment = (name: string, rest = ''): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${name}\n${rest}`;

describe('what a command asks of Kubernetes, and the words that are sent', () => {
  test.each<[command: string, words: string, asked: string[]]>([
    ['get pods', 'get pods.v1. --namespace=shop', ['list pods in shop']],
    ['get pod web', 'get pods.v1./web --namespace=shop', ['get pods web in shop']],
    ['get po/web -n team', 'get pods.v1./web --namespace=team', ['get pods web in team']],
    [
      'get po,deploy web',
      'get pods.v1./web deployments.v1.apps/web --namespace=shop',
      ['get pods web in shop', 'get deployments.apps web in shop'],
    ],
    ['get pods -w', 'get pods.v1. --watch=true --namespace=shop', ['list pods in shop', 'watch pods in shop']],
    [
      'get pods -A -l app=web',
      'get pods.v1. --selector=app=web --all-namespaces=true --field-selector=metadata.namespace!=aks-command',
      ['list pods in all namespaces'],
    ],
    [
      'get events -A --field-selector type=Warning -n x',
      'get events.v1. --all-namespaces=true --field-selector=type=Warning,metadata.namespace!=aks-command',
      ['list events in all namespaces'],
    ],
    ['get nodes -A', 'get nodes.v1. --namespace=shop', ['list nodes']],
    ['get ns shop', 'get namespaces.v1./shop --namespace=shop', ['get namespaces shop']],
    [
      'get deploy web --subresource=scale',
      'get deployments.v1.apps/web --subresource=scale --namespace=shop',
      ['get deployments.apps/scale web in shop'],
    ],
    [
      'describe deploy/web',
      'describe deployments.v1.apps/web --namespace=shop',
      ['get deployments.apps web in shop', 'list replicasets.apps in shop', 'list events in shop'],
    ],
    [
      'describe sa builder --show-events=false',
      'describe serviceaccounts.v1. builder --show-events=false --namespace=shop',
      ['get serviceaccounts in shop', 'list serviceaccounts in shop', 'list secrets in shop'],
    ],
    [
      'describe node n1',
      'describe nodes.v1. n1 --namespace=shop',
      [
        'get nodes',
        'list nodes',
        'list pods in all namespaces',
        'get leases.coordination.k8s.io in kube-node-lease',
        'list resourceslices.resource.k8s.io',
        'list events in all namespaces',
      ],
    ],
    [
      'logs web -c app --tail=5',
      'logs pods.v1./web --container=app --tail=5 --namespace=shop',
      ['get pods web in shop', 'get pods/log web in shop'],
    ],
    [
      'logs deploy/web',
      'logs deployments.v1.apps/web --namespace=shop',
      ['get deployments.apps web in shop', 'list pods in shop', 'watch pods in shop', 'get pods/log in shop'],
    ],
    ['logs -l app=web', 'logs --selector=app=web --namespace=shop', ['list pods in shop', 'get pods/log in shop']],
    [
      'delete pod web',
      'delete pods.v1./web --timeout=3585s --cascade=background --namespace=shop',
      ['delete pods web in shop', 'get pods web in shop', 'list pods web in shop', 'watch pods web in shop'],
    ],
    [
      'delete pod web --wait=false',
      'delete pods.v1./web --wait=false --cascade=background --namespace=shop',
      ['delete pods web in shop'],
    ],
    [
      'delete pods --all -A',
      'delete pods.v1. --all-namespaces=true --field-selector=metadata.namespace!=aks-command --timeout=3585s --cascade=background',
      ['list pods in all namespaces', 'delete pods in all namespaces'],
    ],
    [
      'rollout restart deploy web',
      'rollout restart deployments.v1.apps/web --field-manager=kubectl-rollout --namespace=shop',
      ['get deployments.apps web in shop', 'patch deployments.apps web in shop'],
    ],
    [
      'rollout restart ds',
      'rollout restart daemonsets.v1.apps --field-manager=kubectl-rollout --namespace=shop',
      ['list daemonsets.apps in shop', 'patch daemonsets.apps in shop'],
    ],
    [
      'rollout undo sts/db --to-revision=2',
      'rollout undo statefulsets.v1.apps/db --to-revision=2 --namespace=shop',
      [
        'get statefulsets.apps db in shop',
        'patch statefulsets.apps db in shop',
        'list controllerrevisions.apps in shop',
      ],
    ],
    [
      'rollout status deploy/web',
      'rollout status deployments.v1.apps/web --timeout=3585s --namespace=shop',
      ['get deployments.apps web in shop', 'list deployments.apps web in shop', 'watch deployments.apps web in shop'],
    ],
    [
      'scale deploy/web --replicas 3',
      'scale deployments.v1.apps/web --replicas=3 --namespace=shop',
      ['get deployments.apps web in shop', 'patch deployments.apps/scale web in shop'],
    ],
    ['version', 'version --namespace=shop', []],
  ])('kubectl %s', (command, words, attributes) => {
    const invocation = call(`kubectl ${command}`);
    expect(invocation.sent.words.join(' ')).toBe(`kubectl ${words}`);
    expect(asked(invocation)).toEqual(attributes);
    // An earlier template is in the cluster, and nobody has judged it here.
    const beyondRestricted = command.startsWith('rollout undo') ? [expect.stringContaining('an earlier template')] : [];
    expect(invocation.podSecurity).toEqual({ beyondBaseline: [], beyondRestricted, serviceAccounts: [] });
  });

  test('apply sends what was judged, each object with its namespace', () => {
    const invocation = call('kubectl apply -f k8s/', {
      'k8s/a.yaml': deployment('web', 'spec: {replicas: 010, paused: on}\n'),
      'k8s/readme.md': 'not a manifest',
      'k8s/sub/b.yaml': deployment('deeper'),
    });
    expect(invocation.sent.words).toEqual([
      'kubectl',
      'apply',
      '--filename=k8s/a.yaml',
      '--field-manager=kubectl-client-side-apply',
      '--validate=strict',
    ]);
    expect(invocation.sent.files.map(({ path }) => path)).toEqual(['k8s/a.yaml']);
    expect(sentFile(invocation, 'k8s/a.yaml')).toBe(
      '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"spec":{"replicas":8,"paused":true}}\n',
    );
    expect(asked(invocation)).toEqual([
      'get deployments.apps web in shop',
      'create deployments.apps web in shop',
      'patch deployments.apps web in shop',
    ]);
  });
});

describe('what is refused, naming the word', () => {
  test.each<[command: string, word: string]>([
    ['get pods --raw /api', '--raw'],
    ['get pods -s https://x', '-s'],
    ['get pods -v 6', '-v=6'],
    ['edit deploy web', 'edit'],
    ['get deplouments', 'deplouments'],
    ['get DEPLOY', 'DEPLOY'],
    ["get pod 'x?a=b'", 'x?a=b'],
    ['get pod web -A', '--all-namespaces'],
    ['get pods -n Shop', 'Shop'],
    ['get pods -o go-template-file=/etc/passwd', '/etc/passwd'],
    ['get pods -o sh', '-o sh'],
    ['get pods,nodes -A -o json', '-o json'],
    ['get pods,nodes -A -w', '--watch'],
    ['get pods,nodes -A --field-selector=a=b', '--field-selector'],
    ['describe pods/web -A', '--all-namespaces'],
    ['apply -f https://example.com/x.yaml', 'https://example.com/x.yaml'],
    ['apply -f gone.yaml', 'gone.yaml'],
    ['apply -f ../x.yaml', '../x.yaml'],
    ['apply -k .', '-k'],
    ['apply -f - --prune', '--prune'],
    ['delete pods', 'pods'],
    ['delete pod web -i', '--interactive'],
    ['rollout restart pods/web', 'pods'],
    ['scale ds/x --replicas=1', 'daemonsets'],
    ['logs', 'logs'],
  ])('kubectl %s', (command, word) => {
    expect(refusal(() => call(`kubectl ${command}`))).toMatchObject({ word });
  });
});
