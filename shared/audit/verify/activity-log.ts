import { Problem } from '../../errors.ts';
import { fetchBounded } from '../../lib/bounded-fetch.ts';
import { isLoopback } from '../../config/values.ts';
import type { Secret } from '../../secret.ts';
import { type ActivityRun, readActivityLog } from './activity-run.ts';

interface ActivityLogOptions {
  /** `https://management.azure.com`; plain http for loopback only. */
  readonly resourceManager: string;
  readonly subscription: string;
  /** Epoch ms. Azure keeps 90 days. */
  readonly since: number;
  readonly until: number;
  /** A token for Azure Resource Manager; the reader needs Microsoft.Insights/eventtypes/values/read. */
  readonly token: () => Promise<Secret>;
  readonly fetch?: typeof globalThis.fetch;
  /** Default 1,000; Azure gives up to 200 entries a page. */
  readonly maxPages?: number;
}

const PAGE_MS = 60_000;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;

/**
 * The runs of one subscription as Azure Monitor tells them (learn.microsoft.com/rest/api/monitor/activity-logs/list, api-version
 * 2015-04-01). Follows `nextLink` on the same origin only, since the token goes with it. Throws Problem `azure-unreachable` when
 * Azure does not answer, or not all of it: half a log would accuse the trail of commands that Azure knows.
 */
export async function readActivityLogFromApi(options: ActivityLogOptions): Promise<readonly ActivityRun[]> {
  const { resourceManager, subscription, since, until, token, fetch = globalThis.fetch, maxPages = 1_000 } = options;
  const first = new URL(
    `/subscriptions/${encodeURIComponent(subscription)}/providers/Microsoft.Insights/eventtypes/management/values`,
    resourceManager,
  );
  if (first.protocol !== 'https:' && !isLoopback(first.hostname))
    throw new TypeError(`Plain http is for loopback only, not for ${first.origin}`);
  first.searchParams.set('api-version', '2015-04-01');
  first.searchParams.set(
    '$filter',
    `eventTimestamp ge '${new Date(since).toISOString()}' and eventTimestamp le '${new Date(until).toISOString()}' and resourceProvider eq 'Microsoft.ContainerService'`,
  );
  const entries: unknown[] = [];
  let next: URL | undefined = first;
  for (let pages = 0; next; pages += 1) {
    if (pages >= maxPages) throw unavailable(`The Activity Log has more than ${maxPages} pages: ask for less time`);
    if (next.origin !== first.origin)
      throw unavailable(`The Activity Log goes on at another host (${next.origin}), and the token does not go there`);
    const page: Page = await readPage(next, token, fetch);
    entries.push(...page.value);
    next = page.nextLink === undefined ? undefined : new URL(page.nextLink, first);
  }
  return readActivityLog(entries);
}

interface Page {
  readonly value: readonly unknown[];
  readonly nextLink: string | undefined;
}

async function readPage(url: URL, token: () => Promise<Secret>, fetch: typeof globalThis.fetch): Promise<Page> {
  const headers = { authorization: `Bearer ${(await token()).reveal()}`, accept: 'application/json' };
  let status: number;
  let text: string;
  try {
    const signal = AbortSignal.timeout(PAGE_MS);
    const page = await fetchBounded(url, { headers }, { fetch, signal, maxBytes: MAX_PAGE_BYTES });
    status = page.status;
    text = Buffer.from(page.bytes).toString('utf8');
  } catch (error) {
    throw unavailable('The Activity Log could not be read', error);
  }
  if (status !== 200)
    throw unavailable(
      `Azure answered ${status} for the Activity Log; its reader needs "Monitoring Reader" or the like`,
    );
  let body: { readonly value?: unknown; readonly nextLink?: unknown } | null;
  try {
    body = JSON.parse(text) as typeof body;
  } catch (error) {
    throw unavailable('The Activity Log is not JSON', error);
  }
  if (!Array.isArray(body?.value)) throw unavailable('A page of the Activity Log has no "value"');
  const { nextLink } = body;
  return { value: body.value, nextLink: typeof nextLink === 'string' && nextLink !== '' ? nextLink : undefined };
}

const unavailable = (message: string, cause?: unknown): Problem =>
  new Problem('azure-unreachable', `${message}.`, cause === undefined ? {} : { cause });
