import type { TokenCredential } from '@azure/core-auth';

import type { Clock } from '../clock.ts';
import type { AzureConfig } from '../config/config.ts';
import { isLoopback } from '../config/values.ts';
import { Secret } from '../secret.ts';
import { untilAborted } from '../lib/abort.ts';

/** The gateway's own identity: a token for a scope such as `https://management.azure.com/.default`. The signal ends the waiting only. */
export type Credential = (scope: string, signal?: AbortSignal) => Promise<Secret>;

/** A new token is requested this long before the old one ends, so that it outlives the request it goes out with. */
const MARGIN_MS = 5 * 60_000;

interface CredentialOptions {
  readonly azure: AzureConfig;
  /** `https://login.microsoftonline.com`: sovereign clouds have their own. */
  readonly authority: string;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For tests: stands in for @azure/identity. */
  readonly source?: (azure: AzureConfig, authority: string) => Promise<TokenCredential>;
}

/**
 * The credential of the configuration. Tokens are kept within their life, one request at a time for each scope. Rejects with what
 * @azure/identity throws; nothing of that is shown to callers.
 */
export function createCredential({
  azure,
  authority,
  clock,
  env,
  source = azureIdentity,
}: CredentialOptions): Credential {
  if (azure.credential.kind === 'static') return staticCredential(azure, azure.credential.tokenEnv, env);
  let credential: Promise<TokenCredential> | undefined;
  const tokens = new Map<string, { readonly token: Secret; readonly until: number }>();
  const asking = new Map<string, Promise<Secret>>();

  const ask = async (scope: string): Promise<Secret> => {
    credential ??= source(azure, authority).catch((error: unknown) => {
      credential = undefined;
      throw error;
    });
    const answer = await (await credential).getToken(scope);
    if (!answer) throw new Error('The credential gave no token');
    const token = new Secret(answer.token);
    tokens.set(scope, { token, until: answer.expiresOnTimestamp - MARGIN_MS });
    return token;
  };

  return (scope, signal) => {
    const known = tokens.get(scope);
    if (known && clock.now() < known.until) return Promise.resolve(known.token);
    const running = asking.get(scope);
    if (running) return untilAborted(running, signal);
    const request = ask(scope).finally(() => asking.delete(scope));
    asking.set(scope, request);
    return untilAborted(request, signal);
  };
}

/** A token from the environment, for the emulated Azure only: it never expires here and belongs to nobody. */
function staticCredential(azure: AzureConfig, name: string, env: CredentialOptions['env']): Credential {
  if (!isLoopback(new URL(azure.resourceManager).hostname))
    throw new TypeError('A static token is for an emulated Azure on loopback only');
  return () => {
    const value = env[name];
    return value === undefined || value === ''
      ? Promise.reject(new Error(`The environment variable ${name} is not set`))
      : Promise.resolve(new Secret(value));
  };
}

/** Imported when first needed: it costs a cold start 200 ms that a static credential need not pay. */
async function azureIdentity({ credential }: AzureConfig, authority: string): Promise<TokenCredential> {
  const { DefaultAzureCredential, ManagedIdentityCredential } = await import('./identity-sdk.ts');
  if (credential.kind === 'managedIdentity')
    return credential.clientId === undefined
      ? new ManagedIdentityCredential()
      : new ManagedIdentityCredential({ clientId: credential.clientId });
  return new DefaultAzureCredential({ authorityHost: authority });
}

/** A managed identity's token for federation, in place of a client secret. */
export async function managedIdentityAssertion(clientId: string, audience: string): Promise<Secret> {
  const { ManagedIdentityCredential } = await import('./identity-sdk.ts');
  const { token } = await new ManagedIdentityCredential({ clientId }).getToken(`${audience}/.default`);
  return new Secret(token);
}
