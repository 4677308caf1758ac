/** The trace that a caller is part of, and the span there that called. */
export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const form = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/**
 * A `traceparent` header (www.w3.org/TR/trace-context, section 3.2); what is malformed counts as not sent, as section 3.4 has it. A version to come
 * may have more behind the flags; version 00 has not, and ff is not a version. `tracestate` is not read: its text is the caller's.
 */
export function readTraceParent(header: string | undefined): TraceParent | undefined {
  // The header of a version to come has a length that nobody knows; what is longer than this is not read.
  const match = header !== undefined && header.length <= 512 ? form.exec(header) : null;
  if (!match) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
