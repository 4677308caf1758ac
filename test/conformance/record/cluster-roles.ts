/**
 * Reads the ClusterRoles `view`, `edit` and `admin` from a real API server, and asks it for every verb and resource of our table whether
 * their holders may: once bound in all namespaces, once in one.
 *
 *     test/conformance/record/build.sh FOLDER
 *     node test/conformance/record/cluster-roles.ts FOLDER/bin && npm run format
 *
 * Writes shared/kubernetes/cluster-roles.ts and recordings/access-reviews.json. Takes a minute.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { questions, places, writeAnswers, type Answers } from '../access-reviews.ts';
import { RECORDINGS } from '../recordings.ts';
import { startApiServer, type ApiServer } from './api-server.ts';

const ROLES = ['view', 'edit', 'admin'] as const;
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

interface ClusterRole {
  readonly aggregationRule: {
    readonly clusterRoleSelectors: readonly { readonly matchLabels: Readonly<Record<string, string>> }[];
  };
  readonly rules: readonly {
    readonly verbs: readonly string[];
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
  }[];
}

const [programs] = process.argv.slice(2);
if (programs === undefined) throw new Error('Usage: cluster-roles.ts FOLDER');
const server = await startApiServer(programs);
try {
  const recorded = new Date().toISOString().slice(0, 10);
  const roles: [string, ClusterRole['rules']][] = [];
  for (const name of ROLES) roles.push([name, await aggregate(server, name)]);
  writeFileSync(join(import.meta.dirname, '../../../shared/kubernetes/cluster-roles.ts'), render(roles, recorded));
  const answers: Answers = {};
  for (const role of ROLES) answers[role] = await ask(server, role);
  writeFileSync(join(RECORDINGS, 'access-reviews.json'), writeAnswers({ recorded, server: server.version, answers }));
} finally {
  await server.close();
}

/**
 * The three are aggregated (`aggregationRule`) by a controller of kube-controller-manager, which does not run here: what it does is done here,
 * from the server's own roles with the labels that its selectors name (pkg/controller/clusterroleaggregation). `view` is part of `edit`,
 * and that of `admin`, so they are made in this order.
 */
async function aggregate({ call }: ApiServer, name: string): Promise<ClusterRole['rules']> {
  const { body } = await call('GET', `${RBAC}/clusterroles/${name}`);
  const rules: ClusterRole['rules'][number][] = [];
  for (const { matchLabels } of (body as ClusterRole).aggregationRule.clusterRoleSelectors) {
    const selector = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
    const answer = await call('GET', `${RBAC}/clusterroles?labelSelector=${encodeURIComponent(selector.join(','))}`);
    const { items } = answer.body as { items: (ClusterRole & { metadata: { name: string } })[] };
    const others = items.filter(({ metadata }) => metadata.name !== name);
    for (const role of others.toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1)))
      for (const rule of role.rules ?? []) if (!rules.some((one) => isDeepStrictEqual(one, rule))) rules.push(rule);
  }
  if (rules.length === 0) throw new Error(`no ClusterRole is aggregated to ${name}`);
  const { status } = await call('PATCH', `${RBAC}/clusterroles/${name}`, { rules });
  if (status !== 200) throw new Error(`the rules of ${name} were answered ${status}`);
  return rules;
}

async function ask(api: ApiServer, role: string): Promise<Answers[string]> {
  await need(api, '/api/v1/namespaces', { metadata: { name: 'shop' } }, [201, 409]);
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role };
  const binding = (user: string) => ({ metadata: { name: user }, roleRef, subjects: [{ kind: 'User', name: user }] });
  await need(api, `${RBAC}/clusterrolebindings`, binding(`${role}-everywhere`));
  await need(api, `${RBAC}/namespaces/shop/rolebindings`, binding(`${role}-shop`));
  const found: Answers[string] = {};
  for (const [place, { user, namespace }] of Object.entries(places)) {
    const allowed: Record<string, string[]> = {};
    const all = questions(place);
    for (let at = 0; at < all.length; at += 32) {
      const slice = all.slice(at, at + 32);
      const verdicts = await Promise.all(slice.map((asked) => review(api, `${role}-${user}`, { ...asked, namespace })));
      slice.forEach(({ name, verb }, index) => {
        if (verdicts[index]) (allowed[name] ??= []).push(verb);
      });
    }
    found[place] = Object.fromEntries(Object.entries(allowed).map(([name, verbs]) => [name, verbs.join(' ')]));
  }
  return found;
}

async function need({ call }: ApiServer, path: string, body: unknown, statuses = [201]): Promise<void> {
  const answer = await call('POST', path, body);
  if (!statuses.includes(answer.status)) throw new Error(`${path} answered ${answer.status}`);
}

async function review(
  { call }: ApiServer,
  user: string,
  asked: { verb: string; group: string; resource: string; subresource: string; namespace: string },
): Promise<boolean> {
  const { verb, group, resource, subresource, namespace } = asked;
  const { status, body } = await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user, resourceAttributes: { verb, group, resource, subresource, namespace } },
  });
  if (status !== 201) throw new Error(`a SubjectAccessReview was answered ${status}`);
  return (body as { status: { allowed: boolean } }).status.allowed;
}

function render(roles: readonly (readonly [string, ClusterRole['rules']])[], recorded: string): string {
  const written = roles.map(([name, rules]) => {
    const lines = rules.map(
      ({ verbs, apiGroups = [], resources = [] }) =>
        `    { groups: ${JSON.stringify(apiGroups)}, resources: ${JSON.stringify(resources.toSorted())}, verbs: ${JSON.stringify(verbs.toSorted())} },`,
    );
    return `  ${name}: [\n${lines.join('\n')}\n  ],`;
  });
  return `// Written by test/conformance/record/cluster-roles.ts: do not edit.

/** One rule of a ClusterRole (rbac.authorization.k8s.io/v1, PolicyRule). */
interface ClusterRoleRule {
  /** API groups, '' for the core. */
  readonly groups: readonly string[];
  /** \`pods\`, \`pods/log\`. */
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** The API server that the roles were read from, and the day. */
export const clusterRolesFrom = { version: ${JSON.stringify(server.version)}, recorded: ${JSON.stringify(recorded)} } as const;

/** Kubernetes' own user-facing roles (kubernetes.io/docs/reference/access-authn-authz/rbac, "User-facing roles"), whole. */
export const clusterRoles: Readonly<Record<'view' | 'edit' | 'admin', readonly ClusterRoleRule[]>> = {
${written.join('\n')}
};
`;
}
