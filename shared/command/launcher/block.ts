import { gunzipSync, constants } from 'node:zlib';

import { digestMatches } from './digest.ts';
import type { Block, Frame } from './frame-line.ts';

/** What a block of output decodes to. */
type Decoded =
  /** All of it, and the digest is right. */
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  /** A part of it, from its start. */
  | { readonly kind: 'part'; readonly bytes: Uint8Array }
  /** Not what the frame says: another digest, another length, or not the encoding. */
  | { readonly kind: 'wrong' };

const nothing = new Uint8Array(0);
const notBase64 = /[^A-Za-z0-9+/=\r\n]/;
/** Less than this holds no more than a gzip header and trailer (RFC 1952). */
const LEAST_GZIP = 18;

/**
 * @param encoded what arrived of the block, from its start; undefined when its start is lost
 * @param cap the launcher keeps no more bytes than this
 */
export function decodeBlock(frame: Frame, block: Block, encoded: Buffer | undefined, cap: number): Decoded {
  if (encoded === undefined) return { kind: block.raw === 0 ? 'whole' : 'part', bytes: nothing };
  const arrived = encoded.byteLength === block.encoded;
  const bytes = unpack(frame.encoding, encoded, cap);
  if (bytes === undefined || bytes.byteLength > block.raw) return { kind: 'wrong' };
  if (bytes.byteLength === block.raw) {
    // All of the text came, or a stream that lost only its own trailer.
    return digestMatches(bytes, block.digest) ? { kind: 'whole', bytes } : { kind: 'wrong' };
  }
  return arrived && !frame.cut ? { kind: 'wrong' } : { kind: 'part', bytes };
}

/** Undefined for what is not that encoding, or would be larger than the launcher ever keeps (a pod may be hostile). */
function unpack(encoding: Frame['encoding'], encoded: Buffer, cap: number): Uint8Array | undefined {
  if (encoding === 'raw') return encoded.byteLength <= cap ? encoded : undefined;
  const text = encoded.toString('latin1');
  // Node skips what is not base64, and would decode another command's text.
  if (notBase64.test(text)) return undefined;
  const packed = Buffer.from(text, 'base64');
  if (encoding === 'base64') return packed.byteLength <= cap ? packed : undefined;
  if (packed.byteLength < LEAST_GZIP) return nothing;
  try {
    // A stream that was cut still gives everything up to the cut.
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: cap });
  } catch {
    // Not gzip, or too much of it: the caller says so.
    return undefined;
  }
}
