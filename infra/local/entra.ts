import { createServer } from 'node:http';
import { systemClock, type Clock } from '../../shared/clock.ts';
import { answer, type EntraContext, type EntraFault, type EntraRequest } from './entra/answer.ts';
import { DEMO_APP, DEMO_TENANT, issueApp, issueId, issueUser, issueV1, sign, type Claims } from './entra/issue.ts';
import { createSigningKey, createSigningKeyNow, type SigningKey, type SigningMaterial } from './entra/keys.ts';
import { createPublicClients, type Device } from './entra/public-clients.ts';
import type { EntraApp } from './entra/token-endpoint.ts';
import { closeServer, listen } from './loopback.ts';

export { DEMO_TENANT } from './entra/issue.ts';
export type { EntraApp } from './entra/token-endpoint.ts';

export interface EmulatedEntra {
  /** `http://127.0.0.1:PORT`, in place of https://login.microsoftonline.com. */
  readonly authority: string;
  readonly tenants: readonly string[];
  /** The gateway's client id, the audience of the tokens below. */
  readonly audience: string;
  readonly requests: EntraRequest[];
  /** A good v2.0 access token of a user; claims replace the usual ones. */
  userToken(claims?: Claims): Promise<string>;
  /** A good v2.0 access token of an application for itself. */
  appToken(claims?: Claims): Promise<string>;
  /** A v1.0 access token of a user, as Entra gives when the API's manifest does not ask for version 2. */
  v1Token(claims?: Claims): Promise<string>;
  /** An ID token: same signer, same audience, but no access token. */
  idToken(claims?: Claims): Promise<string>;
  /**
   * A JWS of any shape. The header is RS256 with the current kid unless replaced (undefined leaves a member out); without a
   * key the current private key signs, and HS… uses the public key's PEM as the secret.
   */
  sign(payload: Claims | string, header?: Claims, key?: SigningMaterial): Promise<string>;
  /** A key that the key set does not hold. */
  strangeKey(): SigningMaterial;
  /** A new key signs from now on; the old one stays in the set, as Entra does it, unless it is withdrawn. */
  rotateKeys(options?: { withdraw?: boolean }): void;
  /** 'down' resets connections; 'slow' answers after 30 s of the clock; 'malformed' answers 200 with something that is not JSON. undefined ends it. */
  fault(kind: EntraFault | undefined): void;
  /** On-behalf-of for this user answers interaction_required with these claims, until called with undefined. */
  requireInteraction(oid: string, claims: string | undefined): void;
  /** What the person does at the page of the device code: signs in as this user, or says no. */
  decideDevice(userCode: string, decision: { readonly oid: string } | 'declined'): void;
  /** Device codes that were given out. */
  readonly devices: readonly Device[];
  /** Who the browser is signed in as; undefined: nobody, who then says no. */
  signInBrowser(oid: string | undefined): void;
  /** Ends every sign-in: refresh tokens are refused from now on. */
  revoke(): void;
  close(): Promise<void>;
}

export interface EntraOptions {
  readonly port?: number;
  readonly tenants?: readonly string[];
  readonly audience?: string;
  readonly clock?: Clock;
  readonly apps?: readonly EntraApp[];
}

const DEMO_AUDIENCE = '22222222-2222-4222-8222-222222222222';
const DEMO_JOB = '44444444-4444-4444-8444-444444444444';

/**
 * An Entra authority on loopback: discovery, keys and the token endpoint per tenant, and methods that mint what a real sign-in
 * would. It issues a token for anyone the caller of the method names, so it is for tests and the demo only.
 */
export async function startEntra(options: EntraOptions = {}): Promise<EmulatedEntra> {
  const { clock = systemClock, tenants = [DEMO_TENANT], audience = DEMO_AUDIENCE } = options;
  const { apps = demoApps(audience) } = options;
  const [first, next, stranger] = await Promise.all([createSigningKey(), createSigningKey(), createSigningKey()]);
  const closing = new AbortController();
  const keys: Keys = { current: first, spare: next };
  const issuer = {
    now: () => Math.floor(clock.now() / 1000),
    audience,
    tenant: tenants[0] ?? DEMO_TENANT,
    issuerOf: (tenant: string) => `${authority}/${tenant}/v2.0`,
    key: () => keys.current,
    count: 0,
  };
  const people = createPublicClients();
  const context: EntraContext = {
    clock,
    tenants,
    audience,
    apps,
    issuer,
    published: [first],
    fault: undefined,
    interaction: new Map(),
    people,
    requests: [],
    authority: () => authority,
    closing: closing.signal,
  };
  const server = createServer((request, response) => void answer(context, request, response));
  const authority = await listen(server, options.port);
  return {
    authority,
    tenants,
    audience,
    requests: context.requests,
    userToken: async (claims = {}) => issueUser(issuer, claims),
    appToken: async (claims = {}) => issueApp(issuer, claims),
    v1Token: async (claims = {}) => issueV1(issuer, claims),
    idToken: async (claims = {}) => issueId(issuer, claims),
    sign: async (payload, header = {}, key) => sign(issuer, payload, header, key),
    strangeKey: () => stranger.privateKey,
    rotateKeys: ({ withdraw = false } = {}) => rotate(context, keys, withdraw),
    fault: (kind) => {
      context.fault = kind;
    },
    requireInteraction: (oid, claims) => {
      if (claims === undefined) context.interaction.delete(oid);
      else context.interaction.set(oid, claims);
    },
    decideDevice: people.decideDevice,
    devices: people.devices,
    signInBrowser: people.signInBrowser,
    revoke: people.revoke,
    close: () => {
      closing.abort(new Error('the emulated Entra was closed'));
      return closeServer(server);
    },
  };
}

/** The gateway itself, a bot and a scheduled job. */
const demoApps = (gateway: string): readonly EntraApp[] => [
  { clientId: gateway, secret: 'emulated-gateway-secret', oid: gateway },
  { clientId: DEMO_APP, secret: 'emulated-bot-secret', oid: DEMO_APP, roles: ['Commands.Run'] },
  { clientId: DEMO_JOB, secret: 'emulated-job-secret', oid: DEMO_JOB, roles: ['Commands.Run'] },
];

interface Keys {
  current: SigningKey;
  /** Made ahead, since a key takes a while. */
  spare: SigningKey | undefined;
}

function rotate(context: EntraContext, keys: Keys, withdraw: boolean): void {
  keys.current = keys.spare ?? createSigningKeyNow();
  keys.spare = undefined;
  context.published = withdraw ? [keys.current] : [...context.published, keys.current];
}
