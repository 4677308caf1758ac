import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { BatchResult } from '../../gateway/read-batch.ts';
import { ABOUT_A_COMMAND, ABOUT_A_RUN, batchOr, problemsOf } from '../answers.ts';
import { prefixOf } from '../address.ts';
import { requestedBatch } from '../command-body.ts';
import { disconnectSignal } from '../disconnect.ts';
import { authenticated } from '../identify.ts';
import type { AppOptions } from '../options.ts';
import { sendBatchText, wantsText } from '../plain-text.ts';
import { readPrefer } from '../prefer.ts';
import { recordBody } from '../record-body.ts';
import { batchStream, STREAMED_BYTES } from '../record-stream.ts';
import { BatchBody, type BatchInput, type BatchOutputBody } from '../schemas.ts';
import {
  CANCEL_SECONDS,
  ClusterParams,
  IdParams,
  RETRY_AFTER,
  SendingHeaders,
  serverTiming,
  WaitingHeaders,
  withClaim,
} from './running.ts';

export async function batchRoutes(app: FastifyInstance, { gateway, clock, config }: AppOptions): Promise<void> {
  app.post<{ Params: Static<typeof ClusterParams>; Body: BatchInput }>(
    '/v1/clusters/:cluster/batches',
    {
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
        response: batchOr(problemsOf(...ABOUT_A_COMMAND, ...ABOUT_A_RUN)),
      },
    },
    async (request, reply) => {
      const prefer = readPrefer(request.headers.prefer);
      const key = request.headers['idempotency-key']?.toString();
      const requested = requestedBatch(request.params.cluster, request.body, key);
      const caller = withClaim(authenticated(request), requested.requestedBy);
      request.handedOver = true;
      const began = clock.monotonic();
      const signal = disconnectSignal(reply);
      const started = await gateway.runBatch(caller, requested, signal);
      const batch = await gateway.awaitBatch(caller, started, {
        ms: prefer.waitSeconds * 1_000,
        signal,
        hold: (bytes) => request.visit?.hold(bytes),
      });
      if (prefer.applied) reply.header('preference-applied', prefer.applied);
      const finished = batch.status !== 'running';
      if (finished) reply.header('server-timing', serverTiming(started, clock.monotonic() - began));
      return answer(request, reply, batch, finished ? 200 : 202, prefixOf(config().publicUrl));
    },
  );

  app.get<{ Params: Static<typeof IdParams> }>(
    '/v1/batches/:id',
    {
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
      return answer(request, reply, batch, 200, prefixOf(config().publicUrl));
    },
  );

  app.post<{ Params: Static<typeof IdParams> }>(
    '/v1/batches/:id/cancel',
    {
      schema: {
        operationId: 'cancelBatch',
        tags: ['batches'],
        summary: 'End a batch: the step that runs, and the rest is not started',
        params: IdParams,
        response: batchOr(problemsOf('batch-not-found', 'command-finished', 'cancel-unavailable')),
      },
    },
    async (request, reply) => {
      request.handedOver = true;
      const batch = await gateway.cancelBatch(authenticated(request), request.params.id);
      const status = batch.status === 'running' ? 202 : 200;
      return answer(request, reply, batch, status, prefixOf(config().publicUrl), CANCEL_SECONDS);
    },
  );
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  batch: BatchResult,
  status: 200 | 202,
  prefix: string,
  retryAfter = RETRY_AFTER,
): FastifyReply {
  const address = `${prefix}/v1/batches/${batch.id}`;
  if (batch.status !== 'running') reply.header('content-location', address);
  else {
    reply.header('retry-after', String(retryAfter));
    if (status === 202) reply.header('location', address);
  }
  if (wantsText(request.headers.accept)) return sendBatchText(reply, batch);
  reply.code(status);
  const { id, onError, items } = batch;
  const bytes = items.reduce((sum, { output }) => sum + bytesOf(output), 0);
  if (bytes >= STREAMED_BYTES) return reply.type('application/json; charset=utf-8').send(batchStream(batch));
  return reply.send({ id, status: batch.status, onError, items: items.map(recordBody) } satisfies BatchOutputBody);
}

const bytesOf = (output: BatchResult['items'][number]['output']): number =>
  output === undefined ? 0 : output.stdout.byteLength + output.stderr.byteLength;
