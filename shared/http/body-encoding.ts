import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../errors.ts';

/**
 * Refuses a body that its headers call anything but plain UTF-8: another charset (JSON has no such parameter, RFC 8259, section 11,
 * but a sender that gives one means it) or a content coding. Throws Problem `media-type-unsupported`.
 */
export function checkUtf8(headers: IncomingHttpHeaders): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    throw new Problem('media-type-unsupported', 'The charset of the body is not UTF-8.');
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity')
    throw new Problem('media-type-unsupported', 'The body has a content coding; send it as it is.');
}
