import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import type { BatchResult } from '../gateway/read-batch.ts';
import type { CommandResult } from '../gateway/read-results.ts';
import { recordBody } from './record-body.ts';

/** Smaller outputs are written in one piece. */
export const STREAMED_BYTES = 256 * 1024;
const PIECE_BYTES = 48 * 1024; // a multiple of three: each piece is Base64 of its own

/** The JSON of a record whose output is large, piece by piece: as a whole it would take five times its size in memory. */
export const recordStream = (result: CommandResult): Readable =>
  Readable.from(recordPieces(result), { objectMode: false });

/** The same for the JSON of a batch. */
export const batchStream = (batch: BatchResult): Readable => Readable.from(batchPieces(batch), { objectMode: false });

function* batchPieces({ id, status, onError, items }: BatchResult): Generator<string> {
  yield `${JSON.stringify({ id, status, onError }).slice(0, -1)},"items":[`;
  for (const [index, item] of items.entries()) {
    if (index > 0) yield ',';
    yield* recordPieces(item);
  }
  yield ']}';
}

function recordPieces({ output, ...about }: CommandResult): Generator<string> {
  const { stdout: _stdout, stderr: _stderr, ...rest } = recordBody(about);
  return pieces(JSON.stringify(rest), output ?? { stdout: new Uint8Array(), stderr: new Uint8Array() });
}

function* pieces(
  rest: string,
  output: { readonly stdout: Uint8Array; readonly stderr: Uint8Array },
): Generator<string> {
  yield rest.slice(0, -1);
  for (const name of ['stdout', 'stderr'] as const) {
    const bytes = output[name];
    yield `,"${name}":"`;
    yield* textPieces(bytes);
    yield '"';
    if (isUtf8(bytes)) continue;
    yield `,"${name}Base64":"`;
    for (const piece of cut(bytes)) yield piece.toString('base64');
    yield '"';
  }
  yield '}';
}

function* textPieces(bytes: Uint8Array): Generator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (const piece of cut(bytes)) yield JSON.stringify(decoder.decode(piece, { stream: true })).slice(1, -1);
  yield JSON.stringify(decoder.decode()).slice(1, -1);
}

function* cut(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
    const end = Math.min(at + PIECE_BYTES, bytes.byteLength);
    yield Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at);
  }
}
