import { refuse } from '../lib/refuse.ts';
import type { ResourceType } from '../kubernetes/resources.ts';

// kubernetes.io/docs/concepts/overview/working-with-objects/names: RFC 1123 subdomain, at most 253 characters.
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u;
// RFC 1123 label, at most 63 characters: namespaces, services, most of what becomes part of a host name.
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/u;
// Only "a path segment" is asked of these (RBAC objects, trust bundles, IP addresses); kept to what occurs: system:node, azure:aks:Admin.
const segmentPattern = /^[A-Za-z0-9]([-A-Za-z0-9:._]*[A-Za-z0-9])?$/u;
const segmentNamed = new Set(['rbac.authorization.k8s.io', 'certificates.k8s.io']);

const LONGEST_NAME = 253;

export const isSubdomain = (text: string): boolean => text.length <= LONGEST_NAME && subdomain.test(text);
export const isLabel = (text: string): boolean => label.test(text);

/** An object's name, or a refusal: anything else can reach the URL (`x?a=b`) or pose as a flag (GHSA-wmg3-h8mf-wgvr). */
export function checkName(type: Pick<ResourceType, 'group' | 'resource'>, name: string): string {
  const segment = segmentNamed.has(type.group) || type.resource === 'ipaddresses';
  if (isSubdomain(name) || (segment && name.length <= LONGEST_NAME && segmentPattern.test(name))) return name;
  throw refuse(name, `is not a name that ${type.resource} can have in Kubernetes`);
}

export function checkNamespace(name: string): string {
  if (isLabel(name)) return name;
  throw refuse(name, 'is not a name that a namespace can have in Kubernetes');
}
