import { spawn } from 'node:child_process';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onAbort } from '../../lib/abort.ts';
import { NotRun } from '../exits.ts';
import { tell, type Host } from '../host.ts';
import { signInScope } from './device-code.ts';
import { EntraError, postForm, tokensOf, type Tokens } from './entra.ts';
import type { Pin } from './pin.ts';

const WAIT_MS = 5 * 60_000;

/**
 * A sign-in in the browser: authorisation code with PKCE, the answer on a port of this machine (RFC 8252, sections 7.3 and 8.1;
 * learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow). Entra takes any port behind http://localhost.
 */
export async function browser(pin: Pin, clientId: string, host: Host): Promise<Tokens> {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const answer = await listen(state, host.signal);
  const redirect = `http://localhost:${answer.port}`;
  const url = `${pin.authority}/${pin.tenant}/oauth2/v2.0/authorize?${new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    response_mode: 'query',
    redirect_uri: redirect,
    scope: signInScope(pin),
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()}`;
  tell(host, `to sign in, a browser opens ${url}`);
  open(url, host);
  const code = await answer.code;
  try {
    const form = { grant_type: 'authorization_code', client_id: clientId, code, redirect_uri: redirect };
    return tokensOf(await postForm(pin, 'token', { ...form, code_verifier: verifier }, { signal: host.signal }));
  } catch (error) {
    if (error instanceof EntraError) throw new NotRun(`not signed in: ${error.code}: ${error.message}`);
    throw error;
  }
}

/** A server for one answer. A request without this sign-in's own state is none (RFC 6749, section 10.12). */
async function listen(state: string, signal: AbortSignal | undefined) {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const code = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new NotRun('not signed in: nobody did within five minutes')), WAIT_MS);
    onAbort(signal, reject);
    server.on('request', (request, response) => {
      const { searchParams: given, pathname } = new URL(request.url ?? '/', 'http://localhost');
      if (pathname !== '/' || !isSame(given.get('state') ?? '', state)) {
        response.writeHead(400, { 'content-type': 'text/plain' }).end('This is not the answer to a sign-in.\n');
        return;
      }
      const found = given.get('code');
      const text =
        found === null ? 'You are not signed in. See the terminal.\n' : 'You are signed in. You can close this.\n';
      response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' }).end(text, () => {
        clearTimeout(timer);
        if (found === null)
          reject(new NotRun(`not signed in: ${given.get('error') ?? ''}: ${given.get('error_description') ?? ''}`));
        else resolve(found);
      });
    });
    server.once('close', () => clearTimeout(timer));
  }).finally(() => {
    server.close();
    server.closeAllConnections();
  });
  code.catch(() => undefined); // the caller that awaits it gets the error
  return { port: (server.address() as AddressInfo).port, code };
}

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

/** The address is made of ids and Base64 alone. Where no browser opens, the person has it in the terminal. */
function open(url: string, { env }: Host): void {
  const [program, words]: readonly [string, readonly string[]] = env['BROWSER']
    ? [env['BROWSER'], [url]]
    : process.platform === 'darwin'
      ? ['open', [url]]
      : process.platform === 'win32'
        ? ['rundll32', ['url.dll,FileProtocolHandler', url]]
        : ['xdg-open', [url]];
  spawn(program, words, { env, stdio: 'ignore', detached: true })
    .once('error', () => undefined)
    .unref();
}
