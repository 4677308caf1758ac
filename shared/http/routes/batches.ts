import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { aboutACommand, aboutARun, batchOr, problemsOf } from '../answers.ts';
import { requestedBatch } from '../command-body.ts';
import { disconnectSignal } from '../disconnect.ts';
import { authenticated } from '../identify.ts';
import type { AppOptions } from '../options.ts';
import { profileOf } from '../markdown.ts';
import { readPrefer } from '../prefer.ts';
import { BatchBody, type BatchInput } from '../schemas.ts';
import { answerBatch, answerStartedBatch } from './answer-batch.ts';
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

interface Run {
  Params: Static<typeof ClusterParams>;
  Body: BatchInput;
}

export async function batchRoutes(app: FastifyInstance, options: AppOptions): Promise<void> {
  const { gateway, clock, config } = options;
  /** A function of its own, so that nothing of the body is kept for as long as its caller waits. */
  const begin = async (request: FastifyRequest<Run>, signal: AbortSignal) => {
    const key = request.headers['idempotency-key']?.toString();
    const requested = requestedBatch(request.params.cluster, request.body, key, profileOf(request));
    const caller = withClaim(authenticated(request), requested.requestedBy);
    request.handedOver = true;
    const began = clock.monotonic();
    return { caller, began, started: await gateway.runBatch(caller, requested, signal) };
  };

  app.post<Run>(
    '/v1/clusters/:cluster/batches',
    {
      ...withRequester,
      schema: {
        operationId: 'runBatch',
        tags: ['batches'],
        summary: 'Run several commands one after the other in one pod',
        description:
          'All are judged first: one that is denied or refused makes a problem with its number, from 0, as `step`, and nothing is run. ' +
          'Anything that may have been started is a record.',
        params: ClusterParams,
        body: BatchBody,
        headers: SendingHeaders,
        response: batchOr(problemsOf(...aboutACommand, ...aboutARun)),
      },
    },
    async (request, reply) => {
      const prefer = readPrefer(request.headers.prefer);
      const signal = disconnectSignal(reply);
      const { caller, began, started } = await begin(request, signal);
      letGo(request);
      return answerStartedBatch({ ...options, request, reply, caller, started, prefer, signal, began });
    },
  );

  app.get<{ Params: Static<typeof IdParams> }>(
    '/v1/batches/:id',
    {
      ...withRequester,
      schema: {
        operationId: 'getBatch',
        tags: ['batches'],
        summary: "A batch, with its steps' records",
        params: IdParams,
        headers: WaitingHeaders,
        response: batchOr(problemsOf('batch-not-found')),
      },
    },
    async (request, reply) => {
      const prefer = request.headers.prefer === undefined ? undefined : readPrefer(request.headers.prefer);
      const ms = prefer?.applied === undefined ? 0 : prefer.waitSeconds * 1_000;
      const wait = { ms, signal: disconnectSignal(reply), hold: (bytes: number) => request.visit?.hold(bytes) };
      const batch = await gateway.readBatch(authenticated(request), request.params.id, wait);
      if (prefer?.applied) reply.header('preference-applied', prefer.applied);
      return answerBatch(request, reply, batch, 200, config().publicUrl);
    },
  );

  app.post<{ Params: Static<typeof IdParams> }>(
    '/v1/batches/:id/cancel',
    {
      ...withRequester,
      schema: {
        operationId: 'cancelBatch',
        tags: ['batches'],
        summary: 'Cancel a batch: end the running step, and do not start the rest',
        params: IdParams,
        headers: RequesterHeaders,
        response: batchOr(problemsOf('batch-not-found', 'command-finished', 'cancel-unavailable')),
      },
    },
    async (request, reply) => {
      request.handedOver = true;
      const batch = await gateway.cancelBatch(authenticated(request), request.params.id);
      const status = batch.status === 'running' ? 202 : 200;
      return answerBatch(request, reply, batch, status, config().publicUrl, CANCEL_SECONDS);
    },
  );
}
