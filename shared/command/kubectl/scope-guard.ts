import type { CommandContext } from '../../config/config.ts';
import type { ResourceAttributes } from '../../kubernetes/attributes.ts';
import { isBuiltInGroup } from '../../kubernetes/known-kinds.ts';
import type { Program } from '../invocation.ts';
import { sh } from '../program.ts';

/** How a command ends whose kind has another scope than policy went by: nothing was asked of the kind itself (sysexits.h, EX_CONFIG). */
export const SCOPE_CHANGED = 78;

/**
 * What was read of a cluster's definitions may be a day old, and a definition that is deleted and made again may have another scope. kubectl
 * ignores `--namespace` for what has none, so a rule for one namespace would reach what belongs to all of them. So a command that asks for a
 * kind which was read from the cluster first asks discovery, which everybody may read, whether its scope is still the one that policy judged;
 * if not, or if nobody can tell, nothing is run. A kind that the operator listed is the operator's word.
 */
export function scopeGuard(
  attributes: readonly ResourceAttributes[],
  { resources, discovered }: Pick<CommandContext, 'resources' | 'discovered'>,
): Program | undefined {
  const nameOf = ({ resource, group }: { readonly resource: string; readonly group: string }) => `${resource}.${group}`;
  if (discovered === undefined) return undefined;
  const asked = new Set(attributes.flatMap((one) => (isBuiltInGroup(one.group) ? [] : nameOf(one))));
  if (asked.size === 0) return undefined;
  const listed = new Set(resources.map(nameOf));
  const read = discovered.resources.filter((one) => asked.has(nameOf(one)) && !listed.has(nameOf(one)));
  if (read.length === 0) return undefined;
  return read.flatMap((one): Program => {
    const scope = one.namespaced ? 'namespaced' : 'cluster-scoped';
    const list = [
      'kubectl',
      'api-resources',
      `--api-group=${one.group}`,
      `--namespaced=${one.namespaced}`,
      '--output=name',
    ];
    const why = `error: this cluster does not say that ${nameOf(one)} is ${scope}, as policy took it to be: nothing was run. The gateway reads its definitions again.`;
    return [
      // What an extension API that is away makes it say besides is not the command's own.
      ...sh`s=; for r in $(${list} </dev/null 2>/dev/null); do [ "$r" != ${[nameOf(one)]} ] || s=1; done; `,
      ...sh`[ -n "$s" ] || { printf '%s\\n' ${[why]} >&2; exit ${String(SCOPE_CHANGED)}; }; `,
    ];
  });
}
