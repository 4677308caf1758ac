import { createClient } from './client.ts';
import { UsageError } from './exits.ts';
import type { Host } from './host.ts';
import { tokenSource } from './token.ts';

/** Options before the tool's name, or from the environment. */
export interface Options {
  readonly url: string | undefined;
  readonly cluster: string | undefined;
  readonly reason: string | undefined;
  readonly timeoutSeconds: number | undefined;
}

/** A client of the gateway that the caller named. Throws UsageError. */
export function connect({ url }: Pick<Options, 'url'>, { env }: Pick<Host, 'env'>): ReturnType<typeof createClient> {
  if (!url) throw new UsageError('which gateway? give --url or set AKSGW_URL');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(`${url} is not an address such as https://gateway.example.com`);
  return createClient({ url, token: tokenSource(url, env) });
}
