import { tokenInvalid, tokenMissing } from './refusals.ts';

/**
 * Entra's tokens are 1–4 kB; with 200 groups and many roles under 12. Node itself stops reading headers at 16 KiB, other
 * entrances may not.
 */
const MAX_TOKEN_BYTES = 16 * 1024;

/** RFC 6750, section 2.1: "Bearer" 1*SP b64token; the scheme is case-insensitive (RFC 9110, section 11.1). */
const form = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The token of an Authorization header, or of another one. Throws Problem `token-missing` or `token-invalid`. */
export function bearerToken(header: string | undefined, name = 'Authorization'): string {
  if (header === undefined || header.trim() === '') throw tokenMissing(`The request has no ${name} header.`);
  if (header.length > MAX_TOKEN_BYTES) {
    throw tokenInvalid(`The ${name} header is longer than ${MAX_TOKEN_BYTES} bytes.`);
  }
  const token = form.exec(header)?.[1];
  if (token !== undefined) return token;
  if (/^bearer *$/i.test(header)) throw tokenMissing(`The ${name} header has no token after "Bearer".`);
  if (/^bearer /i.test(header)) {
    throw tokenInvalid(`The ${name} header is not "Bearer" and exactly one token (RFC 6750, section 2.1).`);
  }
  throw tokenMissing(`The ${name} header does not use the Bearer scheme.`);
}
