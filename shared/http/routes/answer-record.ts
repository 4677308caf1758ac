import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CommandResult } from '../../gateway/read-results.ts';
import type { AuthenticatedRequest } from '../../gateway/request.ts';
import type { StartedCommand } from '../../gateway/run-command.ts';
import { isFinished } from '../../store/records.ts';
import { recordMessage } from '../../chat/messages.ts';
import { addressOf, prefixOf } from '../address.ts';
import { profileOf, sendMessage } from '../markdown.ts';
import type { AppOptions } from '../options.ts';
import { sendText, wantsText } from '../plain-text.ts';
import type { readPrefer } from '../prefer.ts';
import { recordBody } from '../record-body.ts';
import { recordStream, STREAMED_BYTES } from '../record-stream.ts';
import { RETRY_AFTER, serverTiming } from './running.ts';

/** What a caller has just started, and how it wants to hear of it. */
export interface Started extends Pick<AppOptions, 'gateway' | 'clock' | 'config' | 'telemetry'> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: AuthenticatedRequest;
  readonly started: StartedCommand;
  readonly prefer: ReturnType<typeof readPrefer>;
  /** The caller's connection. */
  readonly signal: AbortSignal;
  /** Monotonic. */
  readonly began: number;
}

/** Waits for a command that the caller started for as long as it prefers, and answers with its record. */
export async function answerStarted(given: Started) {
  const { gateway, clock, config, telemetry, request, reply, caller, started, prefer, signal, began } = given;
  const hold = (bytes: number): void => request.visit?.hold(bytes);
  const result = await gateway.awaitResult(caller, started, { ms: prefer.waitSeconds * 1_000, signal, hold });
  if (prefer.applied) reply.header('preference-applied', prefer.applied);
  const finished = isFinished(result.record);
  if (finished) reply.header('server-timing', serverTiming(telemetry, started, clock.monotonic() - began));
  return answerRecord(request, reply, result, finished ? 200 : 202, config().publicUrl);
}

/** A record as it stands, as JSON, text or a message: 202 while a caller who started it may ask again. */
export function answerRecord(
  request: FastifyRequest,
  reply: FastifyReply,
  result: CommandResult,
  status: 200 | 202,
  publicUrl: string | undefined,
  retryAfter = RETRY_AFTER,
) {
  const path = `/v1/commands/${result.record.id}`;
  const address = `${prefixOf(publicUrl)}${path}`;
  if (isFinished(result.record)) reply.header('content-location', address);
  else {
    reply.header('retry-after', String(retryAfter));
    if (status === 202) reply.header('location', address);
  }
  if (wantsText(request.headers.accept)) return sendText(reply, result);
  reply.code(status);
  const profile = profileOf(request);
  if (profile) return sendMessage(reply, recordMessage(result, `${addressOf(request, publicUrl)}${path}`), profile);
  const bytes = (result.output?.stdout.byteLength ?? 0) + (result.output?.stderr.byteLength ?? 0);
  if (bytes < STREAMED_BYTES) return reply.send(recordBody(result));
  return reply.type('application/json; charset=utf-8').send(recordStream(result));
}
