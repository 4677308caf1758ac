/**
 * The spans of a trace: the request, below it a span for each room of the corridor that it goes through, and what they wait for. A job's
 * run is a trace of its own.
 */
export const spans = {
  job: 'A run of a job',
  identity: "Who is it: the token's checks, and keys that had to be fetched",
  admission: 'How much of it: the rate of commands',
  command: 'What exactly: words, files and what Kubernetes will be asked',
  policy: 'May they: the decision',
  preflight: 'What Azure has to say first: the state of the cluster, the token for it',
  queue: 'The wait for a slot',
  intent: 'The intent, until it is durable in the audit trail',
  relay: 'The POST to Azure, and the wait for leave to send it',
  follow: 'Until Azure said how it ended',
  outcome: 'The outcome, until it is durable in the audit trail',
} as const;

export type SpanName = keyof typeof spans;

/** All that a span may say beside its name and its time: names of the code and of the configuration, numbers, the gateway's own ids. */
export interface SpanAttributes {
  readonly 'aksgw.cluster'?: string | undefined;
  readonly 'aksgw.job'?: string | undefined;
  readonly 'aksgw.command.id'?: string | undefined;
  readonly 'aksgw.request.id'?: string | undefined;
  readonly 'aksgw.outcome'?: string | undefined;
  /** A problem's code. */
  readonly 'error.type'?: string | undefined;
  readonly 'http.request.method'?: string | undefined;
  readonly 'http.route'?: string | undefined;
  readonly 'http.response.status_code'?: number | undefined;
}
