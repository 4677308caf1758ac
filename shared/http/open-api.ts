import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { ProblemBody } from './schemas.ts';

const tags = [
  { name: 'commands', description: 'Run a command, explain it, read its result.' },
  { name: 'batches', description: 'Run several commands in one pod.' },
  { name: 'jobs', description: 'Scheduled maintenance.' },
  { name: 'clusters', description: 'Where commands can run.' },
  { name: 'callers', description: 'Who the caller is and what it may do.' },
  { name: 'audit', description: 'The trail: all of it for auditors, their own events for other callers.' },
  {
    name: 'service',
    description: 'The gateway itself: health, metadata, this description, for which no token is needed, and metrics.',
  },
];

/** What surrounds the routes in the OpenAPI document; the routes describe themselves, and `servers` is known when it is sent. */
export const openApi = (version: string): FastifyDynamicSwaggerOptions => ({
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'aks-access-gateway',
      version,
      description:
        'kubectl and helm on private AKS clusters, each call authenticated, judged, run at most once and recorded. ' +
        'Every problem is RFC 9457 with a stable code; at any address also route-not-found (404), method-not-allowed (405), request-timeout (408), ' +
        'length-required (411), expectation-failed (417) and headers-too-large (431).',
    },
    tags,
    components: {
      securitySchemes: { entra: { type: 'http', scheme: 'bearer', bearerFormat: 'Entra ID v2.0 access token' } },
      // Named here as well for what can happen at any address, in no route's answers.
      schemas: { Problem: { ...ProblemBody } as object },
    },
    security: [{ entra: [] }],
  },
  transformObject: (document) => ('openapiObject' in document ? withComponents(document.openapiObject) : {}),
});

interface Document {
  readonly paths?: object;
  readonly components?: { readonly schemas?: Readonly<Record<string, object>> };
}

/** Makes a component of each schema that has a title, named by it: a generated client then has one type for it, with that name. */
function withComponents<D extends Document>(document: D): D {
  const schemas: Record<string, object> = {};
  const hoist = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(hoist);
    if (typeof value !== 'object' || value === null) return value;
    const inner: Record<string, unknown> = Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, key === 'examples' ? member : hoist(member)]),
    );
    const { title } = inner;
    const oneOf = exactlyOne(inner);
    if (oneOf) inner['oneOf'] = oneOf;
    if (typeof title !== 'string') return inner;
    schemas[title] = inner;
    return { $ref: `#/components/schemas/${title}` };
  };
  const paths = hoist(document.paths) as object;
  hoist(document.components?.schemas);
  const sorted = Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { ...document, paths, components: { ...document.components, schemas: sorted } };
}

/**
 * A command is words or one line, and where a batch may stand in its place, the steps. The gateway says in its own words which is missing,
 * so its validator need not know this.
 */
function exactlyOne({ properties }: Readonly<Record<string, unknown>>): readonly object[] | undefined {
  const known = (properties ?? {}) as Readonly<Record<string, unknown>>;
  if (!('argv' in known && 'command' in known)) return undefined;
  return ['argv', 'command', 'steps'].filter((name) => name in known).map((name) => ({ required: [name] }));
}
