import type { Config } from '../config/config.ts';
import type { SubjectFile } from '../config/schema.ts';
import { jobPrincipal, type Principal } from '../identity/principal.ts';

/** Every subject that a binding names, each once. */
export function subjectsOf({ policy }: Pick<Config, 'policy'>): readonly SubjectFile[] {
  const byText = new Map(
    policy.bindings.flatMap(({ subjects }) => subjects.map((one) => [JSON.stringify(one), one] as const)),
  );
  return [...byText.values()];
}

/** `group 6666…`: as reports call a subject; with its tenant where there are several. */
export function nameSubject(subject: SubjectFile, { identity }: Pick<Config, 'identity'>): string {
  if ('job' in subject) return `job ${subject.job}`;
  const { tenant, ...id } = subject;
  const [[kind, value] = ['', '']] = Object.entries(id);
  return `${kind} ${value}${identity.tenants.length < 2 || tenant === undefined ? '' : ` of tenant ${tenant}`}`;
}

/** Somebody who is this subject and nothing else. */
export function subjectPrincipal(subject: SubjectFile, { identity }: Pick<Config, 'identity'>): Principal {
  if ('job' in subject) return jobPrincipal(subject.job);
  const { tenant = identity.tenants[0] ?? '' } = subject;
  const token = { tid: tenant, azp: '', uti: '', roles: [] as string[], groups: { known: true, ids: [] as string[] } };
  if ('app' in subject) return { ...token, kind: 'app', oid: subject.app };
  const user = { ...token, kind: 'user', scopes: identity.scopes } as const;
  if ('user' in subject) return { ...user, oid: subject.user };
  if ('group' in subject) return { ...user, oid: '', groups: { known: true, ids: [subject.group] } };
  return { ...user, oid: '', roles: [subject.appRole] };
}
