import { describe, expect, test } from '@jest/globals';
import { catalogOf, groupName, qualifiedName } from '../../shared/kubernetes/resources.ts';
import { Problem } from '../../shared/errors.ts';
import { context } from '../command/calls.ts';

const catalog = catalogOf(context.resources);

describe('resources as a caller writes them', () => {
  test.each([
    ['pods', 'pods.v1.'],
    ['pod', 'pods.v1.'],
    ['Pod', 'pods.v1.'],
    ['PODS', 'pods.v1.'],
    ['po', 'pods.v1.'],
    ['secrets.v1.', 'secrets.v1.'],
    ['deploy', 'deployments.v1.apps'],
    ['Deployment.apps', 'deployments.v1.apps'],
    ['deployments.v1.apps', 'deployments.v1.apps'],
    ['deploy.apps', 'deployments.v1.apps'],
    ['hpa', 'horizontalpodautoscalers.v2.autoscaling'],
    ['events', 'events.v1.'],
    ['events.events.k8s.io', 'events.v1.events.k8s.io'],
    ['nodes', 'nodes.v1.'],
    ['nodes.metrics.k8s.io', 'nodes.v1beta1.metrics.k8s.io'],
    ['crds', 'customresourcedefinitions.v1.apiextensions.k8s.io'],
    ['widgets', 'widgets.v1.example.com'],
    ['wd', 'widgets.v1.example.com'],
    ['Fleet', 'fleets.v1.example.com'],
  ])('%s is %s', (word, name) => {
    expect(qualifiedName(catalog.resolve(word))).toBe(name);
  });

  test.each([
    'DEPLOY',
    'Po',
    'deployments.extensions',
    'deployments.app',
    'pods.v2.',
    'deployments.v1',
    '',
    'all',
    'pods/web',
    '*',
    '__proto__',
    'constructor',
  ])('%j is not known', (word) => {
    expect(() => catalog.resolve(word)).toThrow(Problem);
  });

  test('a custom resource takes no built-in short name', () => {
    // The context gives `deploy` to widgets.
    expect(groupName(catalog.resolve('deploy'))).toBe('deployments.apps');
  });

  test('all is the ten built-in kinds, whatever joins the category in the cluster', () => {
    expect(catalog.resolveList('all,pods,cm').map(groupName)).toEqual([
      'pods',
      'replicationcontrollers',
      'services',
      'daemonsets.apps',
      'deployments.apps',
      'replicasets.apps',
      'statefulsets.apps',
      'horizontalpodautoscalers.autoscaling',
      'cronjobs.batch',
      'jobs.batch',
      'configmaps',
    ]);
  });

  test('a cluster without custom resources knows none', () => {
    expect(() => catalogOf([]).resolve('widgets')).toThrow(Problem);
    expect(catalogOf([])).toBe(catalogOf([])); // 400 clusters without any take one catalog
  });
});
