import { describe, expect, test } from '@jest/globals';
import {
  asked,
  chart,
  configMap,
  expectAllowed,
  expectDenied,
  expectRefused,
  explain,
  list,
  object,
  spellings,
} from './support.ts';

// Where kubectl goes, as whom, and past which kinds and namespaces.

describe('where kubectl goes and as whom', () => {
  const flags: readonly [string, string][] = [
    ['--server', 'https://attacker.example'],
    ['--token', 'x'],
    ['--kubeconfig', 'config'],
    ['--context', 'other'],
    ['--cluster', 'other'],
    ['--user', 'other'],
    ['--username', 'other'],
    ['--password', 'x'],
    ['--certificate-authority', 'ca.pem'],
    ['--client-certificate', 'client.pem'],
    ['--client-key', 'key.pem'],
    ['--tls-server-name', 'attacker.example'],
    ['--as', 'system:admin'],
    ['--as-group', 'system:masters'],
    ['--as-uid', '0'],
    ['--as-user-extra', 'a=b'],
    ['--cache-dir', '/tmp'],
    ['--profile', 'cpu'],
    ['--profile-output', '/tmp/x'],
    ['--kuberc', 'kuberc'],
    ['--proxy-url', 'http://attacker.example'],
    ['--log-file', '/tmp/x'],
    ['--log-dir', '/tmp'],
    ['--vmodule', 'a=9'],
  ];
  const commands = [
    'get pods',
    'apply -f app.json',
    'delete pod web',
    'exec web',
    'rollout restart deployment/web',
    'version',
  ];

  test('the control: without the flag each is allowed', async () => {
    for (const command of commands.filter((command) => !command.startsWith('exec'))) {
      await expectAllowed(`kubectl ${command}`, { files: { 'app.json': object(configMap) } });
    }
    await expectAllowed('kubectl exec web -- id');
  });

  test.each(flags)('%s in every spelling', async (flag, value) => {
    for (const [line, word] of spellings('kubectl', 'get pods', flag, value)) await expectRefused(line, word);
    const normalised = `--${flag.slice(2).replaceAll('-', '_')}`;
    await expectRefused(['kubectl', 'get', 'pods', `${normalised}=${value}`], normalised);
  });

  test.each(flags)('%s for every verb', async (flag, value) => {
    for (const command of commands) {
      await expectRefused(['kubectl', ...command.split(' '), `${flag}=${value}`], flag, {
        files: { 'app.json': object(configMap) },
      });
    }
  });

  test.each([
    ['kubectl get pods -s https://x', '-s'],
    ['kubectl get pods -shttps://x', '-s'],
    ['kubectl get pods -s=https://x', '-s'],
    ['kubectl -s https://x get pods', '-s'],
    ['kubectl -shttps://x get pods', '-s'],
    ['kubectl get pods --insecure-skip-tls-verify', '--insecure-skip-tls-verify'],
    ['kubectl get pods --insecure-skip-tls-verify=false', '--insecure-skip-tls-verify'],
    ['kubectl --insecure-skip-tls-verify get pods', '--insecure-skip-tls-verify'],
    ['kubectl logs web --insecure-skip-tls-verify-backend', '--insecure-skip-tls-verify-backend'],
  ])('%s', (line, word) => expectRefused(line, word));

  test.each(['6', '9', '99', '-1', '5x'])('-v=%s prints tokens', (level) =>
    expectRefused(`kubectl get pods -v=${level}`, `-v=${level}`),
  );
});

describe('past kinds and namespaces', () => {
  test.each([
    ['kubectl get --raw /api/v1/namespaces/kube-system/secrets', '--raw'],
    ['kubectl get --raw=/api/v1/secrets', '--raw'],
    ['kubectl get pods --raw=', '--raw'],
    ['kubectl get --raw=', '--raw'],
    ['kubectl get --raw /readyz --raw /api/v1/secrets', '--raw'],
    ['kubectl get pods --raw /readyz', '--raw'],
    ['kubectl get --raw /readyz -f app.json', '--filename'],
    ['kubectl get --raw /readyz -A', '--all-namespaces'],
    ['kubectl get --raw /readyz/', '--raw'],
    ['kubectl get --raw //readyz', '--raw'],
    ['kubectl get --raw /readyz/../api/v1/secrets', '--raw'],
    ["kubectl get --raw '/readyz?verbose&exclude=etcd'", '--raw'],
    ['kubectl get --raw https://evil.example/readyz', '--raw'],
    ['kubectl get --raw /metrics', '--raw'],
    ['kubectl get --raw /logs', '--raw'],
    ['kubectl create --raw /api/v1/namespaces -f app.json', '--raw'],
    ['kubectl delete --raw /api/v1/namespaces/shop', '--raw'],
    ['kubectl replace --raw /api/v1/namespaces/shop -f app.json', '--raw'],
    ['kubectl config view --raw', 'config view'],
    ['kubectl config view', 'config view'],
    ['kubectl config set clusters.x.server https://x', 'config set'],
    ['kubectl config set-cluster x', 'config set-cluster'],
    ['kubectl config set-context x', 'config set-context'],
    ['kubectl config set-credentials x', 'config set-credentials'],
    ['kubectl config use-context x', 'config use-context'],
    ['kubectl config unset users', 'config unset'],
    ['kubectl config get-contexts', 'config get-contexts'],
    ['kubectl auth reconcile -f app.json', 'auth reconcile'],
    ['kubectl proxy', 'proxy'],
    ['kubectl proxy --port=8001', 'proxy'],
    ['kubectl port-forward pod/web 8080', 'port-forward'],
    ['kubectl edit deployment/web', 'edit'],
    ['kubectl apply edit-last-applied deployment/web', 'apply edit-last-applied'],
    ['kubectl exec web sh', 'sh'],
    ['kubectl cluster-info dump', 'cluster-info dump'],
    ['kubectl get pods --subresource=log', '--subresource=log'],
    ['kubectl get nodes --subresource=proxy', '--subresource=proxy'],
  ])('%s is refused', (line, word) => expectRefused(line, word, { files: { 'app.json': object(configMap) } }));

  const file = { files: { 'a.txt': 'a' } };
  test.each([
    ['kubectl exec web -- id', 'create pods/exec shop/web'],
    ['kubectl exec deployment/web -- id', 'create pods/exec shop/'],
    ['kubectl exec -it web -- sh', 'create pods/exec shop/web'],
    ['kubectl cp web:/etc/passwd passwd', 'create pods/exec shop/web'],
    ['kubectl cp web:/etc/passwd -', 'create pods/exec shop/web'],
    ['kubectl cp other/web:/etc/passwd -', 'create pods/exec other/web'],
    ['kubectl attach -it web', 'create pods/attach shop/web'],
    ['kubectl attach web', 'create pods/attach shop/web'],
    ['kubectl cp a.txt web:/tmp/a.txt', 'create pods/exec shop/web'],
    ['kubectl cp a.txt kube-system/web:/tmp/a.txt', 'create pods/exec kube-system/web'],
  ])('%s is a verb of its own, and no reading', async (line, attribute) => {
    const sent = line.includes('a.txt') ? file : {};
    expect(asked(await explain(line, sent))).toContain(attribute);
    await expectDenied(line, 'pods/', { ...sent, as: 'viewer' });
    await expectDenied(line, 'pods/', { ...sent, as: 'starred' });
  });
});

describe('the namespace of run command itself', () => {
  const inside = object({ ...configMap, metadata: { name: 'a', namespace: 'aks-command' } });
  const files = {
    ...chart,
    'a.json': inside,
    'l.json': object(list(configMap, JSON.parse(inside) as object)),
    'a.txt': 'a',
  };
  test.each([
    'kubectl get pods -n aks-command',
    'kubectl get pods -naks-command',
    'kubectl get pods -n=aks-command',
    'kubectl get pods --namespace aks-command',
    'kubectl get pods -n shop -n aks-command',
    'kubectl get configmap a -n aks-command',
    'kubectl get events -n aks-command',
    'kubectl events -n aks-command',
    'kubectl describe pod a -n aks-command',
    'kubectl logs a -n aks-command',
    'kubectl logs -l app=a -n aks-command',
    'kubectl delete pod a -n aks-command',
    'kubectl delete pods --all -n aks-command',
    'kubectl top pod -n aks-command',
    'kubectl wait --for=delete pod/a -n aks-command',
    'kubectl create configmap a -n aks-command',
    'kubectl run a --image=i -n aks-command',
    'kubectl patch pod a -p {} -n aks-command',
    'kubectl apply -f a.json',
    'kubectl apply -f a.json -n aks-command',
    'kubectl apply -f l.json',
    'kubectl delete -f a.json',
    'kubectl get -f a.json',
    'helm list -n aks-command',
    'helm status web -n aks-command',
    'helm install web ./web -n aks-command',
    'helm uninstall web --namespace=aks-command',
  ])('%s: no * reaches it, a rule that names it does', async (line) => {
    await expectDenied(line, 'aks-command', { files, as: 'starred' });
    await expectAllowed(line, { files });
  });

  test.each([
    'kubectl exec a -n aks-command -- id',
    'kubectl attach a -n aks-command',
    'kubectl cp a.txt aks-command/a:/tmp/a',
    'kubectl create token default -n aks-command',
    'kubectl debug a --image=i -n aks-command',
  ])('%s: a rule that names its resource does not reach it either', async (line) => {
    await expectDenied(line, 'aks-command', { files, as: 'unprivileged' });
    await expectAllowed(line, { files });
  });

  test.each([
    ['kubectl get pods -A', ''],
    ['kubectl get pods,events -A', ''],
    ['kubectl get pods --all-namespaces -o json', ''],
    ['kubectl get pods -A --field-selector=metadata.namespace=aks-command', 'metadata.namespace=aks-command,'],
    ['kubectl delete pods -A --all', ''],
    ['kubectl top pod -A', ''],
    ['kubectl events -A', ''],
    ['kubectl events -A --types=Warning --for=pod/web', ''],
    ['kubectl describe pods -A', ''],
    ['kubectl get nodes,pods -A', ''],
  ])('%s leaves it out', async (line, own) => {
    const { command } = await explain(line, { as: 'almighty' });
    expect(command).toContain(`--field-selector=${own}metadata.namespace!=aks-command`);
  });

  test.each(['kubectl get pods', 'helm list', 'kubectl delete pod a', 'kubectl rollout status deployment/web'])(
    '%s without a namespace is never sent without one',
    async (line) => {
      expect((await explain(line)).command).toMatch(/--namespace=shop'?( |$)/);
    },
  );
});
