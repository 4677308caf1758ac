import { ALL_NAMESPACES, type ResourceAttributes } from '../../kubernetes/attributes.ts';
import { groupName, type ResourceType } from '../../kubernetes/resources.ts';

/** Where a request goes: a namespace (of namespaced types), a name, a sub-resource. */
interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** Collects what Kubernetes will be asked, each attribute once, in the order in which a reader of `explain` wants it. */
export interface Needs {
  /** Verbs on a type at a place; the namespace is dropped for cluster-scoped types. */
  add(verbs: string | readonly string[], type: ResourceType, place?: Place): void;
  /** An attribute whose type is not in the catalog (`approve` on signers). */
  addRaw(attributes: ResourceAttributes): void;
  readonly all: readonly ResourceAttributes[];
}

export function createNeeds(): Needs {
  const all: ResourceAttributes[] = [];
  let seen: Set<string> | undefined;
  const key = (a: ResourceAttributes): string =>
    `${a.verb} ${a.group} ${a.resource} ${a.subresource} ${a.namespace} ${a.name}`;
  // A set costs more than it saves for the two or three attributes of most commands.
  const has = (one: ResourceAttributes): boolean => {
    if (all.length < 16) {
      return all.some(
        (a) =>
          a.verb === one.verb &&
          a.resource === one.resource &&
          a.group === one.group &&
          a.subresource === one.subresource &&
          a.namespace === one.namespace &&
          a.name === one.name,
      );
    }
    seen ??= new Set(all.map(key));
    return seen.has(key(one));
  };
  const addRaw = (one: ResourceAttributes): void => {
    if (has(one)) return;
    all.push(one);
    seen?.add(key(one));
  };
  return {
    all,
    addRaw,
    add: (verbs, type, place = {}) => {
      for (const verb of typeof verbs === 'string' ? [verbs] : verbs) {
        addRaw({
          verb,
          group: type.group,
          resource: type.resource,
          subresource: place.subresource ?? '',
          namespace: namespaceOf(type, place.namespace),
          name: place.name ?? '',
        });
      }
    },
  };
}

function namespaceOf(type: ResourceType, namespace: string | undefined): string {
  if (!type.namespaced) return '';
  // Forgetting the namespace must never narrow what policy is asked for.
  if (namespace === undefined || namespace === '') {
    throw new TypeError(`${groupName(type)} is namespaced, and no namespace was given (${ALL_NAMESPACES} means all)`);
  }
  return namespace;
}
