/**
 * What Kubernetes will be asked, in its own terms (kubernetes.io/docs/reference/access-authn-authz/authorization, "Review
 * your request attributes"). The one language between a command and policy.
 */
export interface ResourceAttributes {
  /** get, list, watch, create, update, patch, delete, bind, escalate, approve, install, … */
  readonly verb: string;
  /** API group, '' for core; `helm.sh` for releases. */
  readonly group: string;
  /** Plural resource name, such as `deployments`. */
  readonly resource: string;
  /** '' when the object itself is meant. */
  readonly subresource: string;
  /** A namespace's name; ALL_NAMESPACES; '' for what is cluster-scoped (Namespace objects too). */
  readonly namespace: string;
  /** '' when every name is meant. */
  readonly name: string;
}

/** The namespace of a request that crosses them all (`-A`). No namespace can have this name. */
export const ALL_NAMESPACES = '*';

/**
 * A path of the API server that is no resource, such as `/readyz`: `nonResourceAttributes` of a SubjectAccessReview. It has no resource, and
 * the path, without query, is its name.
 */
export const urlAttributes = (verb: string, path: string): ResourceAttributes => ({
  verb,
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: path,
});

/** Whether a path is asked for and not a resource. Every resource has a name of its own. */
export const isUrl = ({ resource }: ResourceAttributes): boolean => resource === '';

/** `deployments.apps/scale`, as rules spell it. */
export const resourceName = ({ group, resource, subresource }: ResourceAttributes): string =>
  `${resource}${group && `.${group}`}${subresource && `/${subresource}`}`;

/** `patch deployments.apps web in shop`, for people. */
export function describeAttributes(attributes: ResourceAttributes): string {
  if (isUrl(attributes)) return `${attributes.verb} ${attributes.name}`;
  const where =
    attributes.namespace === ALL_NAMESPACES
      ? ' in all namespaces'
      : attributes.namespace === ''
        ? ''
        : ` in ${attributes.namespace}`;
  return `${attributes.verb} ${resourceName(attributes)}${attributes.name && ` ${attributes.name}`}${where}`;
}
