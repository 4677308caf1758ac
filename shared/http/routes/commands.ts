import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as Type from 'typebox';
import type { Static } from 'typebox';
import type { CommandResult } from '../../gateway/read-results.ts';
import { Problem } from '../../errors.ts';
import { isFinished } from '../../store/records.ts';
import type { AppOptions } from '../options.ts';
import { aboutACommand, aboutARun, json, problemsOf, recordOr } from '../answers.ts';
import { disconnectSignal } from '../disconnect.ts';
import { authenticated } from '../identify.ts';
import { requestedCommand } from '../command-body.ts';
import { cutLines } from '../output-lines.ts';
import { profileOf } from '../markdown.ts';
import { readPrefer } from '../prefer.ts';
import { recordBody } from '../record-body.ts';
import { CommandBody, ListBody, RecordBody, type CommandInput } from '../schemas.ts';
import { answerRecord, answerStarted } from './answer-record.ts';
import {
  CANCEL_SECONDS,
  ClusterParams,
  IdParams,
  letGo,
  RequesterHeaders,
  SendingHeaders,
  WaitingHeaders,
  withClaim,
  withRequester,
} from './running.ts';

const ListQuery = Type.Object(
  {
    cluster: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    status: Type.Optional(Type.Enum(['accepted', 'submitting', 'running', 'completed', 'failed', 'unknown'])),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 200, description: 'Most items of a page; 50 by default.' }),
    ),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'The `next` of the page before.' })),
  },
  { additionalProperties: false },
);
const Lines = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Lines of each of stdout and stderr.' }),
);
const LinesQuery = Type.Object({ head: Lines, tail: Lines }, { additionalProperties: false });

interface Run {
  Params: Static<typeof ClusterParams>;
  Body: CommandInput;
}

export async function commandRoutes(app: FastifyInstance, options: AppOptions): Promise<void> {
  const { gateway, clock, config } = options;
  /** A function of its own, so that nothing of the body is kept for as long as its caller waits. */
  const begin = async (request: FastifyRequest<Run>, signal: AbortSignal) => {
    const key = request.headers['idempotency-key']?.toString();
    const requested = requestedCommand(request.params.cluster, request.body, key, profileOf(request));
    const caller = withClaim(authenticated(request), requested.requestedBy);
    request.handedOver = true;
    const began = clock.monotonic();
    return { caller, began, started: await gateway.runCommand(caller, requested, signal) };
  };

  app.post<Run>(
    '/v1/clusters/:cluster/commands',
    {
      ...withRequester,
      schema: {
        operationId: 'runCommand',
        tags: ['commands'],
        summary: 'Run a kubectl or helm command',
        description:
          'A problem in answer means that nothing was started; anything that may have been started is a record.',
        params: ClusterParams,
        body: CommandBody,
        headers: SendingHeaders,
        response: recordOr(problemsOf(...aboutACommand, ...aboutARun)),
      },
    },
    async (request, reply) => {
      const prefer = readPrefer(request.headers.prefer);
      const signal = disconnectSignal(reply);
      const { caller, began, started } = await begin(request, signal);
      letGo(request);
      return answerStarted({ ...options, request, reply, caller, started, prefer, signal, began });
    },
  );

  app.get<{ Params: Static<typeof IdParams>; Querystring: Static<typeof LinesQuery> }>(
    '/v1/commands/:id',
    {
      ...withRequester,
      schema: {
        operationId: 'getCommand',
        tags: ['commands'],
        summary: "A command's record",
        params: IdParams,
        querystring: LinesQuery,
        headers: WaitingHeaders,
        response: recordOr(problemsOf('command-not-found', 'result-expired', 'result-missing')),
      },
    },
    async (request, reply) => {
      const prefer = request.headers.prefer === undefined ? undefined : readPrefer(request.headers.prefer);
      const ms = prefer?.applied === undefined ? 0 : prefer.waitSeconds * 1_000;
      const wait = { ms, signal: disconnectSignal(reply), hold: (bytes: number) => request.visit?.hold(bytes) };
      const { head, tail } = request.query;
      if (head !== undefined && tail !== undefined)
        throw new Problem('request-invalid', 'The query may have head or tail, not both.');
      const whole = await gateway.readResult(authenticated(request), request.params.id, wait);
      const result = withLines(whole, head === undefined ? 'tail' : 'head', head ?? tail);
      if (prefer?.applied) reply.header('preference-applied', prefer.applied);
      return answerRecord(request, reply, result, 200, config().publicUrl);
    },
  );

  app.post<{ Params: Static<typeof IdParams> }>(
    '/v1/commands/:id/cancel',
    {
      ...withRequester,
      schema: {
        operationId: 'cancelCommand',
        tags: ['commands'],
        summary: 'End a command',
        description:
          'Before it was sent: it is failed, with the code cancelled. While it runs: its pod is told to end it, which takes a POST to Azure and ' +
          'the start of a pod; the record then is completed, with exit code 143, what was printed, and cancelled: true.',
        params: IdParams,
        headers: RequesterHeaders,
        response: recordOr(problemsOf('command-not-found', 'command-finished', 'cancel-unavailable')),
      },
    },
    async (request, reply) => {
      request.handedOver = true;
      const result = await gateway.cancelCommand(authenticated(request), request.params.id);
      const status = isFinished(result.record) ? 200 : 202;
      return answerRecord(request, reply, result, status, config().publicUrl, CANCEL_SECONDS);
    },
  );

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/v1/commands',
    {
      ...withRequester,
      schema: {
        operationId: 'listCommands',
        tags: ['commands'],
        summary: "The caller's own commands, newest first, without output",
        querystring: ListQuery,
        headers: RequesterHeaders,
        response: { ...problemsOf(), 200: json('A page.', ListBody(RecordBody)) },
      },
    },
    async (request) => {
      const { items, next } = await gateway.listOwnCommands(authenticated(request), { limit: 50, ...request.query });
      return { items: items.map((record) => recordBody({ record })), next: next ?? null };
    },
  );
}

function withLines(result: CommandResult, from: 'head' | 'tail', count: number | undefined): CommandResult {
  if (count === undefined || !result.output) return result;
  return { ...result, output: cutLines(result.output, from, count) };
}
