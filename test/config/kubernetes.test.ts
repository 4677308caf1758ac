import { describe, expect, test } from '@jest/globals';
import { interpret } from '../../shared/command/interpret.ts';
import { groups, virtualResources } from '../../shared/kubernetes/resource-table.ts';
import { wellKnownCustomResources } from '../../shared/kubernetes/well-known-custom-resources.ts';
import { resourceName } from '../../shared/kubernetes/attributes.ts';
import { isBuiltInWord, readResource, resourceVerbs } from '../../shared/kubernetes/known-kinds.ts';

// One table says what a command may mean and what a rule may name.

const rows = groups.flatMap(({ group, namespaced = [], clusterScoped = [] }) =>
  [...namespaced, ...clusterScoped].map((row) => {
    const [resource = '', , shortNames = '', subresources = ''] = row.split('|');
    const list = (text: string): string[] => (text === '' ? [] : text.split(','));
    return {
      name: `${resource}${group && `.${group}`}`,
      shortNames: list(shortNames),
      subresources: list(subresources),
    };
  }),
);

const NOTHING_ELSE = { names: new Set<string>(), discovered: false };

test('whatever a command can mean, a rule can name', () => {
  const unknown = rows
    .flatMap(({ name, subresources }) => [name, ...subresources.map((sub) => `${name}/${sub}`)])
    .filter((text) => 'problem' in readResource(text, NOTHING_ELSE));
  expect(rows.length).toBeGreaterThan(50);
  expect(unknown).toEqual([]);
});

test('no custom resource may take a name or short name of Kubernetes’ own', () => {
  const words = rows.flatMap(({ name, shortNames }) => [name.split('.')[0] ?? '', ...shortNames]);
  expect(words.filter((word) => !isBuiltInWord(word))).toEqual([]);
  expect(isBuiltInWord('widgets')).toBe(false);
});

describe('what commands really ask for can be named by rules, verb and resource', () => {
  const context = { defaultNamespace: 'shop', resources: [] };
  test.each([
    'kubectl exec web -- ls',
    'kubectl attach web',
    'kubectl logs -l app=web',
    'kubectl drain node-1 --ignore-daemonsets',
    'kubectl scale deploy/web --replicas=2',
    'kubectl top pods',
    'kubectl top nodes',
    'kubectl auth can-i get pods --in-cluster',
    'kubectl auth whoami --in-cluster',
    'kubectl create token default',
    'kubectl certificate approve csr-1',
    'kubectl create rolebinding x --clusterrole=view --user=ada',
    'kubectl debug web --image=busybox',
    'kubectl get all',
    'helm rollback web 1',
    'helm uninstall web',
    'helm test web',
    'helm get values web',
  ])('%s', (command) => {
    const { attributes } = interpret({ argv: command.split(' '), files: [] }, context);
    const verbs: readonly string[] = resourceVerbs;
    expect(attributes.length).toBeGreaterThan(0);
    for (const asked of attributes) {
      expect(verbs).toContain(asked.verb);
      expect(readResource(resourceName(asked), NOTHING_ELSE)).toHaveProperty('pattern');
    }
  });
});

test('a rule can name nothing that no command could ask for', () => {
  const asked = new Set([...rows.map(({ name }) => name), ...virtualResources]);
  const alpha = ['mutatingadmissionpolicies.admissionregistration.k8s.io', 'leasecandidates.coordination.k8s.io'];
  for (const name of [
    ...alpha,
    'clustertrustbundles.certificates.k8s.io',
    'storageversions.internal.apiserver.k8s.io',
  ]) {
    expect(asked.has(name)).toBe(false);
    expect(readResource(name, NOTHING_ELSE)).toHaveProperty('problem');
  }
  for (const name of asked) expect(readResource(name, NOTHING_ELSE)).toHaveProperty('pattern');
});

test('where definitions are read from the cluster a rule may name what nobody knows yet, in a group of its own', () => {
  const open = { names: new Set<string>(), discovered: true };
  for (const name of ['widgets.example.com', 'widgets.example.com/status', '*.example.com'])
    expect([name, readResource(name, open)]).toEqual([name, { pattern: expect.anything() }]);
  for (const name of [
    'widgets',
    'deploymentz.apps',
    'ingreses.networking.k8s.io',
    'widgets.example.com/exec',
    '*.apps/exec',
  ])
    expect([name, readResource(name, open)]).toEqual([name, { problem: expect.any(String) }]);
});

describe('well-known custom resources', () => {
  test.each([...wellKnownCustomResources])('%s is named as a CRD may be', (name, type) => {
    expect(name).toMatch(/^[a-z0-9]+(?:\.[a-z0-9-]+)+$/);
    expect(type.kind).toMatch(/^[A-Z][A-Za-z0-9]*$/);
    expect(type.version).toMatch(/^v[0-9]+(?:(?:alpha|beta)[0-9]*)?$/);
    expect([type.resource, ...type.shortNames].filter(isBuiltInWord)).toEqual([]);
  });

  test('are what commands on that cluster may mean', () => {
    const certificates = wellKnownCustomResources.get('certificates.cert-manager.io');
    const context = { defaultNamespace: 'shop', resources: certificates ? [certificates] : [] };
    const { attributes } = interpret({ argv: ['kubectl', 'get', 'cert', 'web'], files: [] }, context);
    expect(attributes).toMatchObject([{ verb: 'get', group: 'cert-manager.io', resource: 'certificates' }]);
  });
});
