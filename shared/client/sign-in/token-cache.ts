import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Context } from '../contexts/contexts.ts';
import { homeOf, readPrivate, writePrivate } from '../home.ts';
import type { Host } from '../host.ts';
import { whileLocked } from '../lock.ts';
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

export function remembered(context: Context, host: Pick<Host, 'env'>): Remembered | undefined {
  const found: Partial<Remembered> | undefined = readAll(host)[accountOf(context)];
  return typeof found?.accessToken === 'string' && typeof found.expires === 'number'
    ? (found as Remembered)
    : undefined;
}

/** One process at a time gets an account's tokens again: of a refresh token that is used twice only one answer would be kept. */
export const whileRenewing = <T>(context: Context, host: Host, step: () => Promise<T>): Promise<T> =>
  whileLocked(`${pathOf(host)}.${accountOf(context)}`, host, step);

export async function refreshTokenOf(context: Context, host: Host): Promise<string | undefined> {
  return remembered(context, host)?.refreshToken ?? (await keyringOf(host)?.read(accountOf(context)));
}

export async function remember(context: Context, tokens: Tokens, expires: number, host: Host): Promise<void> {
  const account = accountOf(context);
  const { accessToken, refreshToken } = tokens;
  const kept = refreshToken !== undefined && (await keyringOf(host)?.write(account, refreshToken)) === true;
  await change(host, (before) => ({
    ...before,
    [account]: {
      accessToken,
      expires,
      ...(refreshToken === undefined ? { refreshToken: before[account]?.refreshToken } : !kept && { refreshToken }),
    },
  }));
}

/** Throws Error where it cannot be forgotten. */
export async function forget(context: Context, host: Host): Promise<void> {
  const account = accountOf(context);
  await change(host, (before) => Object.fromEntries(Object.entries(before).filter(([name]) => name !== account)));
  await keyringOf(host)?.remove(account);
}

/** Other processes remember other sign-ins in the same file. */
const change = (host: Host, to: (before: File) => File): Promise<void> =>
  whileLocked(pathOf(host), host, () => writePrivate(pathOf(host), `${JSON.stringify(to(readAll(host)), null, 2)}\n`));
