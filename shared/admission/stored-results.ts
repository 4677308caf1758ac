import { LruMap } from 'toad-cache';

import type { Clock } from '../clock.ts';
import type { Limits } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { principalKey } from '../identity/principal.ts';
import { elapsedSince, mark, type Mark } from '../lib/elapsed.ts';
import type { PrincipalId, PrincipalKey } from '../lib/ids.ts';
import type { Records } from '../store/records.ts';

const HOUR_MS = 3_600_000;
/** How old what this process knows of other processes' results may be. */
const KNOWN_MS = 10_000;
const MAX_KNOWN = 10_000;
/** A retention is counted in so many parts at most, so that the count stays a small text however long results are kept. */
const PARTS = 100;
/** Other processes that count at the same moment: each lets one through. */
const MAX_TRIES = 20;
/** What a command may store in any case, so that its caller sees how the output begins. */
const LEAST_BYTES = 4 * 1024;

/**
 * How much of what a caller's commands printed is stored. Counted when it is stored, by the hour, in one small text a caller: a look costs one
 * read, and nothing is counted down, since an hour that is past the retention counts no more. Processes share the count through the records; a
 * kill between a result and its count leaves that one result out.
 */
export interface StoredResults {
  /** Throws Problem `rate-limited` when the caller has as much stored as it may. Rejects with StorageUnavailable. */
  admit(principal: PrincipalId): Promise<void>;
  /** Takes room for `bytes`. What a command printed must not decide what is said of its end, so this never rejects. */
  take(owner: PrincipalKey, bytes: number): Promise<Taken>;
}

export interface Taken {
  /** How many may be stored: as many as there is room for. */
  readonly bytes: number;
  /** Resolves when they are counted for other processes too, or could not be. */
  readonly counted: Promise<void>;
}

interface StoredResultsOptions {
  readonly records: Pick<Records, 'getNote' | 'putNote'>;
  readonly limits: () => Limits;
  /** How long results are kept. */
  readonly hours: () => number;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** Bytes that were stored until a time, in hours since 1970. */
type Part = readonly [until: number, bytes: number];

/** What this process knows of one caller's results. */
interface Usage {
  version: number;
  parts: readonly Part[];
  readAt: Mark | undefined;
  /** Taken, and not in the records yet. */
  uncounted: number;
  counting: Promise<void> | undefined;
  /** Reads and writes of one caller's count come one after the other. */
  last: Promise<void>;
}

/** Counts of many callers, with what it takes to keep them. */
interface Counts extends StoredResultsOptions {
  /** By owner. */
  readonly known: LruMap<Usage>;
}

export function createStoredResults(options: StoredResultsOptions): StoredResults {
  const counts: Counts = { ...options, known: new LruMap<Usage>(MAX_KNOWN) };
  return {
    admit: (principal) => admit(counts, principalKey(principal)),
    take: (owner, bytes) => take(counts, owner, bytes),
  };
}

async function admit(counts: Counts, owner: string): Promise<void> {
  const usage = usageOf(counts, owner);
  await look(counts, owner, usage);
  const most = counts.limits().perPrincipal.storedBytes;
  if (stored(counts, usage) < most) return;
  throw overQuota(most, counts.hours(), secondsUntilRoom(counts, usage, most));
}

async function take(counts: Counts, owner: string, bytes: number): ReturnType<StoredResults['take']> {
  const usage = usageOf(counts, owner);
  await look(counts, owner, usage).catch(counts.onError); // what was known before, then
  const room = Math.max(LEAST_BYTES, counts.limits().perPrincipal.storedBytes - stored(counts, usage));
  const taken = Math.min(bytes, room);
  usage.uncounted += taken;
  if (usage.uncounted > 0) usage.counting ??= inTurn(usage, () => count(counts, owner, usage));
  return { bytes: taken, counted: usage.counting ?? Promise.resolve() };
}

function usageOf({ known }: Counts, owner: string): Usage {
  const usage = known.get(owner) ?? unknownUsage();
  known.set(owner, usage);
  return usage;
}

/** Reads a count that was not read lately. */
async function look(counts: Counts, owner: string, usage: Usage): Promise<void> {
  const isFresh = (): boolean => usage.readAt !== undefined && elapsedSince(counts.clock, usage.readAt) < KNOWN_MS;
  if (!isFresh()) await inTurn(usage, async () => (isFresh() ? undefined : read(counts, owner, usage)));
}

async function read({ records, clock }: Counts, owner: string, usage: Usage): Promise<void> {
  const note = await records.getNote(nameOf(owner));
  usage.version = note?.version ?? 0;
  usage.parts = note ? (JSON.parse(note.text) as Part[]) : [];
  usage.readAt = mark(clock);
}

const nowHours = ({ clock }: Counts): number => clock.now() / HOUR_MS;

/** The parts that are within their retention. */
const kept = (counts: Counts, { parts }: Usage): readonly Part[] =>
  parts.filter(([until]) => until > nowHours(counts) - counts.hours());

const stored = (counts: Counts, usage: Usage): number =>
  kept(counts, usage).reduce((sum, [, bytes]) => sum + bytes, usage.uncounted);

/** Seconds until so much is past its retention that there is room again. */
function secondsUntilRoom(counts: Counts, usage: Usage, most: number): number {
  const { hours, clock } = counts;
  let left = stored(counts, usage);
  for (const [until, bytes] of kept(counts, usage).toSorted(([one], [other]) => one - other)) {
    left -= bytes;
    if (left < most) return Math.max(1, Math.ceil(((until + hours()) * HOUR_MS - clock.now()) / 1_000));
  }
  return hours() * 3_600;
}

/** Adds what is not counted yet to the stored count, however often others add to it meanwhile. */
async function count(counts: Counts, owner: string, usage: Usage): Promise<void> {
  try {
    for (let tries = 0; usage.uncounted > 0; tries += 1) {
      if (await countOnce(counts, owner, usage)) continue;
      if (tries === MAX_TRIES) throw new Error('the stored results could not be counted: others count all the time');
      await read(counts, owner, usage);
    }
  } catch (error) {
    counts.onError(error); // it stays uncounted, for the next to try
  }
  usage.counting = undefined;
}

/** Whether it was counted: not when another process has changed the count since it was read. */
async function countOnce(counts: Counts, owner: string, usage: Usage): Promise<boolean> {
  if (usage.readAt === undefined) await read(counts, owner, usage);
  const { records, hours } = counts;
  const { uncounted, version } = usage;
  const length = Math.max(1, Math.ceil(hours() / PARTS));
  const parts = withMore(kept(counts, usage), uncounted, nowHours(counts), length);
  // Lazy: a power cut may leave a result out of the count, as a kill may, and no command need wait for the disk once more.
  if (!(await records.putNote(nameOf(owner), { version, text: JSON.stringify(parts) }, { lazy: true }))) return false;
  usage.version = version + 1;
  usage.parts = parts;
  usage.uncounted -= uncounted;
  return true;
}

const unknownUsage = (): Usage => ({
  version: 0,
  parts: [],
  readAt: undefined,
  uncounted: 0,
  counting: undefined,
  last: Promise.resolve(),
});

function inTurn(usage: Usage, step: () => Promise<void>): Promise<void> {
  const done = usage.last.then(step);
  usage.last = done.catch(() => undefined); // its caller gets the error
  return done;
}

/** Adds to the part that `now` is in. A part is `length` hours. */
function withMore(parts: readonly Part[], bytes: number, now: number, length: number): readonly Part[] {
  const until = (Math.floor(now / length) + 1) * length;
  const before = parts.find(([one]) => one === until)?.[1] ?? 0;
  return [...parts.filter(([one]) => one !== until), [until, before + bytes]];
}

const nameOf = (owner: string): string => `stored-results:${owner}`;

const overQuota = (most: number, hours: number, retryAfter: number): Problem =>
  new Problem(
    'rate-limited',
    `The output of your commands takes up all of the ${most} bytes that may be stored for you, so nothing was run. Output is deleted ${hours} h after its command ended; there will be room in about ${retryAfter} s. Ask for less output, or ask the gateway's operators for more room (limits.perPrincipal.storedBytes).`,
    { retryAfter },
  );
