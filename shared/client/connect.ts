import { createClient } from './client.ts';
import { named, pathOf, readContexts, type Context } from './contexts/contexts.ts';
import { existsSync } from 'node:fs';
import { NotRun, UsageError } from './exits.ts';
import type { Host } from './host.ts';
import { gatewayAddress } from './sign-in/discover.ts';

/** Options before the tool's name, or from the environment. */
export interface Options {
  readonly context: string | undefined;
  readonly url: string | undefined;
  readonly cluster: string | undefined;
  readonly reason: string | undefined;
  readonly timeoutSeconds: number | undefined;
  /** `-o json`: the record, in place of the command's output. */
  readonly json: boolean;
  readonly allowTruncated: boolean;
}

export type Client = ReturnType<typeof createClient>;

/** A gateway, and what the person uses there. */
export interface Connection {
  readonly client: Client;
  /** In one spelling. */
  readonly url: string;
  readonly cluster: string | undefined;
  readonly reason: string | undefined;
  readonly context: Context | undefined;
}

/**
 * The gateway that flags, environment or else the context name, in this order. A token goes to it only from AKSGW_TOKEN or by a sign-in
 * whose context has this very address. Throws UsageError, NotRun.
 */
export async function connect(options: Options, host: Host): Promise<Connection> {
  const context = await contextOf(options, host);
  const url = options.url === undefined ? context?.url : gatewayAddress(options.url);
  if (url === undefined) throw new UsageError('which gateway? aksgw login URL, or give --url or set AKSGW_URL');
  return {
    client: createClient({
      url,
      token: await tokenOf(url, context, host),
      ...(host.sleep && { sleep: async (ms) => void (await host.sleep?.(ms)) }),
    }),
    url,
    cluster: options.cluster ?? context?.cluster,
    reason: options.reason ?? context?.reason,
    context,
  };
}

async function tokenOf(
  url: string,
  context: Context | undefined,
  host: Host,
): Promise<(refused?: string) => Promise<string>> {
  const given = host.env['AKSGW_TOKEN'];
  if (given) {
    const token = given.trim();
    if (/^[!-~]+$/.test(token)) return () => Promise.resolve(token);
    return () =>
      Promise.reject(new NotRun('AKSGW_TOKEN is not a token: it has spaces or other characters that no token has'));
  }
  if (context) return (await import('./sign-in/sign-in.ts')).tokensFor(context, host);
  return () => Promise.reject(new NotRun(`nobody is signed in to ${url}: aksgw login ${url}`));
}

/** The source of tokens for the gateway at an address. Throws NotRun for one that no token may go to. */
export async function tokenTo(url: string, host: Host): Promise<(refused?: string) => Promise<string>> {
  const address = gatewayAddress(url);
  return tokenOf(address, await contextOf({ context: undefined, url: address }, host), host);
}

/** The context by name, else by address, else the current one. */
export async function contextOf(
  { context: name, url }: Pick<Options, 'context' | 'url'>,
  host: Host,
): Promise<Context | undefined> {
  if (name === undefined && !existsSync(pathOf(host))) return undefined;
  const contexts = await readContexts(host);
  if (name !== undefined) {
    const found = named(contexts, name);
    if (url === undefined || gatewayAddress(url) === found.url) return found;
    throw new UsageError(`context ${name} is ${found.url}, and not ${url}`);
  }
  if (url !== undefined) {
    const address = gatewayAddress(url);
    const at = contexts.items.filter((context) => context.url === address);
    return at.find((context) => context.name === contexts.current) ?? at[0];
  }
  return contexts.current === undefined ? undefined : named(contexts, contexts.current);
}

/** The cluster that was meant. Throws UsageError. */
export function clusterOf({ cluster }: Connection): string {
  if (cluster) return cluster;
  throw new UsageError('which cluster? give --cluster, set AKSGW_CLUSTER, or aksgw config set cluster NAME');
}
