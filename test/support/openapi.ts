import { Compile, type Validator } from 'typebox/schema';
import type { Answer, TestStack } from './stack.ts';

export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
}

export interface Operation {
  readonly operationId: string;
  readonly tags?: readonly string[];
  readonly requestBody?: {
    readonly content: Readonly<
      Record<
        string,
        {
          readonly schema: Readonly<Record<string, unknown>>;
          readonly example?: unknown;
          readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
        }
      >
    >;
  };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content: Readonly<Record<string, { readonly schema: Readonly<Record<string, unknown>> }>>;
}

/** Headers of a transport or of every answer: the document need not name them. */
const COMMON =
  /^(date|connection|keep-alive|transfer-encoding|content-(type|length|security-policy)|cache-control|x-.*|server-timing|command-status|truncated)$/;

/** The stack, each of whose answers is held against its own OpenAPI document: status, media type, headers, and every member of the body. */
export async function held(stack: TestStack): Promise<TestStack & { readonly document: OpenApi }> {
  const { body } = await stack.request<OpenApi>('GET', '/openapi.json', { token: null });
  const document = inlined(body);
  const routes = Object.entries(document.paths).map(([path, operations]) => ({
    operations,
    form: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
  const validators = new Map<unknown, Validator>();

  function check(method: string, path: string, { status, headers, body, text }: Answer<unknown>): void {
    const at = `${method} ${path} answered ${status}`;
    const route = routes.find(({ form }) => form.test(path.split('?')[0] ?? ''));
    const operation = route?.operations[method.toLowerCase()];
    if (!route || !operation) {
      const { code } = body as { code?: string };
      const fits = route ? code === 'method-not-allowed' : code === 'route-not-found' || status === 400;
      if (!fits) throw new Error(`${at}, which no route of the document does: ${text}`);
      return;
    }
    const response = operation.responses[String(status)];
    if (!response) throw new Error(`${at}, which its route does not name: ${text}`);
    const media = headers.get('content-type')?.split(';')[0] ?? '';
    const schema = response.content[media]?.schema;
    if (!schema) throw new Error(`${at} with ${media}, which its route does not name`);
    const named = Object.keys(response.headers ?? {}).map((name) => name.toLowerCase());
    for (const name of headers.keys())
      if (!COMMON.test(name) && !named.includes(name) && name !== 'allow')
        throw new Error(`${at} with the header ${name}, which its route does not name`);
    if (!media.endsWith('json')) return;
    // A problem may have further members (RFC 9457 §3.2); nothing else may.
    const problem = media === 'application/problem+json';
    const validator = validators.get(schema) ?? Compile(problem ? schema : (closed(schema) as typeof schema));
    validators.set(schema, validator);
    const [, errors] = validator.Errors(body);
    if (errors.length > 0) throw new Error(`${at}, not as described: ${JSON.stringify(errors.slice(0, 3))}`);
  }

  const request: TestStack['request'] = async (method, path, options) => {
    const answer = await stack.request(method, path, options);
    check(method, path, answer);
    return answer as never;
  };
  return {
    ...stack,
    document,
    request,
    command: (body, options) => request('POST', '/v1/clusters/demo/commands', { ...options, body }),
    explain: (body, options) => request('POST', '/v1/clusters/demo/explain', { ...options, body }),
  };
}

/** The document with each reference replaced by the component that it names. */
export function inlined(document: OpenApi): OpenApi {
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref } = value as { readonly $ref?: string };
    if ($ref !== undefined) return resolve(document.components.schemas[$ref.replace('#/components/schemas/', '')]);
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, resolve(member)]));
  };
  return resolve(document) as OpenApi;
}

/** A schema under which an object has no member that is not described. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inner && !('openapi' in (inner['properties'] as object))
    ? { ...inner, additionalProperties: false }
    : inner;
}
