import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { people, startStack, type Stack, type StackOptions } from '../../infra/local/stack.ts';
import type { CommandOutputBody, ProblemDocument } from '../../shared/http/schemas.ts';

export { people };

/** A record or a problem; the HTTP status tells which. */
export type Body = CommandOutputBody & Omit<ProblemDocument, 'status'>;

/** An answer of the gateway; `body` is a record, a problem or a list, whatever the test expects of it. */
export interface Answer<T = Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly text: string;
}

export interface TestStack extends Stack {
  readonly folder: string;
  request<T = Body>(method: string, path: string, options?: RequestOptions): Promise<Answer<T>>;
  /** POSTs a command to the demo cluster, as the team's developer unless told otherwise. */
  command(body: unknown, options?: RequestOptions): Promise<Answer>;
  explain(
    body: unknown,
    options?: RequestOptions,
  ): Promise<Answer<Record<string, unknown> & Omit<ProblemDocument, 'status'>>>;
  readonly tokens: { readonly user: string; readonly bot: string; readonly job: string; readonly auditor: string };
}

export interface RequestOptions {
  readonly token?: string | null;
  readonly headers?: Record<string, string>;
  /** JSON of a value; bytes and text as they are. */
  readonly body?: unknown;
}

/** The whole house over real sockets, in a folder of its own that goes with it. */
export async function testStack(options: Omit<StackOptions, 'folder'> & { folder?: string } = {}): Promise<TestStack> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'aksgw-test-'));
  const stack = await startStack({ ...options, folder });
  const { entra } = stack.azure;
  const tokens = {
    user: await entra.userToken({ oid: people.user, groups: [people.team] }),
    bot: await entra.appToken({ oid: people.bot, roles: ['Commands.Run'] }),
    job: await entra.appToken({ oid: people.job, roles: ['Commands.Run'] }),
    auditor: await entra.userToken({ oid: people.auditor }),
  };

  async function request<T>(
    method: string,
    path: string,
    { token = tokens.user, headers, body }: RequestOptions = {},
  ): Promise<Answer<T>> {
    const plain = typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(`${stack.url}${path}`, {
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: plain ? (body as string) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (json ? JSON.parse(text) : undefined) as T,
    };
  }

  return {
    ...stack,
    folder,
    tokens,
    request,
    command: (body, given) => request('POST', '/v1/clusters/demo/commands', { ...given, body }),
    explain: (body, given) => request('POST', '/v1/clusters/demo/explain', { ...given, body }),
    async close() {
      await stack.close();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
