import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Context } from '../contexts/contexts.ts';
import { homeOf, readPrivate, writePrivate } from '../home.ts';
import type { Host } from '../host.ts';
import type { Tokens } from './entra.ts';
import { keyringOf } from './keyring.ts';

/** What is remembered of a sign-in. Access tokens live for an hour; a refresh token, which lives for months, goes to the keyring. */
interface Remembered {
  readonly accessToken: string;
  /** Seconds since the epoch. */
  readonly expires: number;
  /** Where there is no keyring. */
  readonly refreshToken?: string | undefined;
}

type File = Readonly<Record<string, Remembered>>;

const pathOf = ({ env }: Pick<Host, 'env'>): string => join(homeOf(env), 'tokens.json');

/** One sign-in, one account: another pin, method or client has none of its tokens. */
const accountOf = ({ url, signIn }: Context): string =>
  createHash('sha256')
    .update(JSON.stringify([url, signIn.application, signIn.authority, signIn.tenant, signIn.method, signIn.clientId]))
    .digest('base64url');

function readAll(host: Pick<Host, 'env'>): File {
  const text = readPrivate(pathOf(host));
  try {
    const file: unknown = text === undefined ? {} : JSON.parse(text);
    return typeof file === 'object' && file !== null ? (file as File) : {};
  } catch {
    return {}; // a cache: what cannot be read is got again
  }
}

export const remembered = (context: Context, host: Pick<Host, 'env'>): Remembered | undefined =>
  readAll(host)[accountOf(context)];

export async function refreshTokenOf(context: Context, host: Host): Promise<string | undefined> {
  return remembered(context, host)?.refreshToken ?? (await keyringOf(host)?.read(accountOf(context)));
}

export async function remember(context: Context, tokens: Tokens, expires: number, host: Host): Promise<void> {
  const account = accountOf(context);
  const { accessToken, refreshToken } = tokens;
  const kept = refreshToken !== undefined && (await keyringOf(host)?.write(account, refreshToken)) === true;
  const before = readAll(host);
  const entry: Remembered = {
    accessToken,
    expires,
    ...(refreshToken === undefined ? { refreshToken: before[account]?.refreshToken } : !kept && { refreshToken }),
  };
  writePrivate(pathOf(host), `${JSON.stringify({ ...before, [account]: entry }, null, 2)}\n`);
}

export async function forget(context: Context, host: Host): Promise<void> {
  const account = accountOf(context);
  const { [account]: _, ...rest } = readAll(host);
  writePrivate(pathOf(host), `${JSON.stringify(rest, null, 2)}\n`);
  await keyringOf(host)?.remove(account);
}
