import { ContainerClient, StorageSharedKeyCredential, newPipeline } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { JsonObject } from '../../shared/lib/canonical-json.ts';
import { createSigningKey, signCompact } from '../../shared/audit/signature.ts';
import type { FindingKind } from '../../shared/audit/verify/findings.ts';
import type { VerificationReport } from '../../shared/audit/verify/verification-report.ts';
import { type VerifyOptions, verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock } from '../../shared/clock.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createBlobLog } from '../../shared/store/blob-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { type Azurite, account, accountKey, describeAzurite, startAzurite } from '../support/azurite.ts';
import { memoryLog } from './support/memory-log.ts';
import { type Bench, completed, createBench, intended } from './support/samples.ts';
import { type Trail, joinLines, parseLines, readTrail, rechain, splitLines, withStream } from './support/tamper.ts';

/**
 * A trail of four gateways: closed; killed in the middle of a batch; killed between two batches; and one that lives. All was seen
 * by a later one more than two minutes after. What a forger can do who can write every byte of it and has no key, and which
 * verdict that gets.
 */
let bench: Bench;
let trail: Trail;
let names: readonly string[];
const receipts: string[] = [];
const copies: string[] = [];
let options: VerifyOptions;
let anchored: VerifyOptions;

const CLOSED = 0;
const TORN = 1;
const KILLED = 2;
const LIVING = 3;

const copySink = {
  offer: (_: string, jws: string) => void copies.push(jws),
  counts: () => ({ copied: 0, failed: 0 }),
  close: async () => undefined,
};

const newest = (of: Trail): readonly [string, Buffer] =>
  [...of].toSorted(([a], [b]) => a.localeCompare(b)).at(-1) ?? ['', Buffer.alloc(0)];

/** Lets minutes pass, each until the newest stream has its checkpoint: it goes to a real disk. */
async function minutes(count: number): Promise<void> {
  const checkpoints = async (): Promise<number> =>
    newest(await readTrail(bench.folder))[1]
      .toString()
      .split('"AKG001I"').length;
  for (let n = 0; n < count; n += 1) {
    const before = await checkpoints();
    await bench.clock.advance(60_000);
    // The disk takes its time, by which the clock must not run ahead of what is written.
    for (let look = 1; (await checkpoints()) === before && look < 1_000; look += 1)
      if (look % 100 === 0) await bench.clock.advance(5_000);
  }
}

beforeAll(async () => {
  bench = await createBench();
  for (const life of [CLOSED, TORN, KILLED, LIVING]) {
    // The killed ones share the clock, which would beat for them: theirs stands still.
    const clock =
      life === TORN || life === KILLED ? { ...bench.clock, sleep: () => new Promise<never>(() => {}) } : bench.clock;
    const writing = await bench.open({ copies: [copySink], clock });
    for (let n = 0; n < 6; n += 1) {
      const recorded = await writing.record(intended(`cmd-${life}-${n}`));
      receipts.push(await recorded.receipt());
      await writing.record(completed(`cmd-${life}-${n}`));
      await bench.clock.advance(1_000);
    }
    if (life === CLOSED) await writing.close();
    if (life === TORN) await tearNewest();
    if (life === LIVING) {
      await minutes(4);
      await writing.record(intended('cmd-late'));
      await writing.record(completed('cmd-late'));
    } else await bench.clock.advance(60_000);
  }
  trail = await readTrail(bench.folder);
  names = [...trail.keys()].sort();
  options = { rootKeys: [bench.key.keyId], now: bench.clock.now() };
  anchored = { ...options, receipts, copies };
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

/** A batch of which a kill left two whole lines and half a line. */
async function tearNewest(): Promise<void> {
  const before = await readTrail(bench.folder);
  const [stream, bytes] = newest(before);
  const lines = parseLines(splitLines(bytes));
  const lost = lines.filter(({ code }) => code === 'AKG300I').slice(0, 3);
  const whole = rechain([...lines, ...lost.map((line, n) => ({ ...atTheEnd(lines, line), commandId: `lost-${n}` }))]);
  const torn = joinLines(whole);
  await writeFile(path.join(bench.folder, `${stream}.000000.jsonl`), torn.subarray(0, torn.length - 200));
}

const name = (index: number): string => names[index] ?? '';
const bytesOf = (index: number): Buffer => trail.get(name(index)) ?? Buffer.alloc(0);
const linesOf = (index: number): readonly string[] => splitLines(bytesOf(index));
const objectsOf = (index: number): readonly JsonObject[] => parseLines(linesOf(index));
const withLines = (index: number, lines: readonly string[]): Trail => withStream(trail, name(index), joinLines(lines));
const without = (...indexes: readonly number[]): Trail =>
  new Map([...trail].filter(([stream]) => !indexes.some((index) => stream === name(index))));
const codeAt = (lines: readonly JsonObject[], code: string): number =>
  lines.findLastIndex((line) => line['code'] === code);

/** A line that somebody makes up who has read the others. */
const invented = (index: number, members: JsonObject): JsonObject => ({
  ...objectsOf(index).at(-1),
  final: undefined,
  signature: undefined,
  maxTime: undefined,
  lagMs: undefined,
  ...members,
});
/** With the times of the last line: no clock gives it away. */
const atTheEnd = (lines: readonly JsonObject[], line: JsonObject | undefined): JsonObject => ({
  ...line,
  time: lines.at(-1)?.['time'],
  monoMs: lines.at(-1)?.['monoMs'],
});
const deletion = (index: number): readonly JsonObject[] => {
  const intent = objectsOf(index).find(({ code }) => code === 'AKG300I');
  const outcome = objectsOf(index).find(({ code }) => code === 'AKG305I');
  const commandId = 'cmd-forged';
  return [
    { ...atTheEnd(objectsOf(index), intent), commandId, argv: ['kubectl', 'delete', 'namespace', 'shop'] },
    { ...atTheEnd(objectsOf(index), outcome), commandId },
  ];
};
const appended = (index: number, more: readonly JsonObject[]): Trail =>
  withLines(index, rechain([...objectsOf(index), ...more]));

interface Forgery {
  readonly what: string;
  readonly forge: () => Trail;
  readonly verdict: VerificationReport['verdict'];
  readonly kind: FindingKind;
  /** The stream of the finding. */
  readonly at: number;
  readonly options?: () => VerifyOptions;
}

const own = createSigningKey();

const forgeries: readonly Forgery[] = [
  // The unsigned end.
  {
    what: 'a deletion of a namespace made up after the last signature',
    forge: () => appended(LIVING, deletion(LIVING)),
    verdict: 'UNPROVEN',
    kind: 'tail-unsigned',
    at: LIVING,
  },
  {
    what: 'the same after a kill',
    forge: () => appended(KILLED, deletion(KILLED)),
    verdict: 'UNPROVEN',
    kind: 'tail-unsigned',
    at: KILLED,
  },
  {
    what: 'the lost lines of a torn batch rewritten',
    forge: () =>
      withLines(
        TORN,
        rechain(objectsOfTorn().map((line, at) => (at > lastSeal(TORN) ? { ...line, reason: 'forged' } : line))),
      ),
    verdict: 'BROKEN',
    kind: 'history-replaced',
    at: TORN,
  },
  {
    what: 'the torn bytes taken away',
    forge: () => withLines(TORN, linesOf(TORN)),
    verdict: 'BROKEN',
    kind: 'history-replaced',
    at: TORN,
  },
  {
    what: 'other torn bytes',
    forge: () => withStream(trail, name(TORN), Buffer.concat([joinLines(linesOf(TORN)), Buffer.from('{"argv":[')])),
    verdict: 'BROKEN',
    kind: 'history-replaced',
    at: TORN,
  },
  {
    what: 'half a line at the end',
    forge: () => withStream(trail, name(LIVING), Buffer.concat([bytesOf(LIVING), Buffer.from('{"argv":["kubectl"')])),
    verdict: 'UNPROVEN',
    kind: 'tail-torn',
    at: LIVING,
  },
  {
    what: 'a forged stream.closed',
    forge: () => appended(LIVING, [invented(LIVING, { code: 'AKG002I' })]),
    verdict: 'UNPROVEN',
    kind: 'tail-unsigned',
    at: LIVING,
  },
  {
    what: 'a forged recovery that excuses a torn stream',
    forge: () =>
      new Map([
        ...appended(LIVING, [
          invented(LIVING, { code: 'AKG003W', lost: { stream: name(KILLED), seq: 1, hash: 'a'.repeat(64) } }),
        ]),
        [name(KILLED), joinLines(linesOf(KILLED).slice(0, 2))],
      ]),
    verdict: 'BROKEN',
    kind: 'tail-cut',
    at: KILLED,
  },
  {
    what: 'a forged signature at the end',
    forge: () => appended(LIVING, [{ ...objectsOf(LIVING).at(-1) }]),
    verdict: 'BROKEN',
    kind: 'signature-invalid',
    at: LIVING,
  },
  {
    what: 'a signature by another key',
    forge: () =>
      appended(LIVING, [
        { ...objectsOf(LIVING).at(-1), signature: signCompact(own, 'aksgw-batch', {}).replace(/\.[^.]*\./, '..') },
      ]),
    verdict: 'BROKEN',
    kind: 'signature-invalid',
    at: LIVING,
  },
  {
    what: 'the end declared final',
    forge: () =>
      withLines(
        LIVING,
        rechain(objectsOf(LIVING).map((line, at, all) => (at === all.length - 1 ? { ...line, final: true } : line))),
      ),
    verdict: 'BROKEN',
    kind: 'batch-invalid',
    at: LIVING,
  },
  {
    what: 'more lines without a signature than a batch holds',
    forge: () => appended(LIVING, Array.from({ length: 150 }, () => deletion(LIVING)).flat()),
    verdict: 'BROKEN',
    kind: 'batch-invalid',
    at: LIVING,
  },
  // Signed lines, wherever they stand.
  {
    what: 'the tail of a closed stream cut at a signature',
    forge: () => withLines(CLOSED, linesOf(CLOSED).slice(0, lastSeal(CLOSED) - 2)),
    verdict: 'BROKEN',
    kind: 'tail-cut',
    at: CLOSED,
  },
  {
    what: 'the tail of a killed stream cut at a signature',
    forge: () => withLines(KILLED, linesOf(KILLED).slice(0, -2)),
    verdict: 'BROKEN',
    kind: 'tail-cut',
    at: KILLED,
  },
  {
    what: 'the tail of the living stream cut, against its receipts',
    forge: () => withLines(LIVING, linesOf(LIVING).slice(0, 4)),
    verdict: 'BROKEN',
    kind: 'tail-cut',
    at: LIVING,
    options: () => ({ ...options, receipts }),
  },
  {
    what: 'the tail of the living stream cut, against the copies',
    forge: () => withLines(LIVING, linesOf(LIVING).slice(0, -2)),
    verdict: 'BROKEN',
    kind: 'tail-cut',
    at: LIVING,
    options: () => ({ ...options, copies }),
  },
  {
    what: 'the tail of the living stream cut two minutes ago or more',
    forge: () => withLines(LIVING, linesOf(LIVING).slice(0, 6)),
    verdict: 'UNPROVEN',
    kind: 'end-unproven',
    at: LIVING,
  },
  {
    what: 'a line put in',
    forge: () => withLines(CLOSED, rechain(objectsOf(CLOSED).toSpliced(3, 0, ...deletion(CLOSED)))),
    verdict: 'BROKEN',
    kind: 'signature-invalid',
    at: CLOSED,
  },
  {
    what: 'a line left out',
    forge: () => withLines(CLOSED, rechain(objectsOf(CLOSED).toSpliced(4, 1))),
    verdict: 'BROKEN',
    kind: 'signature-invalid',
    at: CLOSED,
  },
  {
    what: 'two lines exchanged',
    forge: () => withLines(CLOSED, swap(objectsOf(CLOSED), 2, 4)),
    verdict: 'BROKEN',
    kind: 'signature-invalid',
    at: CLOSED,
  },
  {
    what: 'a line changed without a new chain',
    forge: () =>
      withLines(
        KILLED,
        linesOf(KILLED).map((line) => line.replace('INC-1234', 'INC-9999')),
      ),
    verdict: 'BROKEN',
    kind: 'chain-broken',
    at: KILLED,
  },
  {
    what: 'a line after the signed end',
    forge: () => appended(CLOSED, [invented(CLOSED, { code: 'AKG002I' })]),
    verdict: 'BROKEN',
    kind: 'after-close',
    at: CLOSED,
  },
  {
    what: 'a line that is not canonical',
    forge: () => withLines(KILLED, linesOf(KILLED).with(2, (linesOf(KILLED)[2] ?? '').replace('{', '{ '))),
    verdict: 'BROKEN',
    kind: 'not-canonical',
    at: KILLED,
  },
  {
    what: 'a line with a member too many',
    forge: () =>
      appended(
        LIVING,
        deletion(LIVING).map((line) => ({ ...line, sideNote: 'x' })),
      ),
    verdict: 'BROKEN',
    kind: 'line-invalid',
    at: LIVING,
  },
  {
    what: 'a line with a time that is not one',
    forge: () => appended(LIVING, [{ ...deletion(LIVING)[0], time: '2026-02-31T00:00:00.000Z' }]),
    verdict: 'BROKEN',
    kind: 'line-invalid',
    at: LIVING,
  },
  {
    what: 'a code that there is not',
    forge: () => appended(LIVING, [invented(LIVING, { code: 'AKG999I' })]),
    verdict: 'BROKEN',
    kind: 'line-invalid',
    at: LIVING,
  },
  // The opening.
  {
    what: 'an opening that names another key',
    forge: () =>
      withLines(
        KILLED,
        rechain(
          objectsOf(KILLED).map((line, at) =>
            at === 0
              ? { ...line, opening: { ...(line['opening'] as JsonObject), key: own.jwk, keyId: own.keyId } }
              : line,
          ),
        ),
      ),
    verdict: 'BROKEN',
    kind: 'opening-invalid',
    at: KILLED,
  },
  {
    what: 'an opening that names another trail',
    forge: () =>
      withLines(
        KILLED,
        rechain(
          objectsOf(KILLED).map((line, at) =>
            at === 0
              ? {
                  ...line,
                  opening: { ...(line['opening'] as JsonObject), trail: { id: 'x', tenants: [], clusters: [] } },
                }
              : line,
          ),
        ),
      ),
    verdict: 'BROKEN',
    kind: 'opening-invalid',
    at: KILLED,
  },
  {
    what: 'an opening left out',
    forge: () => withLines(KILLED, rechain(objectsOf(KILLED).slice(1))),
    verdict: 'BROKEN',
    kind: 'opening-missing',
    at: KILLED,
  },
  {
    what: 'an opening that stands twice',
    forge: () => withLines(KILLED, rechain([...objectsOf(KILLED).slice(0, 2), ...objectsOf(KILLED)])),
    verdict: 'BROKEN',
    kind: 'opening-invalid',
    at: KILLED,
  },
  {
    what: 'a stream opened with a root key of its own',
    forge: () => ownTrail,
    verdict: 'BROKEN',
    kind: 'root-key-unknown',
    at: -1,
  },
  // Checkpoints.
  {
    what: 'a checkpoint that says less of other streams',
    forge: () =>
      withLines(
        LIVING,
        rechain(
          objectsOf(LIVING).map((line) =>
            line['checkpoint'] ? { ...line, checkpoint: { ...(line['checkpoint'] as JsonObject), heads: [] } } : line,
          ),
        ),
      ),
    verdict: 'BROKEN',
    kind: 'checkpoint-invalid',
    at: LIVING,
  },
  {
    what: 'a checkpoint left out',
    forge: () => withLines(LIVING, rechain(objectsOf(LIVING).toSpliced(codeAt(objectsOf(LIVING), 'AKG001I'), 1))),
    verdict: 'BROKEN',
    kind: 'signature-invalid',
    at: LIVING,
  },
  {
    what: "another stream's checkpoint",
    forge: () =>
      withLines(
        LIVING,
        rechain(
          objectsOf(LIVING).map((line) =>
            line['checkpoint']
              ? { ...line, checkpoint: objectsOf(CLOSED).find(({ checkpoint }) => checkpoint)?.['checkpoint'] }
              : line,
          ),
        ),
      ),
    verdict: 'BROKEN',
    kind: 'checkpoint-invalid',
    at: LIVING,
  },
  // Streams.
  {
    what: 'a stream that is gone',
    forge: () => without(CLOSED),
    verdict: 'BROKEN',
    kind: 'stream-missing',
    at: CLOSED,
  },
  {
    what: 'a stream in the middle that is gone',
    forge: () => without(KILLED),
    verdict: 'BROKEN',
    kind: 'stream-missing',
    at: KILLED,
  },
  {
    what: 'the newest stream gone, against the copies',
    forge: () => without(LIVING),
    verdict: 'BROKEN',
    kind: 'stream-missing',
    at: LIVING,
    options: () => ({ ...options, copies }),
  },
  {
    what: 'the newest stream gone, against receipts',
    forge: () => without(LIVING),
    verdict: 'UNPROVEN',
    kind: 'evidence-without-stream',
    at: LIVING,
    options: () => ({ ...options, receipts }),
  },
  {
    what: 'a stream emptied',
    forge: () => withStream(trail, name(CLOSED), Buffer.alloc(0)),
    verdict: 'BROKEN',
    kind: 'tail-cut',
    at: CLOSED,
  },
  {
    what: 'an empty stream put in',
    forge: () => withStream(trail, '20260101t000000000z-0123456789abcdef', Buffer.alloc(0)),
    verdict: 'UNPROVEN',
    kind: 'stream-empty',
    at: -1,
  },
  {
    what: 'a stream under the name of another',
    forge: () => withStream(trail, name(CLOSED), bytesOf(KILLED)),
    verdict: 'BROKEN',
    kind: 'foreign-line',
    at: CLOSED,
  },
  {
    what: 'a stream copied to a second name',
    forge: () => withStream(trail, `${name(CLOSED).slice(0, -4)}ffff`, bytesOf(CLOSED)),
    verdict: 'BROKEN',
    kind: 'foreign-line',
    at: -1,
  },
  {
    what: 'a stream of another trail under the same root key',
    forge: () => foreignTrail,
    verdict: 'BROKEN',
    kind: 'foreign-stream',
    at: -1,
  },
  {
    what: 'a stream whose name is not of the form',
    forge: () => withStream(trail, 'backup', bytesOf(CLOSED)),
    verdict: 'BROKEN',
    kind: 'not-a-stream',
    at: -1,
  },
];

let ownTrail: Trail = new Map();
let foreignTrail: Trail = new Map();
beforeAll(async () => {
  await using other = await createBench();
  const theirs = await other.open();
  await theirs.record({ event: 'job.fired', job: 'x', slot: 0, detail: 'in time' });
  await theirs.close();
  ownTrail = new Map([...trail, ...(await readTrail(other.folder))]);
  await using elsewhere = await createBench();
  const same = await elsewhere.open({ key: bench.key });
  await same.close();
  foreignTrail = new Map([...trail, ...(await readTrail(elsewhere.folder))]);
});

/** Whole lines, the torn one not among them. */
const objectsOfTorn = (): readonly JsonObject[] => objectsOf(TORN);
const lastSeal = (index: number): number => codeAt(objectsOf(index), 'AKG007I');
const swap = (lines: readonly JsonObject[], a: number, b: number): readonly string[] =>
  rechain(lines.with(a, lines[b] ?? {}).with(b, lines[a] ?? {}));

const verdictOf = async ({ forge, options: own }: Forgery, log: (of: Trail) => Promise<AppendLog> | AppendLog) =>
  verifyTrail(await log(forge()), { ...options, ...own?.() });

describe('the honest trail', () => {
  test('is intact with its anchors, and says what is signed and witnessed', async () => {
    const report = await verifyTrail(memoryLog(trail), anchored);
    expect(Object.keys(report.counts).sort()).toEqual(['alive', 'tail-explained']);
    expect(report).toMatchObject({ verdict: 'INTACT', commands: { paired: 25, open: [] } });
    expect(report.evidence).toMatchObject({ valid: receipts.length + copies.length, other: [] });
    expect(report.streams.map(({ final }) => final)).toEqual([true, false, false, false]);
    expect(report.streams[KILLED]).toMatchObject({ signedUpTo: linesOf(KILLED).length - 1 });
  });

  test('is unproven without its root key, whatever else is there, and stays so with a state that nobody gave a key', async () => {
    const { rootKeys: _, ...keyless } = anchored;
    const report = await verifyTrail(memoryLog(trail), keyless);
    expect([report.verdict, report.counts['root-key-not-named']]).toEqual(['UNPROVEN', 1]);
    expect((await verifyTrail(memoryLog(trail), { ...keyless, state: report.state })).verdict).toBe('UNPROVEN');
  });

  test('is unproven once its living stream has been silent for two minutes, and intact again once another has seen it', async () => {
    const now = bench.clock.now() + 3 * 60_000;
    const { verdict, findings } = await verifyTrail(memoryLog(trail), { ...options, now });
    expect([verdict, findings.find(({ level }) => level === 'unproven')]).toMatchObject([
      'UNPROVEN',
      { kind: 'end-unproven', stream: name(LIVING) },
    ]);
  });
});

describe('a forger without a key, in memory', () => {
  test.each(forgeries)('gets $verdict for $what', async (forgery) => {
    const report = await verdictOf(forgery, memoryLog);
    const found = report.findings.filter(({ kind }) => kind === forgery.kind);
    expect([report.verdict, found.length > 0, report.findings.map(({ kind }) => kind)]).toEqual([
      forgery.verdict,
      true,
      expect.anything(),
    ]);
    if (forgery.at >= 0) expect(found.map(({ stream }) => stream)).toContain(name(forgery.at));
    if (report.verdict !== 'BROKEN') expect(report.commands.paired).toBeLessThanOrEqual(25);
  });
});

describe('a forger without a key, in files', () => {
  test.each(forgeries)('gets $verdict for $what', async (forgery) => {
    await using place = await createBench();
    const log = async (of: Trail): Promise<AppendLog> => {
      await mkdir(place.folder, { recursive: true });
      for (const [stream, bytes] of of) await writeFile(path.join(place.folder, `${stream}.000000.jsonl`), bytes);
      return createFileLog({ folder: place.folder });
    };
    const report = await verdictOf(forgery, log);
    expect([report.verdict, (report.counts[forgery.kind] ?? 0) > 0]).toEqual([forgery.verdict, true]);
  });
});

describeAzurite('a forger without a key, in append blobs', () => {
  let azurite: Azurite;
  beforeAll(async () => {
    azurite = await startAzurite();
  });
  afterAll(() => azurite.close());

  test.each(forgeries)('gets $verdict for $what', async (forgery) => {
    const credential = new StorageSharedKeyCredential(account, accountKey);
    const url = `${new URL(azurite.blobUrl).origin}/${account}/forged${forgeries.indexOf(forgery)}`;
    const container = new ContainerClient(url, newPipeline(credential));
    await container.create();
    const log = async (of: Trail): Promise<AppendLog> => {
      for (const [stream, bytes] of of) {
        const blob = container.getAppendBlobClient(`${stream}.000000.jsonl`);
        await blob.create();
        if (bytes.length > 0) await blob.appendBlock(bytes, bytes.length);
      }
      return createBlobLog({ container, clock: systemClock });
    };
    const report = await verdictOf(forgery, log);
    expect([report.verdict, (report.counts[forgery.kind] ?? 0) > 0]).toEqual([forgery.verdict, true]);
  });
});
