import { Problem } from '../errors.ts';
import { shownInHeader } from '../lib/safe-text.ts';
import { challenge } from './challenge.ts';

/**
 * What a refused token says about itself, unproven unless `signature` is valid. A claim that does not have the form that Entra gives it is
 * left out: it could be any text.
 */
export interface PresentedToken {
  readonly tid?: string | undefined;
  readonly oid?: string | undefined;
  readonly azp?: string | undefined;
  readonly uti?: string | undefined;
  /** `unchecked`: refused before there was a key to check it with. */
  readonly signature: 'valid' | 'invalid' | 'unchecked';
}

/** The refusal of a token that could be read. What it presented is for the trail; no answer shows it. */
export class TokenRefusal extends Problem {
  readonly presented: PresentedToken;

  constructor({ code, message, options }: Problem, presented: PresentedToken) {
    super(code, message, options);
    this.presented = presented;
  }
}

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
