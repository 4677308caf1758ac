import type { SentCommand } from './invocation.ts';

/**
 * The command, run as the caller in Kubernetes' eyes: RBAC decides again, and the cluster's own audit names the caller
 * (kubernetes.io/docs/reference/access-authn-authz/authentication, "User impersonation"). Callers' own `--as` is refused by
 * the grammar, so these are the only such flags in what is sent.
 */
export function impersonating(
  sent: SentCommand,
  { tid, oid }: { readonly tid: string; readonly oid: string },
  roles: readonly string[],
): SentCommand {
  const [tool = '', ...rest] = sent.words;
  const [user, group] = tool === 'helm' ? ['--kube-as-user', '--kube-as-group'] : ['--as', '--as-group'];
  const flags = [`${user}=aksgw:${tid}:${oid}`, ...roles.map((role) => `${group}=aksgw:${role}`)];
  return { ...sent, words: [tool, ...flags, ...rest] };
}
