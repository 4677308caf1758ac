import { Problem } from '../errors.ts';
import { challenge } from './challenge.ts';

/** The 401s of this room, each with its challenge. A detail may quote claims and header members, never the token. */
export const tokenMissing = (detail: string): Problem =>
  new Problem('token-missing', detail, { headers: { 'www-authenticate': challenge() } });

export const tokenInvalid = (detail: string): Problem => refused('token-invalid', detail);

export const tokenExpired = (detail: string): Problem => refused('token-expired', detail);

const refused = (code: 'token-invalid' | 'token-expired', detail: string): Problem =>
  new Problem(code, detail, {
    headers: { 'www-authenticate': challenge({ error: 'invalid_token', description: detail }) },
  });

/** A value out of an unverified token, fit to be shown: short, printable, and marked as a quotation. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  const printable = text.replace(/[^\x20-\x7e]|["\\]/g, '?');
  return `'${printable.length > 80 ? `${printable.slice(0, 80)}...` : printable}'`;
}
