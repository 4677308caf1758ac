import type { Context, Method } from '../contexts/contexts.ts';
import { NotRun } from '../exits.ts';
import { tell, type Host } from '../host.ts';
import { EntraError, postForm, tokensOf, type Tokens } from './entra.ts';
import { assertForGateway, type Pin } from './pin.ts';
import { forget, refreshTokenOf, remember, remembered, whileRenewing } from './token-cache.ts';

/**
 * The public client that people sign in with unless told: Azure CLI's, which is what Azure's own SDKs sign developers in with, and which
 * a gateway's application authorises for `az` anyway.
 */
const DEFAULT_CLIENT = '04b07795-8ddb-461a-bbee-02f9e1bf7b46';

/** Got again while the old one still serves: a command that is waited for does not stop for a sign-in. */
const AHEAD_SECONDS = 300;

/** What Entra does not answer within this it does not: other processes wait for it. */
const ANSWER_MS = 30_000;

/** Signs a person or a workload in, and remembers it. Throws NotRun. */
export async function signIn(context: Context, host: Host): Promise<void> {
  const tokens = await signInBy(context, host);
  await remember(context, tokens, assertForGateway(tokens.accessToken, context.signIn), host);
}

interface Current {
  readonly accessToken: string;
  readonly expires: number;
}

/**
 * The source of a context's tokens: remembered, refreshed ahead, never for anything but the pinned application. Of several processes one
 * refreshes, and the others take what it got.
 */
export function tokensFor(
  context: Context,
  host: Host,
  now: () => number = () => Date.now() / 1_000,
): (refused?: string) => Promise<string> {
  let current: Current | undefined;
  return async (refused) => {
    const lasts = (one: Current | undefined, seconds: number): one is Current =>
      one !== undefined && one.expires - now() > seconds && one.accessToken !== refused;
    current ??= remembered(context, host);
    if (lasts(current, AHEAD_SECONDS)) return current.accessToken;
    try {
      current = await whileRenewing(context, host, async () => {
        const others = remembered(context, host);
        return lasts(others, AHEAD_SECONDS) ? others : renew(context, host);
      });
    } catch (error) {
      // It still serves: Entra may be back before it ends.
      if (lasts(current, 0)) return current.accessToken;
      throw error;
    }
    return current.accessToken;
  };
}

async function renew(context: Context, host: Host): Promise<Current> {
  const { method } = context.signIn;
  if (method !== 'device-code' && method !== 'browser') return keep(context, await signInBy(context, host), host);
  const refreshToken = await refreshTokenOf(context, host);
  const again = `aksgw login ${context.url}`;
  if (refreshToken === undefined) throw new NotRun(`nobody is signed in to ${context.url}: ${again}`);
  const late = AbortSignal.timeout(ANSWER_MS);
  try {
    const { deviceCode: _, signInScope } = await import('./device-code.ts');
    const form = {
      grant_type: 'refresh_token',
      client_id: context.signIn.clientId ?? DEFAULT_CLIENT,
      refresh_token: refreshToken,
      scope: signInScope(context.signIn),
    };
    const signal = host.signal ? AbortSignal.any([host.signal, late]) : late;
    return await keep(context, tokensOf(await postForm(context.signIn, 'token', form, { signal })), host);
  } catch (error) {
    if (late.aborted && !host.signal?.aborted) throw new NotRun(`Entra does not answer within ${ANSWER_MS / 1_000} s`);
    if (!(error instanceof EntraError)) throw error;
    if (error.code === 'invalid_grant' || error.code === 'interaction_required')
      await forget(context, host).catch(() => undefined); // where nothing can be written, Entra says the same next time
    throw new NotRun(`your sign-in has ended (${error.code}: ${error.message}): ${again}`, { cause: error });
  }
}

/** A token that cannot be remembered, as in a container that may write nothing, still serves. */
async function keep(context: Context, tokens: Tokens, host: Host): Promise<Current> {
  const { accessToken } = tokens;
  const expires = assertForGateway(accessToken, context.signIn);
  try {
    await remember(context, tokens, expires, host);
  } catch (error) {
    tell(host, `warning: the sign-in is not remembered: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { accessToken, expires };
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
