import type { Context, Method } from '../contexts/contexts.ts';
import { NotRun } from '../exits.ts';
import type { Host } from '../host.ts';
import { EntraError, postForm, tokensOf, type Tokens } from './entra.ts';
import { assertForGateway, type Pin } from './pin.ts';
import { forget, refreshTokenOf, remember, remembered } from './token-cache.ts';

/**
 * The public client that people sign in with unless told: Azure CLI's, which is what Azure's own SDKs sign developers in with, and which
 * a gateway's application authorises for `az` anyway.
 */
const DEFAULT_CLIENT = '04b07795-8ddb-461a-bbee-02f9e1bf7b46';

/** Got again while the old one still serves: a command that is waited for does not stop for a sign-in. */
const AHEAD_SECONDS = 300;

/** Signs a person or a workload in, and remembers it. Throws NotRun. */
export async function signIn(context: Context, host: Host): Promise<void> {
  await keep(context, await signInBy(context, host), host);
}

/** The source of a context's tokens: remembered, refreshed ahead, never for anything but the pinned application. */
export function tokensFor(
  context: Context,
  host: Host,
  now: () => number = () => Date.now() / 1_000,
): (refused?: string) => Promise<string> {
  let current: { readonly accessToken: string; readonly expires: number } | undefined;
  return async (refused) => {
    current ??= remembered(context, host);
    const left = (current?.expires ?? 0) - now();
    if (current && left > AHEAD_SECONDS && current.accessToken !== refused) return current.accessToken;
    try {
      current = await renew(context, host);
    } catch (error) {
      // It still serves: Entra may be back before it ends.
      if (current && left > 0 && current.accessToken !== refused) return current.accessToken;
      throw error;
    }
    return current.accessToken;
  };
}

async function renew(context: Context, host: Host) {
  const { method } = context.signIn;
  if (method !== 'device-code' && method !== 'browser') return keep(context, await signInBy(context, host), host);
  const refreshToken = await refreshTokenOf(context, host);
  const again = `aksgw login ${context.url}`;
  if (refreshToken === undefined) throw new NotRun(`nobody is signed in to ${context.url}: ${again}`);
  try {
    const { deviceCode: _, signInScope } = await import('./device-code.ts');
    const form = {
      grant_type: 'refresh_token',
      client_id: context.signIn.clientId ?? DEFAULT_CLIENT,
      refresh_token: refreshToken,
      scope: signInScope(context.signIn),
    };
    return await keep(context, tokensOf(await postForm(context.signIn, 'token', form, { signal: host.signal })), host);
  } catch (error) {
    if (!(error instanceof EntraError)) throw error;
    if (error.code === 'invalid_grant' || error.code === 'interaction_required') await forget(context, host);
    throw new NotRun(`your sign-in has ended (${error.code}: ${error.message}): ${again}`, { cause: error });
  }
}

async function keep(context: Context, tokens: Tokens, host: Host) {
  const expires = assertForGateway(tokens.accessToken, context.signIn);
  await remember(context, tokens, expires, host);
  return { accessToken: tokens.accessToken, expires };
}

async function signInBy({ signIn: given }: Context, host: Host): Promise<Tokens> {
  const pin: Pin = given;
  const { method, clientId } = given;
  const by: Readonly<Record<Method, () => Promise<Tokens>>> = {
    'azure-cli': async () => (await import('./azure-cli.ts')).azureCli(pin, host),
    'device-code': async () => (await import('./device-code.ts')).deviceCode(pin, clientId ?? DEFAULT_CLIENT, host),
    browser: async () => (await import('./browser.ts')).browser(pin, clientId ?? DEFAULT_CLIENT, host),
    'managed-identity': async () => (await import('./workload.ts')).managedIdentity(pin, clientId, host),
    'workload-identity': async () => (await import('./workload.ts')).workloadIdentity(pin, host),
  };
  return by[method]();
}
