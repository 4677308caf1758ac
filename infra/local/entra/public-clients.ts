import { createHash, randomBytes } from 'node:crypto';
import { TOKEN_LIFE } from './token-endpoint.ts';

/** A device code that was given out. */
export interface Device {
  readonly userCode: string;
  readonly scope: string;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

type Issue = (claims: Readonly<Record<string, unknown>>) => string;

interface PendingDevice extends Device {
  readonly clientId: string;
  decision: { readonly oid: string } | 'declined' | undefined;
}

export type PublicClients = ReturnType<typeof createPublicClients>;

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/**
 * People's sign-ins by a public client: device code and authorisation code with PKCE, and refresh tokens
 * (learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code and v2-oauth2-auth-code-flow). Any client id is taken.
 */
export function createPublicClients() {
  const pending = new Map<string, PendingDevice>();
  const devices: Device[] = [];
  const codes = new Map<string, { readonly params: URLSearchParams; readonly oid: string }>();
  let refreshable = new Map<string, { readonly oid: string; readonly scope: string }>();
  let browser: string | undefined;

  const unique = (): string => randomBytes(24).toString('base64url');
  const granted = (oid: string, scope: string, clientId: string, issue: Issue): Answer => {
    const refreshToken = `1.${unique()}`;
    refreshable.set(refreshToken, { oid, scope });
    const audience = scope.split(' ').find((word) => word.includes('/')) ?? '';
    // `.default` asks for what the client was given consent to.
    const scp = /\/([^/.]+\.[^/.]+)$/.exec(audience)?.[1];
    const aud = audience.replace(/\/[^/]*$/, '').replace(/^api:\/\//, '');
    return {
      status: 200,
      body: {
        token_type: 'Bearer',
        scope,
        expires_in: TOKEN_LIFE,
        ext_expires_in: TOKEN_LIFE,
        access_token: issue({ aud, oid, azp: clientId, ...(scp !== undefined && { scp }) }),
        ...(scope.includes('offline_access') && { refresh_token: refreshToken }),
      },
    };
  };
  const refuse = (error: string, number: number, text: string): Answer => ({
    status: 400,
    body: { error, error_description: `AADSTS${number}: ${text} Trace ID: 0`, error_codes: [number] },
  });

  return {
    devices,
    startDevice(form: URLSearchParams, authority: string): Answer {
      const [clientId, scope] = [form.get('client_id'), form.get('scope')];
      if (!clientId || !scope) return refuse('invalid_request', 900144, 'A parameter is missing.');
      const userCode = randomBytes(5).toString('hex').slice(0, 9).toUpperCase();
      const deviceCode = unique();
      pending.set(deviceCode, { userCode, scope, clientId, decision: undefined });
      devices.push({ userCode, scope });
      const verification_uri = `${authority}/device`;
      return {
        status: 200,
        body: {
          user_code: userCode,
          device_code: deviceCode,
          verification_uri,
          expires_in: 900,
          interval: 5,
          message: `To sign in, use a web browser to open the page ${verification_uri} and enter the code ${userCode} to authenticate.`,
        },
      };
    },
    decideDevice(userCode: string, decision: { readonly oid: string } | 'declined'): void {
      for (const device of pending.values()) if (device.userCode === userCode) device.decision = decision;
    },
    signInBrowser(oid: string | undefined): void {
      browser = oid;
    },
    revoke(): void {
      refreshable = new Map();
    },
    /** Where the browser is sent next. */
    authorize(params: URLSearchParams): string | undefined {
      const redirect = params.get('redirect_uri');
      if (params.get('response_type') !== 'code' || params.get('code_challenge_method') !== 'S256') return undefined;
      // A client of this kind is registered for http://localhost, with any port; a bot for a path there.
      if (redirect === null || !/^http:\/\/localhost:\d+\/?(?:signed-in)?$/.test(redirect)) return undefined;
      const answer = new URL(redirect);
      if (browser === undefined) answer.searchParams.set('error', 'access_denied');
      else {
        const code = unique();
        codes.set(code, { params, oid: browser });
        answer.searchParams.set('code', code);
      }
      answer.searchParams.set('state', params.get('state') ?? '');
      return answer.href;
    },
    /** Undefined for grants of confidential clients. */
    answerToken(form: URLSearchParams, issue: Issue): Answer | undefined {
      const clientId = form.get('client_id') ?? '';
      switch (form.get('grant_type') ?? '') {
        case DEVICE_GRANT: {
          const code = form.get('device_code') ?? '';
          const device = pending.get(code);
          if (!device || device.clientId !== clientId)
            return refuse('bad_verification_code', 70018, 'The code is not known.');
          if (device.decision === undefined)
            return refuse('authorization_pending', 70016, 'The user has not signed in yet.');
          pending.delete(code);
          if (device.decision === 'declined')
            return refuse('authorization_declined', 70020, 'The user declined the sign-in.');
          return granted(device.decision.oid, device.scope, clientId, issue);
        }
        case 'authorization_code': {
          const code = form.get('code') ?? '';
          const found = codes.get(code);
          codes.delete(code);
          const challenge = createHash('sha256')
            .update(form.get('code_verifier') ?? '')
            .digest('base64url');
          if (
            !found ||
            found.params.get('code_challenge') !== challenge ||
            found.params.get('redirect_uri') !== form.get('redirect_uri') ||
            found.params.get('client_id') !== clientId
          )
            return refuse('invalid_grant', 501481, 'The code_verifier does not match the code_challenge.');
          return granted(found.oid, found.params.get('scope') ?? '', clientId, issue);
        }
        case 'refresh_token': {
          const found = refreshable.get(form.get('refresh_token') ?? '');
          if (!found) return refuse('invalid_grant', 700082, 'The refresh token has expired due to inactivity.');
          return granted(found.oid, form.get('scope') ?? found.scope, clientId, issue);
        }
        default:
          return undefined;
      }
    },
  };
}
