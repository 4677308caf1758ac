import type { FastifyReply, FastifyRequest } from 'fastify';
import type { BatchResult } from '../../gateway/read-batch.ts';
import { batchMessage } from '../../chat/messages.ts';
import { addressOf, prefixOf } from '../address.ts';
import { profileOf, sendMessage } from '../markdown.ts';
import { sendBatchText, wantsText } from '../plain-text.ts';
import { recordBody } from '../record-body.ts';
import { batchStream, STREAMED_BYTES } from '../record-stream.ts';
import type { BatchOutputBody } from '../schemas.ts';
import type { Started } from './answer-record.ts';
import { RETRY_AFTER, serverTiming } from './running.ts';

/** Waits for a batch that the caller started for as long as it prefers, and answers with it. */
export async function answerStartedBatch(given: Started): Promise<FastifyReply> {
  const { gateway, clock, config, telemetry, request, reply, caller, started, prefer, signal, began } = given;
  const hold = (bytes: number): void => request.visit?.hold(bytes);
  const batch = await gateway.awaitBatch(caller, started, { ms: prefer.waitSeconds * 1_000, signal, hold });
  if (prefer.applied) reply.header('preference-applied', prefer.applied);
  const finished = batch.status !== 'running';
  if (finished) reply.header('server-timing', serverTiming(telemetry, started, clock.monotonic() - began));
  return answerBatch(request, reply, batch, finished ? 200 : 202, config().publicUrl);
}

/** A batch as it stands, as JSON, text or a message: 202 while a caller who started it may ask again. */
export function answerBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  batch: BatchResult,
  status: 200 | 202,
  publicUrl: string | undefined,
  retryAfter = RETRY_AFTER,
): FastifyReply {
  const path = `/v1/batches/${batch.id}`;
  const address = `${prefixOf(publicUrl)}${path}`;
  if (batch.status !== 'running') reply.header('content-location', address);
  else {
    reply.header('retry-after', String(retryAfter));
    if (status === 202) reply.header('location', address);
  }
  if (wantsText(request.headers.accept)) return sendBatchText(reply, batch);
  reply.code(status);
  const profile = profileOf(request);
  if (profile) return sendMessage(reply, batchMessage(batch, `${addressOf(request, publicUrl)}${path}`), profile);
  const { id, onError, items } = batch;
  const bytes = items.reduce((sum, { output }) => sum + bytesOf(output), 0);
  if (bytes >= STREAMED_BYTES) return reply.type('application/json; charset=utf-8').send(batchStream(batch));
  return reply.send({ id, status: batch.status, onError, items: items.map(recordBody) } satisfies BatchOutputBody);
}

const bytesOf = (output: BatchResult['items'][number]['output']): number =>
  output === undefined ? 0 : output.stdout.byteLength + output.stderr.byteLength;
