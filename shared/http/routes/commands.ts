import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import type { Started } from '../../gateway.ts';
import type { Result } from '../../results.ts';
import { isFinished } from '../../store/records.ts';
import type { AppOptions } from '../app.ts';
import { hangUp } from '../hang-up.ts';
import { callOf } from '../identify.ts';
import { orderOf } from '../order.ts';
import { readPrefer } from '../prefer.ts';
import { recordBody } from '../record-body.ts';
import { CommandBody, ListBody, ProblemBody, RecordBody, type CommandInput } from '../schemas.ts';
import { sendText, wantsText } from '../text.ts';

const ClusterParams = Type.Object({ cluster: Type.String({ minLength: 1, maxLength: 128 }) });
const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) });
const ListQuery = Type.Object(
  {
    cluster: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    status: Type.Optional(Type.Enum(['accepted', 'submitting', 'running', 'completed', 'failed', 'unknown'])),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
  },
  { additionalProperties: false },
);
/** Seconds until it is worth asking again. */
const RETRY_AFTER = 1;

export async function commandRoutes(app: FastifyInstance, { gateway, results, clock }: AppOptions): Promise<void> {
  app.post<{ Params: Static<typeof ClusterParams>; Body: CommandInput }>(
    '/v1/clusters/:cluster/commands',
    {
      schema: {
        summary: 'Run a kubectl or helm command',
        description: 'A problem in answer means that nothing was started; whatever may have been started is a record.',
        params: ClusterParams,
        body: CommandBody,
        headers: Type.Object({ 'idempotency-key': Type.Optional(Type.String()), prefer: Type.Optional(Type.String()) }),
        response: { 200: RecordBody, 202: RecordBody, '4xx': ProblemBody, '5xx': ProblemBody },
      },
    },
    async (request, reply) => {
      const prefer = readPrefer(request.headers.prefer);
      const call = callWith(request, request.body.requestedBy);
      const order = orderOf(request.params.cluster, request.body, request.headers['idempotency-key']?.toString());
      request.taken = true;
      const began = clock.monotonic();
      const signal = hangUp(reply);
      const started = await gateway.run(call, order, signal);
      const result = await results.settle(started, { ms: prefer.waitSeconds * 1_000, signal });
      if (prefer.applied) reply.header('preference-applied', prefer.applied);
      const finished = isFinished(result.record.status);
      if (finished) reply.header('server-timing', serverTiming(started, clock.monotonic() - began));
      return answer(request, reply, result, finished ? 200 : 202);
    },
  );

  app.get<{ Params: Static<typeof IdParams> }>(
    '/v1/commands/:id',
    {
      schema: {
        summary: "A command's record",
        params: IdParams,
        headers: Type.Object({ prefer: Type.Optional(Type.String()) }),
        response: { 200: RecordBody, '4xx': ProblemBody, '5xx': ProblemBody },
      },
    },
    async (request, reply) => {
      const prefer = request.headers.prefer === undefined ? undefined : readPrefer(request.headers.prefer);
      const ms = prefer?.applied === undefined ? 0 : prefer.waitSeconds * 1_000;
      const result = await results.read(callOf(request), request.params.id, { ms, signal: hangUp(reply) });
      if (prefer?.applied) reply.header('preference-applied', prefer.applied);
      return answer(request, reply, result, 200);
    },
  );

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/v1/commands',
    {
      schema: {
        summary: "The caller's own commands, newest first, without output",
        querystring: ListQuery,
        response: { 200: ListBody(RecordBody), '4xx': ProblemBody, '5xx': ProblemBody },
      },
    },
    async (request) => {
      const { items, next } = await results.list(callOf(request), { limit: 50, ...request.query });
      return { items: items.map((record) => recordBody({ record })), next: next ?? null };
    },
  );
}

function answer(request: FastifyRequest, reply: FastifyReply, result: Result, status: 200 | 202) {
  const address = `/v1/commands/${result.record.id}`;
  if (isFinished(result.record.status)) reply.header('content-location', address);
  else reply.headers({ location: address, 'retry-after': String(RETRY_AFTER) });
  if (wantsText(request.headers.accept)) return sendText(reply, result);
  return reply.code(status).send(recordBody(result));
}

/** W3C Server Timing: whose time it was that the caller waited. */
function serverTiming({ drive, azureMs }: Started, total: number): string {
  const azure = azureMs + (drive?.elsewhere.azure ?? 0);
  const queue = drive?.elsewhere.queue ?? 0;
  const gateway = Math.max(0, total - azure - queue);
  return Object.entries({ gateway, queue, azure })
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ');
}

/** The caller's claim of acting for somebody goes into the trail with everything else it claims. */
function callWith(request: FastifyRequest, requestedBy: string | undefined) {
  const call = callOf(request);
  return { ...call, facts: { ...call.facts, claimed: { ...call.facts.claimed, requestedBy } } };
}
