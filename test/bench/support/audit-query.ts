import type { EventQuery } from '../../../shared/audit/read/match.ts';
import { queryEvents } from '../../../shared/audit/read/query.ts';
import { createStreamIndex } from '../../../shared/audit/read/stream-index.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';
import { clusterOf, commandOf, principalOf } from './audit-trail.ts';

/**
 * The questions of an auditor, asked of a trail that writeTrail made, in a process of its own so that its memory can be told.
 * Arguments: folder, the number of its events, epoch ms of its middle. Prints one JSON object.
 */
const [, , folder = '', events = '0', middle = '0'] = process.argv;
const index = createStreamIndex(createFileLog({ folder }));
const peakMiB = (): number => Math.round(process.resourceUsage().maxRSS / 1024);
const startMiB = peakMiB();

const hour = { since: Number(middle), until: Number(middle) + 3_600_000 };
const command = Math.floor(Number(events) / 6);
const answers = {
  oneHour: await ask(hour),
  oneCommand: await ask({ command: commandOf(command) }),
  onePrincipal: await ask({ principal: principalOf(command) }),
  oneClusterInAnHour: await ask({ cluster: clusterOf(command), ...hour }),
  everything: await ask({}),
};
process.stdout.write(JSON.stringify({ ...answers, startMiB, peakMiB: peakMiB() }));

/** All pages of an answer. */
async function ask(query: Partial<EventQuery>) {
  const started = performance.now();
  let found = 0;
  let pages = 0;
  let longest = 0;
  let cursor: string | undefined;
  do {
    const before = performance.now();
    const page = await queryEvents(index, { ...query, limit: 1_000, cursor });
    longest = Math.max(longest, performance.now() - before);
    found += page.items.length;
    pages += 1;
    cursor = page.next;
  } while (cursor !== undefined);
  return { found, pages, ms: Math.round(performance.now() - started), longestPageMs: Math.round(longest) };
}
