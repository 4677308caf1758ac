import { describe, expect, test } from '@jest/globals';
import { readDefinitions } from '../../shared/gateway/discover.ts';
import { catalogOf } from '../../shared/kubernetes/resources.ts';

const known = (text: string, disputed: readonly string[] = []) =>
  catalogOf([], { resources: readDefinitions(text), disputed });

describe('definitions of a cluster', () => {
  test('are read as they are served, the best version first', () => {
    expect(
      readDefinitions(
        'example.com|widgets|Widget|Namespaced|v1alpha1 v1beta2 v1 v2beta1 |wd wdg \nexample.com|fleets|Fleet|Cluster|v1beta1 v1alpha3 ||',
      ),
    ).toEqual([
      {
        group: 'example.com',
        version: 'v1',
        resource: 'widgets',
        kind: 'Widget',
        namespaced: true,
        shortNames: ['wd', 'wdg'],
      },
      {
        group: 'example.com',
        version: 'v1beta1',
        resource: 'fleets',
        kind: 'Fleet',
        namespaced: false,
        shortNames: [],
      },
    ]);
  });

  test('take no word that means something already: not by short name, plural, kind or group', () => {
    const catalog = known(
      [
        'evil.example|traps|Trap|Cluster|v1|deploy po secrets cert',
        'evil.example|pods|Pod|Cluster|v1|',
        'evil.example|deployments|Deployment|Cluster|v1|',
        'apps|deployments|Deployment|Cluster|v1|',
        'apps|traps|Trap|Namespaced|v1|',
        'rbac.authorization.k8s.io|roles|Role|Cluster|v1|',
        'rbac.authorization.k8s.io|traps|Trap|Cluster|v1|',
      ].join('\n'),
    );
    for (const [word, group, namespaced] of [
      ['deploy', 'apps', true],
      ['deployments', 'apps', true],
      ['po', '', true],
      ['pods', '', true],
      ['Pod', '', true],
      ['secrets', '', true],
      ['roles', 'rbac.authorization.k8s.io', true],
      ['pods.evil.example', 'evil.example', false],
    ] as const)
      expect([word, catalog.resolve(word)]).toEqual([word, expect.objectContaining({ group, namespaced })]);
    expect(() => catalog.resolve('traps.apps')).toThrow('is not a resource');
    expect(() => catalog.resolve('traps.rbac.authorization.k8s.io')).toThrow('is not a resource');
    expect(catalog.resolve('traps').group).toBe('evil.example');
  });

  test('take no word from a well-known kind that is there too, wherever they stand', () => {
    const squatter = 'a.evil.example|certificates|Certificate|Cluster|v1|cert';
    const catalog = known(`${squatter}\ncert-manager.io|certificates|Certificate|Namespaced|v1|cert certs`);
    for (const word of ['certificates', 'Certificate', 'cert'])
      expect([word, catalog.resolve(word).group]).toEqual([word, 'cert-manager.io']);
    expect(catalog.resolve('certificates.a.evil.example').namespaced).toBe(false);
    expect(known(squatter).resolve('certificates').group).toBe('a.evil.example');
  });

  test('that are no definitions are left out', () => {
    const rows = [
      'no-dot|widgets|Widget|Namespaced|v1|',
      'example.com|../x|Widget|Namespaced|v1|',
      'example.com|widgets|widget x|Namespaced|v1|',
      'example.com|widgets|Widget|Namespaced||',
      'example.com|widgets|Widget|Namespaced|latest|',
      'example.com|--server=x|Widget|Namespaced|v1|',
      '',
      'x',
    ];
    expect(rows.flatMap(readDefinitions)).toEqual([]);
    expect(readDefinitions('example.com|widgets|Widget|Namespaced|v1|../x -A ok')[0]?.shortNames).toEqual(['ok']);
  });

  test('whose scope changed are refused, in words and in manifests', () => {
    const catalog = known('example.com|widgets|Widget|Namespaced|v1|wd', ['widgets.example.com']);
    for (const word of ['widgets', 'wd', 'widgets.v1.example.com'])
      expect(() => catalog.resolve(word)).toThrow('another scope');
    expect(() => catalog.ofKind('example.com/v1', 'Widget')).toThrow('another scope');
  });
});
