import { ALL_NAMESPACES, type ResourceAttributes } from '../../../shared/kubernetes/attributes.ts';

/**
 * What Kubernetes' authorisation sees of a request, by the rules of `RequestInfoFactory.NewRequestInfo`
 * (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go), field for field.
 */
type RequestInfo = ResourceRequestInfo | NonResourceRequestInfo;

interface NonResourceRequestInfo {
  readonly isResource: false;
  /** The HTTP method in lower case. */
  readonly verb: string;
  readonly path: string;
}

export interface ResourceRequestInfo {
  readonly isResource: true;
  readonly verb: string;
  readonly path: string;
  readonly group: string;
  readonly version: string;
  /** As RequestInfo has it: '' for requests across namespaces, the name itself for a Namespace object. */
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
}

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
const namespaceSubresources = new Set(['status', 'finalize']);
const specialVerbs = new Set(['proxy', 'watch']);

export function requestInfo(method: string, url: URL): RequestInfo {
  const path = url.pathname;
  const other: NonResourceRequestInfo = { isResource: false, verb: method.toLowerCase(), path };
  const parts = path.split('/').filter((part) => part !== '');
  const prefix = parts.shift();
  let group = '';
  if (prefix === 'apis') {
    if (parts.length < 3) return other;
    group = parts.shift() ?? '';
  } else if (prefix !== 'api' || parts.length < 2) return other;
  const version = parts.shift() ?? '';

  let verb = verbs[method] ?? '';
  let special = false;
  if (specialVerbs.has(parts[0] ?? '')) {
    if (parts.length < 2) return other;
    verb = parts.shift() ?? '';
    special = true;
  }

  let namespace = '';
  let rest = parts.map(decodePart);
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1] ?? '';
    if (rest.length > 2 && !namespaceSubresources.has(rest[2] ?? '')) rest = rest.slice(2);
  }
  const [resource = '', pathName = '', third = ''] = rest;
  const subresource = special && verb === 'proxy' ? '' : third;

  let name = pathName;
  if (name === '' && verb === 'get') {
    const watch = url.searchParams.get('watch');
    verb = watch !== null && !['0', 'false'].includes(watch) ? 'watch' : 'list';
    name = exactName(url.searchParams.get('fieldSelector')) ?? '';
  } else if (name === '' && verb === 'delete') verb = 'deletecollection';
  return { isResource: true, verb, path, group, version, namespace, resource, subresource, name };
}

/** RequestInfo in the project's own terms: '*' across namespaces, '' for what is cluster-scoped, Namespace objects too. */
export function toAttributes(info: ResourceRequestInfo, namespaced: boolean): ResourceAttributes {
  const { verb, group, resource, subresource, name } = info;
  const clusterScoped = !namespaced || (group === '' && resource === 'namespaces');
  const namespace = clusterScoped ? '' : info.namespace || ALL_NAMESPACES;
  return { verb, group, resource, subresource, namespace, name };
}

/** The name that a field selector pins, when it is usable as a path segment. */
function exactName(selector: string | null): string | undefined {
  for (const term of selector?.split(',') ?? []) {
    const name = /^metadata\.name==?([^=!/%]+)$/.exec(term)?.[1];
    if (name !== undefined && name !== '.' && name !== '..') return name;
  }
  return undefined;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
