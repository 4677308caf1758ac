import type { FastifyInstance } from 'fastify';
import { problems } from '../../errors.ts';

const documented = { public: true } as const;
/** Nothing from anywhere else: the page works in a network without a way out. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The API's own description: for programs, and for people on one page. */
export async function docsRoutes(app: FastifyInstance): Promise<void> {
  const schema = { hide: true };
  app.get('/openapi.json', { config: documented, schema }, async () => app.swagger());
  app.get('/docs', { config: documented, schema }, async (_request, reply) =>
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', POLICY)
      .send(page(app.swagger() as unknown as Description)),
  );
}

interface Description {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = ({ info, paths }: Description): string => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}h2{font:600 1rem ui-monospace,monospace;margin:2rem 0 .25rem}pre{background:#f6f8fa;padding:.75rem;overflow:auto;font-size:.85rem}table{border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d0d7de;vertical-align:top}small{color:#57606a}</style>
<h1>${escaped(info.title)} <small>${escaped(info.version)}</small></h1><p>${escaped(info.description ?? '')} <a href="/openapi.json">openapi.json</a></p>
<pre>curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
     -d '{"command":"kubectl get pods -n shop"}' …/v1/clusters/demo/commands</pre>
${Object.entries(paths)
  .flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => section(method, path, operation)),
  )
  .join('\n')}
<h1>Problems</h1><table><tr><th>code<th>status<th>what happened<th>what to do${Object.entries(problems)
  .map(
    ([code, { status, title, next }]) =>
      `<tr><td><code>${code}</code><td>${status}<td>${escaped(title)}<td>${escaped(next)}`,
  )
  .join('')}</table></html>
`;

function section(
  method: string,
  path: string,
  { summary, description, security, requestBody, parameters }: Operation,
): string {
  const body = requestBody?.content['application/json']?.schema;
  const named = (parameters ?? []).map(
    ({ name, in: where, required }) => `${name} (${where}${required ? ', required' : ''})`,
  );
  return `<h2>${method.toUpperCase()} ${escaped(path)}</h2><p>${escaped(summary ?? '')}${security?.length === 0 ? ' <small>no token needed</small>' : ''}${description ? `<br><small>${escaped(description)}</small>` : ''}</p>${
    named.length > 0 ? `<p><small>${escaped(named.join(' · '))}</small></p>` : ''
  }${body ? `<pre>${escaped(JSON.stringify(body, null, 2))}</pre>` : ''}`;
}
