import { setTimeout as pause } from 'node:timers/promises';
import { NotRun } from '../exits.ts';
import { tell, type Host } from '../host.ts';
import { EntraError, postForm, tokensOf, type Tokens } from './entra.ts';
import { scopeOf, type Pin } from './pin.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** What a person signs in for: the gateway, and being remembered. */
export const signInScope = (pin: Pin): string => `${scopeOf(pin)} offline_access`;

/**
 * A sign-in on another device (RFC 8628; learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code). The code is shown by this
 * wrapper for a sign-in that the person began: never enter one that somebody sent.
 */
export async function deviceCode(pin: Pin, clientId: string, host: Host): Promise<Tokens> {
  const { signal } = host;
  const to = { signal };
  const { sleep = (ms) => pause(ms, undefined, signal && { signal }) } = host;
  const started = await postForm(pin, 'devicecode', { client_id: clientId, scope: signInScope(pin) }, to);
  const { device_code: code, user_code: shown, verification_uri: at, expires_in: seconds } = started;
  if (typeof code !== 'string' || typeof shown !== 'string' || typeof at !== 'string')
    throw new NotRun('Entra gave no device code');
  tell(host, `to sign in, open ${at} and enter the code ${shown}`);
  let interval = Math.min(60, Math.max(1, Number(started['interval']) || 5));
  for (let left = Number(seconds ?? 900); left > 0; left -= interval) {
    await sleep(interval * 1_000);
    try {
      return tokensOf(await postForm(pin, 'token', { grant_type: GRANT, client_id: clientId, device_code: code }, to));
    } catch (error) {
      if (!(error instanceof EntraError)) throw error;
      if (error.code === 'slow_down') interval += 5; // RFC 8628, section 3.5
      else if (error.code !== 'authorization_pending')
        throw new NotRun(`not signed in: ${error.code}: ${error.message}`);
    }
  }
  throw new NotRun('not signed in: the code has expired');
}
