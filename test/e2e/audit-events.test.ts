import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { people } from '../../infra/local/stack.ts';
import { type Json, canonicalJson } from '../../shared/lib/canonical-json.ts';
import { hashLine } from '../../shared/audit/chain.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { testStack, type TestStack } from '../support/stack.ts';

const RESTART = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };

interface Event {
  readonly code: string;
  readonly hash: string;
  readonly time: string;
  readonly seq: number;
  readonly detail?: string;
  readonly commandId?: string;
  readonly principal?: { readonly oid: string };
  readonly whose?: { readonly principal: { readonly oid: string } };
}
interface EventPage {
  readonly items: readonly Event[];
  readonly next: string | null;
}

let stack: TestStack;
let own = '';
let others = '';
beforeAll(async () => {
  stack = await testStack();
  own = (await stack.command(RESTART)).body.id;
  others = (await stack.command(RESTART, { token: stack.tokens.job })).body.id ?? 'denied';
});
afterAll(() => stack.close());

const read = (query: Record<string, string> = {}, token = stack.tokens.auditor) =>
  stack.request<EventPage & { readonly code?: string }>(
    'GET',
    `/v1/audit/events?${String(new URLSearchParams(query))}`,
    {
      token,
    },
  );
const ofWhom = ({ principal, whose }: Event): string | undefined => principal?.oid ?? whose?.principal.oid;

test('a caller sees the events of its own calls, and of nobody else’s', async () => {
  for (const query of [{}, { principal: people.user.toUpperCase() }, { cluster: 'demo' }, { command: own }]) {
    const { status, body } = await read(query, stack.tokens.user);
    expect(status).toBe(200);
    expect(new Set(body.items.map(ofWhom))).toEqual(new Set([people.user]));
    expect(body.items.some(({ commandId }) => commandId === own)).toBe(true);
  }
  for (const query of [{ command: others }, { code: 'AKG000I' }, { code: 'AKG001I' }, { cluster: 'nowhere' }])
    expect((await read(query, stack.tokens.user)).body.items).toEqual([]);
});

test('a caller gets no more with an auditor’s cursor, nor by asking for somebody else, which is recorded', async () => {
  const { next } = (await read({ limit: '2' })).body;
  const { items } = (await read({ cursor: next ?? '' }, stack.tokens.user)).body;
  expect(new Set(items.map(ofWhom))).toEqual(new Set([people.user]));
  const refused = await read({ principal: people.job }, stack.tokens.user);
  expect([refused.status, refused.body.code]).toEqual([403, 'policy-denied']);
  const denied = (await read({ code: 'AKG101W' })).body.items;
  expect(denied.at(-1)).toMatchObject({
    principal: { oid: people.user },
    detail: expect.stringContaining('of others'),
  });
});

test('an auditor sees everybody’s, each as it stands in the trail, and reading is itself an event', async () => {
  const { items } = (await read({ limit: '1000' })).body;
  expect(new Set(items.map(({ code }) => code))).toEqual(
    new Set([
      'AKG000I',
      'AKG004I',
      'AKG007I',
      'AKG300I',
      'AKG302I',
      'AKG305I',
      'AKG101W',
      'AKG401I',
      ...(others === 'denied' ? ['AKG201W'] : []),
    ]),
  );
  for (const { hash, ...line } of items) expect(hashLine(canonicalJson(line as unknown as Json))).toBe(hash);
  const asked = { code: 'AKG401I', since: items[0]?.time ?? '' };
  const reads = (await read(asked)).body.items;
  expect(reads.at(-1)).toMatchObject({
    principal: { oid: people.auditor },
    detail: `code=AKG401I since=${asked.since}`,
  });
});

test('newest first, by request, and by the one for whom a bot says it acts', async () => {
  const bot = { token: stack.tokens.bot };
  const asked = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'], requestedBy: 'U02ABC – Zoë on "Slack"' };
  const { headers, body } = await stack.command(asked, bot);
  const found = (await read({ requestedBy: asked.requestedBy })).body.items;
  expect(found.map(({ code }) => code)).toEqual(['AKG300I']);
  expect(found[0]?.commandId).toBe(body.id);
  const requestId = headers.get('x-request-id') ?? '';
  expect((await read({ requestId })).body.items).toEqual(found);
  expect((await read({ requestId, requestedBy: 'U02ABC' })).body.items).toEqual([]);

  const oldest = (await read({ limit: '1000', until: found[0]?.time ?? '' })).body.items;
  const newest: Event[] = [];
  let cursor: string | null = null;
  do {
    const page: Record<string, string> = {
      limit: '3',
      until: found[0]?.time ?? '',
      order: 'desc',
      ...(cursor !== null && { cursor }),
    };
    const { items, next }: EventPage = (await read(page)).body;
    newest.push(...items);
    cursor = next;
  } while (cursor !== null);
  expect(newest).toEqual(oldest.toReversed());
  const wrong = await read({ order: 'desc', cursor: (await read({ limit: '1' })).body.next ?? '' });
  expect([wrong.status, wrong.body.code]).toEqual([400, 'request-invalid']);
});

test('paging finds each event once while others are written, those of the reading too', async () => {
  const seen: Event[] = [];
  let cursor: string | null = '';
  let writes = 3;
  while (cursor !== null) {
    const page: EventPage = (await read({ limit: '8', ...(cursor !== '' && { cursor }) })).body;
    seen.push(...page.items);
    if (writes > 0) await stack.command(RESTART);
    // A page of eight and two lines of its own reading: the end comes nearer, once nobody else writes.
    writes -= 1;
    cursor = page.next;
  }
  expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index));
  const log = createFileLog({ folder: join(stack.folder, 'data/audit') });
  expect(await verifyTrail(log)).toMatchObject({ events: seen.length });
});
