/**
 * The one table of problems (RFC 9457). A `code` is API: documented, tested, never reused. A problem in answer to the POST of a command
 * means that nothing was started. `next` is what the caller can do.
 */
interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
  readonly next: string;
}

export const problems = {
  'token-missing': {
    status: 401,
    title: 'No access token was sent',
    retryable: false,
    next: 'Send "Authorization: Bearer <Entra access token for this gateway>"; /.well-known/oauth-protected-resource names the tenant and scope.',
  },
  'token-invalid': {
    status: 401,
    title: 'This gateway does not accept the access token',
    retryable: false,
    next: 'Ask Entra for a v2.0 access token for this gateway; the detail says which check failed.',
  },
  'token-expired': {
    status: 401,
    title: 'The access token has expired',
    retryable: true,
    next: 'Get a new access token and send the request again.',
  },
  'interaction-required': {
    status: 401,
    title: 'Entra wants the user to sign in again before the gateway may act for them',
    retryable: true,
    next: 'Sign in again with the claims given in WWW-Authenticate, then send the request again.',
  },
  'policy-denied': {
    status: 403,
    title: 'Policy does not allow this',
    retryable: false,
    next: 'The detail names the rule, or what no rule allows; POST the same body to …/explain to see every attribute.',
  },
  'cluster-frozen': {
    status: 403,
    title: 'The cluster is frozen: nothing may be changed there for now',
    retryable: false,
    next: 'The detail says why. Reads still work; ask the operator of the gateway when changes will be allowed again.',
  },
  'user-required': {
    status: 403,
    title: 'Only a user can do this, not an application',
    retryable: false,
    next: "Call with a signed-in user's token; for applications the operator has to set runAs: gateway on the cluster.",
  },
  'command-refused': {
    status: 400,
    title: 'The gateway does not relay this command',
    retryable: false,
    next: 'Change or remove the word that the detail names.',
  },
  'request-invalid': {
    status: 400,
    title: 'The request does not have the expected form',
    retryable: false,
    next: 'Correct what the detail names; /openapi.json describes every field.',
  },
  'route-not-found': {
    status: 404,
    title: 'There is nothing at this address',
    retryable: false,
    next: '/openapi.json lists the routes.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This address does not support that method',
    retryable: false,
    next: 'Use a method that the Allow header names; /openapi.json lists the routes.',
  },
  'cluster-not-found': {
    status: 404,
    title: 'No such cluster, or none that you may see',
    retryable: false,
    next: 'GET /v1/clusters lists the clusters that you may use.',
  },
  'command-not-found': {
    status: 404,
    title: 'No such command, or none that you may see',
    retryable: false,
    next: 'GET /v1/commands lists your own commands.',
  },
  'batch-not-found': {
    status: 404,
    title: 'No such batch, or none that you may see',
    retryable: false,
    next: 'GET /v1/commands lists your own commands, each with its batch.',
  },
  'job-not-found': {
    status: 404,
    title: 'No such job, or none that you may see',
    retryable: false,
    next: 'GET /v1/jobs lists the jobs that you may see.',
  },
  'idempotency-conflict': {
    status: 409,
    title: 'This Idempotency-Key was used with another body',
    retryable: false,
    next: 'Use a new key for a new command, or send the same body again.',
  },
  'command-finished': {
    status: 409,
    title: 'The command has already ended',
    retryable: false,
    next: 'Read its record: it says how it ended.',
  },
  'cancel-unavailable': {
    status: 409,
    title: 'The command cannot be cancelled',
    retryable: false,
    next: 'The detail says why; a running command ends at its own time limit.',
  },
  'result-expired': {
    status: 410,
    title: 'The result was purged at the end of its retention',
    retryable: false,
    next: 'Run the command again if its output is still needed; the audit trail still shows that it ran.',
  },
  'length-required': {
    status: 411,
    title: 'The body came without its length, and the host did not hand it over',
    retryable: false,
    next: 'Send the body with Content-Length instead of Transfer-Encoding: chunked.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    retryable: true,
    next: 'Nothing was started; send the request again, faster.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are larger than the gateway accepts',
    retryable: false,
    next: 'Send fewer or shorter headers; a token with very many roles is the usual cause.',
  },
  'expectation-failed': {
    status: 417,
    title: 'The gateway does not support what the Expect header asks for',
    retryable: false,
    next: 'Send the request without Expect, or with "Expect: 100-continue".',
  },
  'result-missing': {
    status: 410,
    title: 'The output of the command is missing',
    retryable: false,
    next: 'The command ran; look at its effect before you run it again, and tell the operator.',
  },
  'payload-too-large': {
    status: 413,
    title: 'The request is larger than the gateway or Azure accepts',
    retryable: false,
    next: 'Send fewer or smaller files.',
  },
  'media-type-unsupported': {
    status: 415,
    title: 'The body is not JSON',
    retryable: false,
    next: 'Send "Content-Type: application/json" and a JSON body in UTF-8.',
  },
  'rate-limited': {
    status: 429,
    title: 'This caller has reached a limit, or the cluster has too many commands',
    retryable: true,
    next: 'Wait for Retry-After seconds, then send the request again.',
  },
  'azure-throttled': {
    status: 429,
    title: 'Azure is throttling this subscription and did not accept the command',
    retryable: true,
    next: 'Wait for Retry-After seconds, then send the request again.',
  },
  'internal-error': {
    status: 500,
    title: 'The gateway made a mistake',
    retryable: false,
    next: 'Give the operator the instance id; look at GET /v1/commands before sending a change again.',
  },
  'azure-refused': {
    status: 502,
    title: 'Azure refused the command',
    retryable: false,
    next: "The detail carries Azure's own code and words; most of them are for the operator of the gateway to act on.",
  },
  'azure-unreachable': {
    status: 503,
    title: 'Azure Resource Manager could not be reached',
    retryable: true,
    next: 'Send the request again later.',
  },
  'configuration-changed': {
    status: 503,
    title: 'The configuration changed while the command waited',
    retryable: true,
    next: 'Send the request again; it is decided by the current configuration.',
  },
  'cluster-unavailable': {
    status: 503,
    title: 'The cluster cannot run commands at the moment',
    retryable: true,
    next: 'The detail says why (stopped, being provisioned, run command disabled); send the request again once that has changed.',
  },
  'audit-unavailable': {
    status: 503,
    title: 'The audit trail cannot be written, so nothing is run',
    retryable: true,
    next: 'Send the request again later; the operator finds the cause at /readyz.',
  },
  'identity-unavailable': {
    status: 503,
    title: "Entra's signing keys could not be fetched, so no token can be checked",
    retryable: true,
    next: 'Send the request again later.',
  },
  'gateway-busy': {
    status: 503,
    title: 'The gateway is at its limit, starting or stopping',
    retryable: true,
    next: 'Wait for Retry-After seconds, then send the request again.',
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problems;

interface ProblemOptions {
  /** Seconds, sent as Retry-After. */
  readonly retryAfter?: number;
  /** Further members of the problem document; never secrets. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Further response headers, such as WWW-Authenticate. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An answer that is an error and was foreseen. `detail` is shown to the caller: it names what was wrong, never a secret. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.options = options;
  }

  get status(): number {
    return problems[this.code].status;
  }

  /** Whether the same request may do better later. */
  get retryable(): boolean {
    return problems[this.code].retryable;
  }
}
