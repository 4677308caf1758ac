import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Json, canonicalJson } from '../../shared/lib/canonical-json.ts';
import { hashLine } from '../../shared/audit/chain.ts';
import { openAuditTrail } from '../../shared/audit/write/open-trail.ts';
import type { RootKey } from '../../shared/audit/root-key.ts';
import { loadLocalRootKey } from '../../shared/audit/keys.ts';
import type { AuditTrail } from '../../shared/audit/trail.ts';
import { createSigningKey, signCompact } from '../../shared/audit/signature.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock, systemEntropy } from '../../shared/clock.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { completed, intended } from '../audit/support/samples.ts';
import { pageOverHttp } from './support/audit-pages.ts';
import { writeTrail } from './support/audit-trail.ts';

/**
 * Figures of the audit trail on this machine, measured now: how many events it makes durable a second, beside what the disk gives;
 * verification; the time and memory of questions to a trail of a million events. Prints one JSON object;
 * `node test/bench/audit.ts [--quick]`.
 */
const quick = process.argv.includes('--quick');
const commands = quick ? 3_000 : 20_000;
const events = quick ? 100_000 : 1_000_000;

/**
 * V8 lets its young generation grow with the machine's memory, to 3 × 64 MiB on a large one, garbage for the most part. With the
 * 8 MiB that `npm run serve` gives it the figure tells what a query itself takes.
 */
const YOUNG = '--max-semi-space-size=8';

process.stdout.write(`${JSON.stringify(await bench(), null, 2)}\n`);

async function bench(): Promise<unknown> {
  const root = await mkdtemp(path.join(tmpdir(), 'aksgw-bench-'));
  try {
    const key = await loadLocalRootKey(path.join(root, 'signing.jwk'));
    const durable = await writing(path.join(root, 'written'), key);
    const folder = path.join(root, 'log');
    const started = performance.now();
    const { began, ended, events: written } = await writeTrail(folder, key, events);
    const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
    return {
      durable,
      trail: { events: written, seconds },
      verify: await verifying(createFileLog({ folder }), key),
      query: await inBoth((options) => askInProcess(folder, written, (began + ended) / 2, options)),
      http: await inBoth((options) => pageOverHttp(root, options)),
      manyStreams: await inProcess('audit-streams.ts', [path.join(root, 'streams'), quick ? '1000' : '10000', '200']),
      export: await inProcess('audit-export.ts', [
        'write',
        folder,
        path.join(root, 'signing.jwk'),
        path.join(root, 'export'),
      ]),
      verifyExport: await inProcess('audit-export.ts', [
        'verify',
        folder,
        path.join(root, 'signing.jwk'),
        path.join(root, 'export'),
      ]),
      signing: signing(),
      aims: {
        'durable at 64': { eventsPerSecond: 2_000, p99Ms: 25 },
        query: { peakMiB: 150 },
        manyStreams: { p99Ms: 200 },
        'export, verifyExport': { peakMiB: 200 },
        signing: { shareOfACoreAt100BatchesASecond: 0.01, aloneMs: 0.1 },
      },
    };
  } finally {
    await rm(root, { recursive: true });
  }
}

async function inBoth(measure: (options: string) => Promise<unknown>) {
  return { [YOUNG]: await measure(YOUNG), 'V8 as it comes': await measure('') };
}

async function writing(folder: string, key: RootKey) {
  const raw = await rawSyncs(folder);
  const log = createFileLog({ folder });
  const trail = await openAuditTrail({ log, key, clock: systemClock, entropy: systemEntropy, build: 'bench' });
  await load(trail, 64, 1_000); // until the code is compiled
  const figures = {
    rawFdatasync: raw,
    at1: await load(trail, 1, Math.ceil(commands / 10)),
    at64: await load(trail, 64, commands),
    at256: await load(trail, 256, commands),
  };
  await trail.close();
  return figures;
}

/** So many callers, each with an intent, its receipt, an outcome, and the next; the times of `record` alone. */
async function load(trail: AuditTrail, concurrent: number, count: number) {
  const times: number[] = [];
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    const before = performance.now();
    const result = await work();
    times.push(performance.now() - before);
    return result;
  };
  let next = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: concurrent }, async () => {
      while (next < count) {
        const id = `bench-${concurrent}-${(next += 1)}`;
        const recorded = await timed(() => trail.record(intended(id)));
        await recorded.receipt();
        await timed(() => trail.record(completed(id)));
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  return {
    eventsPerSecond: Math.round(times.length / seconds),
    ...spread(times),
    cpuMicrosPerEvent: Math.round((cpuSeconds(cpu) / times.length) * 1e6),
  };
}

/** What the disk gives to one writer of 600 bytes at a time, write and fdatasync: what no single event can be faster than. */
async function rawSyncs(folder: string) {
  await createFileLog({ folder })
    .open('raw')
    .then((stream) => stream.close());
  const handle = await open(path.join(folder, 'raw'), 'a');
  const line = Buffer.alloc(600, 'x');
  const times: number[] = [];
  const started = performance.now();
  while (performance.now() - started < 1_000) {
    const before = performance.now();
    await handle.write(line);
    await handle.datasync();
    times.push(performance.now() - before);
  }
  await handle.close();
  return { perSecond: times.length, ...spread(times) };
}

async function verifying(log: AppendLog, key: RootKey) {
  const cpu = process.cpuUsage();
  const { verdict, events: read } = await verifyTrail(log, { rootKeys: [key.keyId] });
  const eventsPerCpuSecond = Math.round(read / cpuSeconds(cpu));

  // The plain way, over as many lines as give a steady figure: no chain, no pairing, no signatures.
  const plain = process.cpuUsage();
  let lines = 0;
  let canonical = 0;
  for await (const { text } of log.read((await log.streams())[0] ?? '')) {
    if (lines === 200_000) break;
    lines += 1;
    const again = canonicalJson(JSON.parse(text) as Json);
    if (again === text && hashLine(again) !== '') canonical += 1;
  }
  return {
    verdict,
    events: read,
    eventsPerCpuSecond,
    parseSerialiseHashPerCpuSecond: Math.round(canonical / cpuSeconds(plain)),
  };
}

/** @param options for node. */
function askInProcess(folder: string, written: number, middle: number, options: string): Promise<unknown> {
  return inProcess('audit-query.ts', [folder, String(written), String(middle)], options);
}

async function inProcess(program: string, words: readonly string[], options = YOUNG): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    ...options.split(' ').filter((word) => word !== ''),
    path.join(import.meta.dirname, 'support', program),
    ...words,
  ]);
  return JSON.parse(stdout);
}

/** What the signature over a batch costs: as the writer makes it, and the bare ES256 beside it. */
function signing() {
  const key = createSigningKey();
  const payload = {
    code: 'AKG007I',
    lagMs: 0,
    maxTime: 'x'.repeat(24),
    prev: 'a'.repeat(64),
    seq: 1,
    stream: 's'.repeat(36),
  };
  const micros = (work: () => unknown): number => {
    for (let n = 0; n < 500; n += 1) work();
    const before = process.cpuUsage();
    for (let n = 0; n < 5_000; n += 1) work();
    return Number((cpuSeconds(before) * 200).toFixed(1));
  };
  const batch = micros(() => signCompact(key, 'aksgw-batch', payload));
  const bare = micros(() => key.sign(Buffer.from('x')));
  return {
    batchMicros: batch,
    bareMicros: bare,
    aloneMs: Number((batch / 1000).toFixed(3)),
    shareOfACoreAt100BatchesASecond: Number((batch / 10_000).toFixed(4)),
  };
}

function spread(times: number[]) {
  times.sort((a, b) => a - b);
  const at = (share: number): number => Number((times[Math.floor(times.length * share)] ?? 0).toFixed(2));
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}
