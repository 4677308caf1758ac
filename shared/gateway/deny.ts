import type { AuditEvent, CommandFacts, RequestFacts } from '../audit/events.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { Problem } from '../errors.ts';
import { StorageUnavailable } from '../store/append-log.ts';

type DenialName =
  | 'auth.failed'
  | 'request.refused'
  | 'principal.denied'
  | 'command.refused'
  | 'command.denied'
  | 'rate-limited';
type Denial = Extract<AuditEvent, { readonly event: DenialName }>;

/** Records, then throws: no caller hears a no that the trail does not have. */
export async function deny(trail: AuditTrail, event: Denial, problem: Problem): Promise<never> {
  await trail.record(event);
  throw problem;
}

export const denyPrincipal = (
  trail: AuditTrail,
  facts: RequestFacts,
  problem: Problem,
  detail = problem.message,
): Promise<never> => deny(trail, { ...facts, event: 'principal.denied', detail }, problem);

export const refuseRequest = (trail: AuditTrail, facts: RequestFacts, problem: Problem): Promise<never> =>
  deny(trail, { ...facts, event: 'request.refused', problem: problem.code, detail: problem.message }, problem);

export const refuseCommand = (
  trail: AuditTrail,
  facts: RequestFacts & CommandFacts,
  problem: Problem,
): Promise<never> =>
  deny(trail, { ...facts, event: 'command.refused', problem: problem.code, detail: problem.message }, problem);

/** A step whose failure is in the trail before the caller gets it: a refusal, a closed connection, a store that does not answer. */
export async function refusing<T>(
  trail: AuditTrail,
  facts: RequestFacts & CommandFacts,
  step: () => T | Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const problem = expectedProblem(error);
    if (!problem) throw error;
    return refuseCommand(trail, facts, problem);
  }
}

/** A step of admission: what it turns away is in the trail too. */
export async function limiting<T>(trail: AuditTrail, facts: RequestFacts, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return deny(trail, { ...facts, event: 'rate-limited', detail: error.message }, error);
  }
}

function expectedProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof StorageUnavailable) return recordsUnavailable(error);
  if (error instanceof DOMException && error.name === 'AbortError')
    return new Problem('request-invalid', 'The caller closed the connection before anything was started.', {
      cause: error,
    });
  return undefined;
}

export const recordsUnavailable = (cause: StorageUnavailable): Problem =>
  new Problem('gateway-busy', 'The store of command records does not answer.', { retryAfter: 5, cause });
