// How rules spell resources, after Kubernetes' own resource.group notation:
//   pods   pods/exec   deployments.apps   deployments.apps/scale   *   *.apps   */scale

/** One spelling, taken apart. */
export interface ResourcePattern {
  /** Plural, or `*`. */
  readonly resource: string;
  /** '' for core; `*` only together with resource `*`. */
  readonly group: string;
  /** '' for the object itself; `*` for it and everything below it, which only a resource `*` without a sub-resource means. */
  readonly subresource: string;
}

const form = /^(?<resource>\*|[a-z0-9-]+)(?:\.(?<group>[a-z0-9-]+(?:\.[a-z0-9-]+)*))?(?:\/(?<subresource>[a-z]+))?$/;

/** Undefined when the text is not one of these spellings. */
export function parseResourcePattern(text: string): ResourcePattern | undefined {
  const groups = form.exec(text)?.groups;
  if (!groups) return undefined;
  const { resource = '', group, subresource } = groups;
  return resource === '*'
    ? { resource, group: group ?? '*', subresource: subresource ?? '*' }
    : { resource, group: group ?? '', subresource: subresource ?? '' };
}

/** Whether a pattern takes in all that another means, or a resource itself. An object takes its sub-resources with it. */
export const takesIn = (pattern: ResourcePattern, { resource, group, subresource }: ResourcePattern): boolean =>
  (pattern.resource === '*' || pattern.resource === resource) &&
  (pattern.group === '*' || pattern.group === group) &&
  (pattern.subresource === '*' || pattern.subresource === '' || pattern.subresource === subresource);

/** Whether there can be a resource that both mean. */
export const overlap = (one: ResourcePattern, other: ResourcePattern): boolean =>
  takesIn(one, {
    resource: other.resource === '*' ? one.resource : other.resource,
    group: other.group === '*' ? one.group : other.group,
    subresource: other.subresource === '*' ? one.subresource : other.subresource,
  });
