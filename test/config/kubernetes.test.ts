import { describe, expect, test } from '@jest/globals';
import { interpret } from '../../shared/command/interpret.ts';
import { groups } from '../../shared/kubernetes/resource-table.ts';
import { resourceName } from '../../shared/kubernetes/attributes.ts';
import { isBuiltInWord, readResource, resourceVerbs } from '../../shared/kubernetes/known-kinds.ts';

// Two tables tell of Kubernetes' resources, on two floors: what a command may mean, and what a rule may name. A resource of the
// first that the second lacks could not be denied.

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

test('whatever a command can mean, a rule can name', () => {
  const unknown = rows
    .flatMap(({ name, subresources }) => [name, ...subresources.map((sub) => `${name}/${sub}`)])
    .filter((text) => 'problem' in readResource(text, new Set()));
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
    'kubectl auth can-i get pods',
    'kubectl auth whoami',
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
      expect(readResource(resourceName(asked), new Set())).toHaveProperty('pattern');
    }
  });
});
