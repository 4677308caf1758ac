import { NotRun } from '../exits.ts';
import { readText, reasonOf, send as sendByNode, type Send } from '../transport.ts';
import type { Pin } from './pin.ts';

/** What a sign-in gives. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken?: string | undefined;
}

/** An error as Entra's endpoints give it (RFC 6749, section 5.2). */
export class EntraError extends Error {
  override readonly name = 'EntraError';
  readonly code: string;
  constructor(code: string, description: string) {
    super(description);
    this.code = code;
  }
}

const MOST_BYTES = 256 * 1024;

/** Posts a form to one of the tenant's endpoints. Throws EntraError for its refusals, NotRun when it does not answer. */
export async function postForm(
  { authority, tenant }: Pin,
  endpoint: 'token' | 'devicecode',
  form: Readonly<Record<string, string>>,
  { send = sendByNode, signal }: { readonly send?: Send | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Readonly<Record<string, unknown>>> {
  const url = `${authority}/${tenant}/oauth2/v2.0/${endpoint}`;
  let body: Readonly<Record<string, unknown>>;
  let status: number;
  try {
    const answer = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams(form).toString(),
      ...(signal && { signal }),
    });
    status = answer.status;
    const value: unknown = JSON.parse(await readText(answer, MOST_BYTES));
    body = typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new NotRun(`Entra does not answer: ${reasonOf(error, url)}`, { cause: error });
  }
  if (status === 200) return body;
  // Entra's text goes on with ids and a time; the first line is what people need.
  const { error, error_description: described } = body;
  const [description = ''] = typeof described === 'string' ? described.split(/\r?\n| Trace ID:/) : [];
  throw new EntraError(typeof error === 'string' ? error : `answer ${status}`, description);
}

/** The tokens in an answer of the token endpoint. Throws NotRun when there are none. */
export function tokensOf(body: Readonly<Record<string, unknown>>): Tokens {
  const { access_token: accessToken, refresh_token: refreshToken } = body;
  if (typeof accessToken !== 'string') throw new NotRun('Entra answered without an access token');
  return { accessToken, ...(typeof refreshToken === 'string' && { refreshToken }) };
}
