import fc from 'fast-check';
import type { ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import type { PolicyFile, RoleFile } from '../../shared/config/schema.ts';
import type { Principal } from '../../shared/identity/principal.ts';
import type { Question } from '../../shared/policy/decide.ts';
import { compilePolicy, type Policy } from '../../shared/policy/policy.ts';
import { noPods } from '../../shared/command/pod-security/findings.ts';
import { seed } from '../support/seed.ts';

export const tenant = '11111111-1111-4111-8111-111111111111';
export const otherTenant = '99999999-9999-4999-8999-999999999999';
export const oid = '55555555-5555-4555-8555-555555555555';
export const groupId = '66666666-6666-4666-8666-666666666666';

export const principal = (changes: { kind?: 'user' | 'app' } & Partial<Omit<Principal, 'kind'>> = {}): Principal => {
  const { kind = 'user', ...others } = changes;
  const base = {
    tid: tenant,
    oid,
    azp: 'client',
    uti: 'uti',
    roles: [],
    groups: { known: true, ids: [] } as const,
    ...others,
  };
  return kind === 'user' ? { ...base, kind, scopes: [] } : { ...base, kind };
};

/** `create pods/exec web-0 @shop`, `list pods @*`, `get nodes`: attributes as the tests write them. */
export function ask(text: string): ResourceAttributes {
  const [verb = '', spelled = '', ...rest] = text.split(' ');
  const [name = '', subresource = ''] = spelled.split('/');
  const [resource = '', ...group] = name.split('.');
  const namespace = rest.find((word) => word.startsWith('@'))?.slice(1) ?? '';
  return {
    verb,
    group: group.join('.'),
    resource,
    subresource,
    namespace,
    name: rest.find((word) => !word.startsWith('@')) ?? '',
  };
}

export const compile = (policy: PolicyFile, clusters = ['demo'], tenants = [tenant]): Policy =>
  compilePolicy({ policy, clusters: new Map(clusters.map((name) => [name, {}])), identity: { tenants } });

/** Roles that are all bound to the one user, on every cluster. */
export const withRoles = (roles: Record<string, RoleFile>): Policy =>
  compile({
    roles,
    bindings: Object.keys(roles).map((role) => ({ role, clusters: ['*'], subjects: [{ user: oid }] })),
  });

export const question = (asked: readonly string[], changes: Partial<Question> = {}): Question => ({
  principal: principal(),
  cluster: 'demo',
  attributes: asked.map(ask),
  podSecurity: noPods,
  charts: [],
  ...changes,
});

export const properties = {
  seed,
  numRuns: Number(process.env['AKSGW_RUNS'] ?? 600),
};
export { fc };
