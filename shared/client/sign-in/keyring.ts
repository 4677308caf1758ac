import type { Host } from '../host.ts';
import { findProgram, runProgram, type Ran } from '../programs.ts';

/** Where the operating system keeps a person's secrets, encrypted while they are away. */
interface Keyring {
  read(account: string): Promise<string | undefined>;
  /** False when it could not be kept there. */
  write(account: string, secret: string): Promise<boolean>;
  remove(account: string): Promise<void>;
}

const SERVICE = 'aksgw';
const MS = 10_000;

/** The keyring of this machine by the tool that it has (secret-tool of libsecret, security of macOS), or undefined without one. */
export function keyringOf({ env, signal }: Pick<Host, 'env' | 'signal'>): Keyring | undefined {
  if (env['AKSGW_KEYRING'] === 'off') return undefined;
  const run = (path: string, words: readonly string[], stdin?: string): Promise<Ran | undefined> =>
    runProgram(path, words, { env, ms: MS, signal, ...(stdin !== undefined && { stdin }) }).catch(() => undefined);
  const found = (ran: Ran | undefined): string | undefined =>
    ran?.code === 0 ? ran.stdout.toString('utf8').trimEnd() || undefined : undefined;
  const secretTool = env['DBUS_SESSION_BUS_ADDRESS'] ? findProgram('secret-tool', env) : undefined;
  if (secretTool !== undefined) {
    const named = (account: string) => ['service', SERVICE, 'account', account];
    return {
      read: async (account) => found(await run(secretTool, ['lookup', ...named(account)])),
      write: async (account, secret) =>
        (await run(secretTool, ['store', '--label', `aksgw ${account}`, ...named(account)], secret))?.code === 0,
      remove: async (account) => void (await run(secretTool, ['clear', ...named(account)])),
    };
  }
  const security = process.platform === 'darwin' ? findProgram('security', env) : undefined;
  if (security === undefined) return undefined;
  const named = (account: string) => ['-s', SERVICE, '-a', account];
  return {
    read: async (account) => found(await run(security, ['find-generic-password', ...named(account), '-w'])),
    // Through standard input: other users can read a program's arguments. Accounts and secrets are Base64url: nothing to quote.
    write: async (account, secret) =>
      (await run(security, ['-i'], `add-generic-password -U ${named(account).join(' ')} -w ${secret}\n`))?.code === 0,
    remove: async (account) => void (await run(security, ['delete-generic-password', ...named(account)])),
  };
}
