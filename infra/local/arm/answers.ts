import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AnswerFault } from './faults.ts';
import { armError, goJson, type ManagedClusterName, type Route } from './wire.ts';

/** ARM takes bodies of up to 4 MiB; for run command no limit is documented, 413 was seen. */
const BODY_LIMIT = 4 * 1024 * 1024;

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What ARM itself refuses, before any resource provider sees it. */
export function wrongRequest({ method = '', headers }: IncomingMessage, url: URL, route: Route): Answer | undefined {
  if (!/^Bearer \S+$/i.test(headers.authorization ?? ''))
    return {
      status: 401,
      body: armError('AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing."),
      headers: { 'www-authenticate': 'Bearer authorization_uri="https://login.microsoftonline.com/common"' },
    };
  if (!url.searchParams.get('api-version'))
    return {
      status: 400,
      body: armError(
        'MissingApiVersionParameter',
        'The api-version query parameter (?api-version=) is required for all requests.',
      ),
    };
  if (route.kind === 'none')
    return { status: 404, body: armError('InvalidResourceType', `The path ${url.pathname} could not be found.`) };
  if (method !== (route.kind === 'runCommand' ? 'POST' : 'GET'))
    return {
      status: 405,
      body: armError('HttpMethodNotSupported', `The resource does not support http method '${method}'.`),
    };
  return undefined;
}

export function notFound({ name, resourceGroup }: ManagedClusterName): Answer {
  const text = `The Resource 'Microsoft.ContainerService/managedClusters/${name}' under resource group '${resourceGroup}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`;
  return { status: 404, body: armError('ResourceNotFound', text) };
}

export const remainingReads = (left: number) => ({ 'x-ms-ratelimit-remaining-subscription-reads': String(left) });

export function throttled({ by, retryAfter }: { by: 'aks' | 'arm'; retryAfter: number }, subscription: string): Answer {
  const body =
    by === 'aks'
      ? armError(
          'Throttled',
          `The request limit has been exceeded for SubID '${subscription}', please retry again in ${retryAfter} seconds.`,
        )
      : armError(
          'SubscriptionRequestsThrottled',
          `Number of requests for subscription '${subscription}' exceeded. Please try again after '${retryAfter}' seconds.`,
        );
  return { status: 429, body, headers: { 'retry-after': String(retryAfter) } };
}

export function faultAnswer(fault: AnswerFault & { kind: 'status' }): Answer {
  const { status, code, message, body, headers, retryAfter } = fault;
  return {
    status,
    body:
      body ??
      armError(
        code ?? (status === 429 ? 'Throttled' : 'InternalServerError'),
        message ?? 'A scripted fault of the emulated Azure.',
      ),
    headers: { ...headers, ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }) },
  };
}

export interface RunCommandRequest {
  readonly command: string;
  readonly context: string;
  readonly clusterToken: string;
}

export function readRequest(body: Buffer | 'too large'): RunCommandRequest | undefined {
  if (body === 'too large') return undefined;
  try {
    const { command, context = '', clusterToken = '' } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    const good =
      typeof command === 'string' && command !== '' && typeof context === 'string' && typeof clusterToken === 'string';
    return good ? { command, context, clusterToken } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

export async function readBody(request: IncomingMessage): Promise<Buffer | 'too large'> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Read to the end anyway: an answer in the middle of a request body is lost on many clients.
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  return size > BODY_LIMIT ? 'too large' : Buffer.concat(chunks);
}

export function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const payload = body === undefined ? '' : typeof body === 'string' ? body : goJson(body);
  response.writeHead(status, {
    ...(payload !== '' && { 'content-type': 'application/json' }),
    ...headers,
    'content-length': Buffer.byteLength(payload),
  });
  response.end(payload);
}
