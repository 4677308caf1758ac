import type { Readable } from 'node:stream';

import type { HttpHeaders, PipelinePolicy } from '@azure/core-rest-pipeline';

/**
 * The most of an answer that is read. A result holds at most 524,288 bytes of logs, which JSON's longest escapes make six times as
 * many; the rest of this is room.
 */
const BODY_CAP = 8 * 1024 * 1024;

/** What came as a body: text that says it is JSON, or nothing that can be used. */
export interface Body {
  readonly text?: string | undefined;
  /** It was longer than is read. */
  readonly tooLong?: true;
}

/**
 * Reads bodies in place of the SDK, which takes whatever comes: without end, and as JSON what says that it is something else. The
 * body of an accepted POST is not waited for: its status and headers say all.
 */
export const boundedBody: PipelinePolicy = {
  name: 'boundedBody',
  sendRequest: async (request, next) => {
    request.streamResponseStatusCodes = new Set([Number.POSITIVE_INFINITY]);
    const response = await next(request);
    const stream = response.readableStreamBody;
    delete response.readableStreamBody;
    const accepted = request.method === 'POST' && response.status === 202;
    const usable = !accepted && isJson(response.headers.get('content-type'));
    const body = stream === undefined ? {} : usable ? await readBody(stream) : discard(stream, response.headers);
    // The SDK parses what it finds here, and is not asked for the result.
    response.bodyAsText = body.text ?? '';
    return Object.assign(response, { body });
  },
};

/** `application/json`, with parameters or without; not `application/json-seq` (RFC 7464) and the like. */
export const isJson = (type: string | null | undefined): boolean => /^application\/json[ \t]*(;|$)/i.test(type ?? '');

async function readBody(stream: NodeJS.ReadableStream): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop destroys the stream, and with it the connection.
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > BODY_CAP) return { tooLong: true };
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString('utf8') };
}

/** Closes a connection whose body nobody reads; what it says about that is of no interest. An empty body ends by itself. */
function discard(stream: NodeJS.ReadableStream, headers: HttpHeaders): Body {
  stream.on('error', () => undefined);
  if (headers.get('content-length') === '0') stream.resume();
  else (stream as Readable).destroy();
  return {};
}
