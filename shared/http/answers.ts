import * as Type from 'typebox';
import type { TSchema } from 'typebox';
import { problems, type ProblemCode } from '../errors.ts';
import { BatchRecordBody, ProblemBody, RecordBody } from './schemas.ts';

/** What a route can answer, for OpenAPI: fastify takes these as `schema.response`. Nothing here is checked at run time. */
interface Described {
  readonly description: string;
  readonly headers?: Readonly<Record<string, TSchema>>;
  readonly content: Readonly<Record<string, { readonly schema: TSchema }>>;
}
type Answers = Readonly<Record<number, Described>>;

const Header = (description: string) => Type.String({ description });
const RetryAfter = { 'Retry-After': Header('Seconds.') };

/** Any route behind a token may say these. */
const behindToken = [
  'token-missing',
  'token-invalid',
  'token-expired',
  'policy-denied',
  'request-invalid',
  'rate-limited',
  'internal-error',
  'audit-unavailable',
  'identity-unavailable',
  'gateway-busy',
] as const satisfies readonly ProblemCode[];

/** A body that is read and a command that is judged. */
export const aboutACommand = [
  'command-refused',
  'cluster-not-found',
  'cluster-frozen',
  'payload-too-large',
  'media-type-unsupported',
] as const satisfies readonly ProblemCode[];

/** A command that is given to Azure. */
export const aboutARun = [
  'interaction-required',
  'user-required',
  'idempotency-conflict',
  'azure-throttled',
  'azure-refused',
  'azure-unreachable',
  'cluster-unavailable',
  'configuration-changed',
] as const satisfies readonly ProblemCode[];

export const json = (description: string, schema: TSchema): Described => ({
  description,
  content: { 'application/json': { schema } },
});

/** Ready to be posted into a chat: Accept: text/markdown;profile=slack|teams|github. */
const message = { 'text/markdown': { schema: Type.String() } };

/** The same, or a message for people. */
export const jsonOrMessage = (description: string, schema: TSchema): Described => ({
  description,
  content: { ...json('', schema).content, ...message },
});

/** The problems of a route behind a token, by status: those that every such route has, and `more`. */
export function problemsOf(...more: readonly ProblemCode[]): Answers {
  const answers: Record<number, Described> = {};
  const byStatus = Map.groupBy([...behindToken, ...more], (code) => problems[code].status);
  for (const [status, codes] of byStatus) {
    answers[status] = {
      description: codes.join(', '),
      ...(status === 401 && { headers: { 'WWW-Authenticate': Header('RFC 6750, section 3, RFC 9728, section 5.1.') } }),
      ...((status === 429 || status === 503) && { headers: RetryAfter }),
      content: {
        'application/problem+json': {
          schema: Type.Unsafe({ allOf: [ProblemBody], properties: { code: Type.Enum([...codes]) } }),
        },
        ...message,
      },
    };
  }
  return answers;
}

const text = { 'text/plain': { schema: Type.String() } };
const ContentLocation = { 'Content-Location': Header('The address of the finished record.') };
export const Applied = { 'Preference-Applied': Header('The preferences that were honoured.') };

/** A command's record, as JSON or as text, beside the problems of its route. */
export const recordOr = (others: Answers): Answers => recordsOr(others, RecordBody, 'The record', 'a command');

/** What a job runs: one or the other. */
export const recordOrBatchOr = (others: Answers): Answers =>
  recordsOr(
    others,
    Type.Union([RecordBody, BatchRecordBody]),
    'The record or, of a job with steps, the batch',
    'a run',
  );

/** A batch with its steps' records, likewise. */
export const batchOr = (others: Answers): Answers => recordsOr(others, BatchRecordBody, 'The batch', 'a batch');

function recordsOr(others: Answers, body: TSchema, what: string, who: string): Answers {
  const asText = (status: number, description: string): Answers => {
    const other = others[status];
    return {
      [status]: {
        ...other,
        headers: { ...other?.headers, ...Applied, ...ContentLocation },
        description: [other?.description, description].filter(Boolean).join('; '),
        content: { ...other?.content, ...text },
      },
    };
  };
  return {
    ...others,
    200: {
      description: `${what}. As text: stdout, then stderr, of ${who} that completed.`,
      headers: {
        ...Applied,
        ...ContentLocation,
        'Retry-After': Header('Seconds, while it is not finished.'),
        'Exit-Code': Header('With text: of the command; of a batch the first that is not 0.'),
      },
      content: { ...json('', body).content, ...text, ...message },
    },
    202: {
      description: `${what} so far, of ${who} that is not finished.`,
      headers: { ...Applied, ...RetryAfter, Location: Header('Where to ask again.') },
      content: { ...json('', body).content, ...text, ...message },
    },
    ...asText(502, `as text also ${who} that failed: it did not run`),
    ...asText(504, `as text only: ${who} that may or may not have run`),
  };
}
