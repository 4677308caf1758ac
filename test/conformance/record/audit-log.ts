import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ALL_NAMESPACES, type ResourceAttributes } from '../../../shared/kubernetes/attributes.ts';

/** The parts of an audit.k8s.io/v1 Event that tell what was asked for. */
interface AuditEvent {
  readonly auditID: string;
  readonly stage: 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly verb: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly apiGroup?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
}

/** A request for a resource, as the API server wrote it down. */
export interface AuditedRequest {
  readonly asked: ResourceAttributes;
  /** 0 when it had none before the command was ended. */
  readonly status: number;
}

/** Reads a growing audit log from where it was left. */
export function followAuditLog(path: string): { readonly more: () => AuditEvent[]; readonly close: () => void } {
  const file = openSync(path, 'r');
  let at = 0;
  let rest = '';
  return {
    more: () => {
      const size = fstatSync(file).size;
      if (size === at) return [];
      const bytes = Buffer.alloc(size - at);
      at += readSync(file, bytes, 0, bytes.length, at);
      const lines = (rest + bytes.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
    },
    close: () => closeSync(file),
  };
}

/** True when every request has had its answer, or at least the beginning of one. */
export function areAnswered(events: readonly AuditEvent[]): boolean {
  const answered = new Set(events.filter(({ stage }) => stage !== 'RequestReceived').map(({ auditID }) => auditID));
  return events.every(({ auditID }) => answered.has(auditID));
}

/** The requests for resources, in order of arrival, each with the most that any of its stages tells. */
export function requestsOf(
  events: readonly AuditEvent[],
  isNamespaced: (group: string, resource: string) => boolean,
): AuditedRequest[] {
  const latest = new Map<string, AuditEvent>();
  for (const event of events) latest.set(event.auditID, event);
  return [...latest.values()].flatMap(({ verb, objectRef, responseStatus }) => {
    if (objectRef?.resource === undefined) return [];
    const { resource, apiGroup: group = '', subresource = '', name = '' } = objectRef;
    // A Namespace object is said to be in itself; here it is cluster-scoped, as in our attributes.
    const namespace = isNamespaced(group, resource) ? (objectRef.namespace ?? ALL_NAMESPACES) : '';
    return [{ asked: { verb, group, resource, subresource, namespace, name }, status: responseStatus?.code ?? 0 }];
  });
}
