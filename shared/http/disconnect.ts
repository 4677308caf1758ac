import type { FastifyReply } from 'fastify';

/**
 * Aborts when the caller closes the connection before its answer is out. Not fastify's `request.signal`: that follows the incoming message,
 * which Node closes as soon as a body has been read.
 */
export function disconnectSignal({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort(new DOMException('The caller closed the connection.', 'AbortError'));
  });
  return controller.signal;
}
