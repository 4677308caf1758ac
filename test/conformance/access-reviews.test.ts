import { describe, expect, test } from '@jest/globals';
import { ALL_NAMESPACES } from '../../shared/kubernetes/attributes.ts';
import { clusterRolesFrom } from '../../shared/kubernetes/cluster-roles.ts';
import { decide } from '../../shared/policy/decide.ts';
import { compile, oid, principal } from '../policy/fixtures.ts';
import { noPods } from '../../shared/command/pod-security/findings.ts';
import { places, questions, readAccessReviews } from './access-reviews.ts';

// What a real API server answered for the holders of its own ClusterRoles, for every verb on every resource of our table.
const { answers, server, recorded } = readAccessReviews();

test('the roles and the answers are of one recording', () => {
  expect(clusterRolesFrom).toEqual({ version: server, recorded });
});

describe.each(['view', 'edit', 'admin'])('%s answers as a real API server does', (role) => {
  test.each(Object.entries(places))('%s', (place, { user, namespace }) => {
    const policy = compile({
      roles: {},
      bindings: [
        { role, clusters: ['*'], subjects: [{ user: oid }], ...(user === 'shop' && { namespaces: ['shop'] }) },
      ],
    });
    const wrong: string[] = [];
    let allowed = 0;
    const all = questions(place);
    for (const { name, verb, group, resource, subresource, namespaced } of all) {
      const where = namespaced ? namespace || ALL_NAMESPACES : '';
      const attributes = [{ verb, group, resource, subresource, namespace: where, name: '' }];
      const ours = decide(policy, {
        principal: principal(),
        cluster: 'demo',
        attributes,
        podSecurity: noPods,
        charts: [],
      });
      const theirs = answers[role]?.[place]?.[name]?.split(' ').includes(verb) ?? false;
      if (theirs) allowed += 1;
      if ((ours.verdict === 'allow') !== theirs) wrong.push(`${verb} ${name}: ${theirs ? 'allowed' : 'denied'} there`);
    }
    expect(wrong).toEqual([]);
    expect(all.length).toBeGreaterThan(1_000);
    // Elsewhere than where it is bound, a role gives nothing; the comparison says something only if it gives something there.
    expect(allowed > 0).toBe(user === 'everywhere' || namespace === 'shop');
  });
});
