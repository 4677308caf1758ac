import type { JWTPayload } from 'jose';

import type { IdentityConfig } from '../config/config.ts';
import type { GroupMembership, Principal } from './principal.ts';
import { type PresentedToken, quote, tokenInvalid } from './refusals.ts';

/** Entra's and Microsoft.IdentityModel's clocks differ by less; jose's default is 0, theirs 300 s. */
export const SKEW_SECONDS = 60;

/**
 * The longest an Entra access token lives is 28 h (continuous access evaluation); what claims to live much longer was not
 * made by Entra as we know it. learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes
 */
const MAX_LIFETIME_SECONDS = 48 * 60 * 60;

/** Every claim the gateway rests on; jose accepts a token without `exp` unless it is asked to require one. */
export const requiredClaims = ['exp', 'nbf', 'iat', 'oid', 'tid', 'ver'];

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Audiences that callers send by mistake: the names of what the token opens, for the refusal. */
const otherAudiences: ReadonlyMap<string, string> = new Map([
  ['https://management.azure.com', 'Azure Resource Manager'],
  ['https://management.core.windows.net', 'Azure Resource Manager'],
  ['https://management.usgovcloudapi.net', 'Azure Resource Manager'],
  ['https://management.chinacloudapi.cn', 'Azure Resource Manager'],
  ['797f4846-ba00-4fd7-ba43-dac1f8f63013', 'Azure Resource Manager'],
  ['https://graph.microsoft.com', 'Microsoft Graph'],
  ['00000003-0000-0000-c000-000000000000', 'Microsoft Graph'],
  ['6dae42f8-4368-4678-94ff-3960e28e3630', 'the AKS server application'],
  ['https://vault.azure.net', 'Key Vault'],
  ['https://storage.azure.com', 'Azure Storage'],
]);

/**
 * Is this token one for this gateway at all? Asked before the signature too, for words that help (a token for Graph cannot
 * even be verified by anybody else). Throws Problem `token-invalid`.
 */
export function checkAddressee(claims: JWTPayload, config: IdentityConfig): void {
  const { aud, ver } = claims;
  const other = typeof aud === 'string' ? otherAudiences.get(aud.replace(/\/$/, '')) : undefined;
  if (other !== undefined) throw tokenInvalid(`The token is for ${other}, not for this gateway (${config.audience}).`);
  if (ver !== '2.0') {
    throw tokenInvalid(
      `The token's version is ${quote(ver)}, not '2.0': set requestedAccessTokenVersion to 2 in the manifest of the gateway's app registration.`,
    );
  }
  if (aud !== config.audience) {
    throw tokenInvalid(`The token's audience is ${quote(aud)}, not ${quote(config.audience)}.`);
  }
}

/**
 * What a token is sent as: in Authorization it speaks for its holder; in Requester-Token it only says that this person stands behind the
 * application that calls.
 */
export type TokenUse = 'caller' | 'requester';

/** The scope of a Requester-Token, and of nothing else: an application that keeps such a token cannot call as the person. */
const REQUEST_SCOPE = 'Commands.Request';
/** A further scope by which a token does something here by itself. */
const DECIDE_SCOPE = 'Approvals.Decide';

/** The principal of claims whose signature, issuer, audience and times hold. Throws Problem `token-invalid`. */
export function toPrincipal(claims: JWTPayload, config: IdentityConfig, use: TokenUse = 'caller'): Principal {
  checkAddressee(claims, config);
  checkLifetime(claims);
  // RFC 7800: a token bound to a key is not a bearer token; its proof would have to be checked.
  if (claims['cnf'] !== undefined)
    throw tokenInvalid('The token is bound to a key (cnf) and may not be used as a bearer token.');
  const { tid, azp, uti = '' } = claims;
  const oid = claims['oid'];
  if (typeof oid !== 'string' || !guid.test(oid))
    throw tokenInvalid(`The token's oid ${quote(oid)} is not an object id.`);
  if (typeof tid !== 'string' || typeof uti !== 'string') throw tokenInvalid("The token's tid or uti is not a string.");
  const holder = {
    tid,
    oid: oid.toLowerCase(),
    uti,
    roles: strings(claims, 'roles'),
    groups: groups(claims, config),
  };
  const scopes = scopesOf(claims);
  switch (claims['idtyp']) {
    case 'user':
      if (use === 'requester') checkRequestScope(scopes, config);
      return {
        kind: 'user',
        ...holder,
        azp: client(azp),
        scopes: use === 'requester' ? scopes : userScopes(scopes, config),
      };
    case 'app':
      if (use === 'requester')
        throw tokenInvalid("The token is an application's (idtyp): only a person can stand behind a caller.");
      // Any managed identity of the tenant gets a token for the gateway's audience unless assignment is required.
      if (holder.roles.length === 0) {
        throw tokenInvalid(`The application ${holder.oid} has no app role assigned on the gateway's app registration.`);
      }
      if (scopes.length > 0)
        throw tokenInvalid("The token says that it is an application's (idtyp) and carries a user's scopes (scp).");
      return { kind: 'app', ...holder, azp: client(azp) };
    case undefined:
      throw scopes.length === 0 && azp === undefined
        ? tokenInvalid('The token is an ID token or no access token: it has neither idtyp nor scp.')
        : tokenInvalid(
            "The token does not say whether it is a user's or an application's: add the optional claim idtyp, with include_user_token, to the access tokens of the gateway's app registration.",
          );
    default:
      throw tokenInvalid(`The token's idtyp ${quote(claims['idtyp'])} is neither 'user' nor 'app'.`);
  }
}

/** What a token that is refused says about itself. */
export function presentedBy(claims: JWTPayload, signature: PresentedToken['signature']): PresentedToken {
  const { tid, oid, azp, uti } = claims;
  const id = (value: unknown) => (typeof value === 'string' && guid.test(value) ? value.toLowerCase() : undefined);
  return {
    tid: id(tid),
    oid: id(oid),
    azp: id(azp),
    uti: typeof uti === 'string' && /^[\w-]{22}$/.test(uti) ? uti : undefined,
    signature,
  };
}

/** jose has checked that the times are numbers and that exp and nbf hold now; this is what it does not look at. */
function checkLifetime({ exp, iat }: JWTPayload): void {
  if (exp === undefined || iat === undefined || exp <= iat || exp - iat > MAX_LIFETIME_SECONDS) {
    throw tokenInvalid(`The token's lifetime, from ${quote(iat)} to ${quote(exp)}, is not one that Entra gives.`);
  }
}

function userScopes(scopes: readonly string[], config: IdentityConfig): readonly string[] {
  // Even where no scope is configured, a delegated access token has one: an ID token has not.
  if (scopes.length === 0)
    throw tokenInvalid('The token has no scope (scp): it is not an access token for this gateway.');
  if (scopes.every((scope) => scope === REQUEST_SCOPE)) {
    throw tokenInvalid(
      `The token's scope is ${REQUEST_SCOPE}: it says who stands behind an application, in the Requester-Token header, and opens nothing by itself.`,
    );
  }
  if (config.scopes.length > 0 && !config.scopes.some((scope) => scopes.includes(scope))) {
    throw tokenInvalid(
      `The token's scope is ${quote(scopes.join(' '))}; the gateway asks for ${config.scopes.join(' or ')}.`,
    );
  }
  return scopes;
}

/** A token that opens anything by itself must not be in an application's hands, so it is not taken from there. */
function checkRequestScope(scopes: readonly string[], config: IdentityConfig): void {
  if (!scopes.includes(REQUEST_SCOPE))
    throw tokenInvalid(
      `The token's scope is ${quote(scopes.join(' '))}; a Requester-Token has the scope ${REQUEST_SCOPE}.`,
    );
  const more = scopes.find((scope) => scope === DECIDE_SCOPE || config.scopes.includes(scope));
  if (more !== undefined)
    throw tokenInvalid(
      `The token also has the scope ${quote(more)}, with which it could be used as the person: a Requester-Token has ${REQUEST_SCOPE} alone of the gateway's scopes.`,
    );
}

function scopesOf(claims: JWTPayload): readonly string[] {
  const scp = claims['scp'] ?? '';
  if (typeof scp !== 'string') throw tokenInvalid("The token's scp is not a string.");
  return scp.split(' ').filter((scope) => scope !== '');
}

function client(azp: unknown): string {
  // Recorded, never decided upon: RFC 7519 has no such claim, and only Entra's own tokens always carry it.
  if (azp === undefined) return '';
  if (typeof azp !== 'string' || !guid.test(azp))
    throw tokenInvalid(`The token's azp ${quote(azp)} is not a client id.`);
  return azp.toLowerCase();
}

/**
 * `_claim_names` and `hasgroups` (implicit flow, as `groups:src1`) stand in for a list that was too long. Entries that are not GUIDs are
 * on-premises names (`CONTOSO\\x`), which no binding can name. Without the claim there are no groups, or nobody knows: that is for the
 * operator to say (`groupsClaim`), since it depends on the app registration.
 */
function groups(claims: JWTPayload, { groupsClaim }: IdentityConfig): GroupMembership {
  const overage =
    claims['_claim_names'] !== undefined ||
    claims['hasgroups'] !== undefined ||
    Object.keys(claims).some((name) => name.startsWith('groups:'));
  const listed = strings(claims, 'groups');
  const ids = listed.filter((id) => guid.test(id)).map((id) => id.toLowerCase());
  const told = claims['groups'] !== undefined || groupsClaim !== undefined;
  return { known: told && !overage && ids.length === listed.length, ids };
}

function strings(claims: JWTPayload, name: string): readonly string[] {
  const value = claims[name] ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw tokenInvalid(`The token's ${name} claim is not a list of strings.`);
  }
  return value;
}
