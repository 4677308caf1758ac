import { problems } from '../errors.ts';

/** What the page reads of the OpenAPI document. */
export interface Description {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Components };
}

type Components = Readonly<Record<string, Schema>>;

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema?: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Schema {
  /** `#/components/schemas/NAME` */
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** One page for people, made from the OpenAPI document: no script, no image, nothing from elsewhere. */
export const docsPage = ({ info, paths, components }: Description): string => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}h2{font:600 1rem ui-monospace,monospace;margin:2.5rem 0 .25rem}h3{font-size:.85rem;margin:.75rem 0 .25rem}p{margin:.25rem 0}pre{background:#f6f8fa;padding:.75rem;overflow:auto;font-size:.85rem}table{border-collapse:collapse;font-size:.85rem;width:100%}td,th{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #d0d7de;vertical-align:top}td:first-child{white-space:nowrap}small{color:#57606a}</style>
<h1>${escaped(info.title)} <small>${escaped(info.version)}</small></h1><p>${escaped(info.description ?? '')} For programs: <a href="/openapi.json">openapi.json</a>.</p>
<pre>curl -H "Authorization: Bearer $AKSGW_TOKEN" -H 'Content-Type: application/json' \\
     -d '{"command": "kubectl get pods -n shop"}' $AKSGW_URL/v1/clusters/demo/commands</pre>
<p>A token comes from Entra ID: <a href="/.well-known/oauth-protected-resource">the metadata</a> names the tenant and the scope to ask for.</p>
${Object.entries(paths)
  .flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) =>
      section(method, path, operation, components?.schemas ?? {}),
    ),
  )
  .join('\n')}
<h1 id="problems">Problems</h1>${table(
  ['code', 'status', 'what happened', 'what to do'],
  Object.entries(problems).map(([code, { status, title, next }]) => [
    coded(code),
    String(status),
    escaped(title),
    escaped(next),
  ]),
)}</html>
`;

function section(method: string, path: string, operation: Operation, components: Components): string {
  const { summary = '', description, security, parameters = [], requestBody, responses } = operation;
  const body = resolved(requestBody?.content['application/json']?.schema, components);
  const result = resolved(responses['200']?.content?.['application/json']?.schema, components);
  const given = parameters.map(({ name, in: where, required, description: told, schema }) => [
    coded(name),
    `${where}${required ? ', required' : ''}`,
    escaped(told ?? schema?.description ?? typeOf(schema ?? {})),
  ]);
  const statuses = Object.entries(responses).map(([status, { description: told }]) => [status, escaped(told)]);
  return [
    `<h2>${method.toUpperCase()} ${escaped(path)}</h2>`,
    `<p>${escaped(summary)}.${security?.length === 0 ? ' <small>No token needed.</small>' : ''}</p>`,
    ...(description ? [`<p><small>${escaped(description)}</small></p>`] : []),
    ...(given.length > 0 ? ['<h3>Parameters</h3>', table([], given)] : []),
    ...(body ? [`<h3>Body</h3>${note(body)}`, table([], fields(body, components))] : []),
    '<h3>Answers</h3>',
    table([], statuses),
    ...(result && fields(result, components).length > 0
      ? [`<details><summary><small>Fields of 200</small></summary>${table([], fields(result, components))}</details>`]
      : []),
  ].join('');
}

/** A row for each member, those of inner objects and lists after their own: name, type, description. */
function fields(schema: Schema, components: Components, prefix = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, given]) => {
    const member = resolved(given, components);
    const list = member.type === 'array';
    const inner = list ? resolved(member.items ?? {}, components) : member;
    const at = `${prefix}${name}${list ? '[]' : ''}`;
    const optional = schema.required?.includes(name) ? '' : ' <small>optional</small>';
    return [
      [coded(at) + optional, escaped(typeOf(inner)), escaped(member.description ?? '')],
      ...fields(inner, components, `${at}.`),
    ];
  });
}

function resolved<S extends Schema | undefined>(schema: S, components: Components): S | Schema {
  const name = schema?.$ref?.split('/').at(-1);
  return name === undefined ? schema : (components[name] ?? {});
}

const typeOf = ({ type, enum: values, anyOf, $ref }: Schema): string =>
  values?.map(String).join(' | ') ?? anyOf?.map(typeOf).join(' | ') ?? type ?? $ref?.split('/').at(-1) ?? 'any';

const note = ({ description }: Schema): string => (description ? `<p><small>${escaped(description)}</small></p>` : '');

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table>${heads.length > 0 ? `<tr>${heads.map((head) => `<th>${head}`).join('')}` : ''}${rows
    .map((cells) => `<tr>${cells.map((cell) => `<td>${cell}`).join('')}`)
    .join('')}</table>`;

const coded = (text: string): string => `<code>${escaped(text)}</code>`;

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
