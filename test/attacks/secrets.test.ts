import { describe, expect, test } from '@jest/globals';
import { type Files, chart, configMap, expectAllowed, expectDenied, explain, list, object, secret } from './support.ts';

// Doors through which secrets leave.

describe('doors through which secrets leave', () => {
  const files = {
    ...chart,
    's.json': object(secret),
    'l.json': object(list(configMap, secret)),
    'k.pem': 'KEY',
  };
  const looking: Files = { ...chart, 'web/templates/l.yaml': '{{ lookup "v1" "Secret" "kube-system" "" }}' };
  const deploying: Files = { ...chart, 'web/templates/l.yaml': '{{ tpl .Values.a . }}' };
  const doors: readonly string[] = [
    'kubectl get secrets',
    'kubectl get secret',
    'kubectl get secret password',
    'kubectl get secret/password',
    'kubectl get secrets.v1. password',
    'kubectl get configmap/a secret/password',
    'kubectl get pods,secrets',
    'kubectl get secrets -o wide',
    'kubectl get secret password -o name',
    'kubectl get secret password -o yaml',
    'kubectl get secret password -ojson',
    'kubectl get secret password -o jsonpath={.data}',
    'kubectl get secret password -o go-template={{.data}}',
    'kubectl get secret password --template={{.data}}',
    'kubectl get secrets -o custom-columns=A:.data',
    'kubectl get secrets -l app=a',
    'kubectl get secrets --field-selector=type=Opaque',
    'kubectl get secrets --sort-by=.data.a',
    'kubectl get secrets -w',
    'kubectl get secrets -A',
    'kubectl get -A -o json configmaps,secrets,deployments',
    'kubectl get -f s.json',
    'kubectl get -f l.json',
    'kubectl describe secrets',
    'kubectl describe secret password',
    'kubectl describe secret/password',
    'kubectl describe -f s.json',
    'kubectl describe serviceaccount default',
    'kubectl describe pods,secrets',
    'kubectl diff -f s.json',
    'kubectl diff -f l.json',
    'kubectl apply view-last-applied secret/password',
    'kubectl apply view-last-applied -f s.json',
    'kubectl label secret password --list',
    'kubectl annotate secret password --list',
    'kubectl label secret password a=b --dry-run=client -o yaml',
    'kubectl patch secret password -p {} --dry-run=server -o yaml',
    'kubectl create -f s.json --dry-run=client -o yaml',
    'kubectl apply -f s.json --dry-run=server -o yaml',
    'kubectl replace -f s.json -o yaml',
    'kubectl create secret generic a --from-literal=a=b --dry-run=client -o yaml',
    'kubectl delete secret password -o name',
    'kubectl wait secret/password --for=jsonpath={.data.a}=x',
    'kubectl set env deployment/web --list --resolve',
    'kubectl set env deployment/web --from=secret/password',
    'kubectl set env --from=secret/password deployment/web --dry-run=client -o yaml',
    'helm get values web',
    'helm get values web --all -o json',
    'helm get manifest web',
    'helm get hooks web',
    'helm get all web',
    'helm get all web --template={{.Release.Config}}',
    'helm status web --show-resources',
    'helm status web -o json',
    'helm status web -o yaml',
    'helm template ./web --validate',
    'helm template ./web --dry-run=server',
    'helm install web ./web --dry-run',
    'helm install web ./web --dry-run=client',
    'helm install web ./web --dry-run=server',
    'helm upgrade web ./web --dry-run',
    'helm upgrade web ./web -o json',
  ];
  test.each(doors)('%s', async (line) => {
    const sent = { files, reason: 'INC-1' };
    // It is a command, which almighty may run: what stops the viewer is policy.
    await expectAllowed(line, sent);
    await expectDenied(line, 'denied by role viewer, deny[0]', { ...sent, as: 'viewer' });
  });

  test.each([
    ['kubectl create token default', 'serviceaccounts/token'],
    ['kubectl exec web -- cat /var/run/secrets/kubernetes.io/serviceaccount/token', 'pods/exec'],
    ['kubectl cp k.pem web:/tmp/k.pem', 'pods/exec'],
  ])('%s: past the objects, to the same secrets', async (line, about) => {
    await expectAllowed(line, { files });
    await expectDenied(line, about, { files, as: 'viewer' });
  });

  test.each([
    ['lookup', looking],
    ['tpl', deploying],
  ])('a template with %s', async (_what, sent) => {
    for (const line of [
      'helm template ./web',
      'helm template ./web --validate',
      'helm install web ./web --dry-run=server',
    ]) {
      await expectAllowed(line, { files: sent });
      await expectDenied(line, 'secrets', { files: sent, as: 'viewer' });
    }
  });

  test('get all is the kinds that the gateway knows of, and no secrets among them', async () => {
    const explained = await explain('kubectl get all', { as: 'viewer' });
    expect(explained.allowed).toBe(true);
    expect(new Set(explained.attributes.map(({ resource }) => resource))).not.toContain('secrets');
    // A custom resource that joins the category would come along, were the word sent.
    expect(explained.command).not.toMatch(/\ball\b/);
    expect(explained.command).toContain('pods.v1.');
  });
});
