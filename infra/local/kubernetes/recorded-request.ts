import type { ResourceAttributes } from '../../../shared/kubernetes/attributes.ts';
import type { ResourceRequestInfo } from './request-info.ts';

/** One request for a resource, as authorisation would see it, with what came of it. */
export interface RecordedRequest extends ResourceAttributes {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  readonly userAgent: string;
  readonly dryRun: boolean;
  readonly impersonate: { readonly user: string; readonly groups: readonly string[] } | undefined;
  /** The version asked for, and the attributes just as Kubernetes' RequestInfo has them (namespace '' for -A, the name for Namespace objects). */
  readonly info: ResourceRequestInfo;
  /** HTTP status of the answer; 0 while it is being worked on. */
  status: number;
}
