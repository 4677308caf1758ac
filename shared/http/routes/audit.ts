import type { FastifyInstance } from 'fastify';
import * as Type from 'typebox';
import type { Static } from 'typebox';
import { MAX_CURSOR } from '../../audit/read/cursor.ts';
import { Problem } from '../../errors.ts';
import type { AppOptions } from '../options.ts';
import { json, problemsOf } from '../answers.ts';
import { disconnectSignal } from '../disconnect.ts';
import { authenticated } from '../identify.ts';
import { AuditEventBody, CheckpointBody } from '../audit-body.ts';
import { ListBody } from '../schemas.ts';

const Limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1_000, description: 'Most items of a page; 100 by default.' }),
);
const Cursor = Type.Optional(
  Type.String({ minLength: 1, maxLength: MAX_CURSOR, description: 'The `next` of the page before.' }),
);
const Time = Type.Optional(
  Type.String({ minLength: 1, maxLength: 256, description: 'A time such as 2026-01-31T08:00:00Z, or a day.' }),
);
const Word = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));
const closed = { additionalProperties: false } as const;
const EventsQuery = Type.Object(
  {
    since: Time,
    until: Time,
    principal: Word,
    cluster: Word,
    code: Word,
    command: Word,
    requestId: Word,
    requestedBy: Word,
    order: Type.Optional(
      Type.Enum(['asc', 'desc'], { description: 'asc: oldest first, unless told; desc: newest first.' }),
    ),
    limit: Limit,
    cursor: Cursor,
  },
  closed,
);
const CheckpointsQuery = Type.Object({ limit: Limit, cursor: Cursor }, closed);

/** A query may read the whole trail. */
const SCAN_COST = 20;

/** The trail over HTTP: an auditor sees all, any other caller the events of its own calls. Reading is itself an event. */
export async function auditRoutes(app: FastifyInstance, { gateway }: AppOptions): Promise<void> {
  app.get<{ Querystring: Static<typeof EventsQuery> }>(
    '/v1/audit/events',
    {
      config: { cost: SCAN_COST },
      schema: {
        operationId: 'listAuditEvents',
        tags: ['audit'],
        summary: 'Audit events, oldest or newest first',
        querystring: EventsQuery,
        response: { ...problemsOf(), 200: json('A page.', ListBody(AuditEventBody)) },
      },
    },
    async (request, reply) => {
      const { since, until, limit = 100, ...rest } = request.query;
      const query = {
        ...rest,
        limit,
        since: timeOf('since', since),
        until: timeOf('until', until),
        signal: disconnectSignal(reply),
      };
      const page = await gateway.readAuditEvents(authenticated(request), query, asText(request.query));
      return { items: page.items, next: page.next ?? null };
    },
  );

  app.get<{ Querystring: Static<typeof CheckpointsQuery> }>(
    '/v1/audit/checkpoints',
    {
      config: { cost: SCAN_COST },
      schema: {
        operationId: 'listCheckpoints',
        tags: ['audit'],
        summary: 'Signed checkpoints, oldest first',
        querystring: CheckpointsQuery,
        response: { ...problemsOf(), 200: json('A page.', ListBody(CheckpointBody)) },
      },
    },
    async (request) => {
      const page = await gateway.readCheckpoints(authenticated(request), { limit: 100, ...request.query });
      return { items: page.items, next: page.next ?? null };
    },
  );
}

/** RFC 3339 to epoch milliseconds. */
function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  // Date takes 31 February for 3 March: the day must come back as it was written.
  const day = Date.parse(`${text.slice(0, 10)}T00:00:00Z`);
  const real = !Number.isNaN(day) && new Date(day).toISOString().startsWith(text.slice(0, 10));
  if (Number.isNaN(ms) || !real)
    throw new Problem('request-invalid', `${name} has to be a time such as 2026-01-31T08:00:00Z.`);
  return ms;
}

/** The query as the caller wrote it, for the event that records the reading. */
const asText = (query: Readonly<Record<string, unknown>>): string =>
  Object.entries(query)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
