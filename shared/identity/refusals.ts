import { Problem } from '../errors.ts';
import { shownInHeader } from '../lib/safe-text.ts';
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

/** A claim of an unverified token, as a detail may show it. */
export function quote(value: unknown): string {
  return shownInHeader(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));
}
