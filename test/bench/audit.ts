import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openAuditTrail } from '../../shared/audit/create.ts';
import { loadLocalRootKey } from '../../shared/audit/keys.ts';
import { queryEvents } from '../../shared/audit/query.ts';
import { verifyTrail } from '../../shared/audit/verify.ts';
import { systemClock, systemEntropy } from '../../shared/clock.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { completed, intended } from '../audit/support/samples.ts';

/** Figures of the audit trail on this machine, measured now: `node test/bench/audit.ts [commands]`. */
export async function benchAudit(commands = 10_000): Promise<Record<string, unknown>> {
  const root = await mkdtemp(path.join(tmpdir(), 'aksgw-bench-'));
  try {
    const log = createFileLog({ folder: path.join(root, 'log') });
    const key = await loadLocalRootKey(path.join(root, 'signing.jwk'));
    const figures: Record<string, unknown> = { fdatasyncPerSecond: await rawSyncs(path.join(root, 'raw')) };
    const trail = await openAuditTrail({ log, key, clock: systemClock, entropy: systemEntropy, build: 'bench' });
    for (const concurrent of [1, 64, 256]) {
      const count = concurrent === 1 ? Math.ceil(commands / 10) : commands;
      const times: number[] = [];
      let next = 0;
      const started = performance.now();
      await Promise.all(
        Array.from({ length: concurrent }, async () => {
          while (next < count) {
            const id = `bench-${concurrent}-${(next += 1)}`;
            const before = performance.now();
            const recorded = await trail.record(intended(id));
            await recorded.receipt();
            const between = performance.now();
            await trail.record(completed(id));
            times.push(between - before, performance.now() - between);
          }
        }),
      );
      const seconds = (performance.now() - started) / 1000;
      times.sort((a, b) => a - b);
      const at = (share: number): number => Number((times[Math.floor(times.length * share)] ?? 0).toFixed(2));
      figures[`durable${concurrent}`] = {
        eventsPerSecond: Math.round(times.length / seconds),
        p50Ms: at(0.5),
        p99Ms: at(0.99),
      };
    }
    await trail.close();

    const cpu = process.cpuUsage();
    const report = await verifyTrail(log, { rootKeys: [key.keyId] });
    const used = process.cpuUsage(cpu);
    figures['verify'] = {
      verdict: report.verdict,
      events: report.events,
      eventsPerCpuSecond: Math.round((report.events / (used.user + used.system)) * 1e6),
    };
    const started = performance.now();
    let cursor: string | undefined;
    let found = 0;
    do {
      const page = await queryEvents(log, { code: 'AKG305I', limit: 1_000, cursor });
      found += page.items.length;
      cursor = page.next;
    } while (cursor !== undefined);
    figures['query'] = {
      events: report.events,
      found,
      ms: Math.round(performance.now() - started),
      peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    };
    return figures;
  } finally {
    await rm(root, { recursive: true });
  }
}

/** What the disk gives to one writer of 600 bytes at a time: the most that one event at a time can reach. */
async function rawSyncs(file: string): Promise<number> {
  const handle = await open(file, 'w');
  const line = Buffer.alloc(600, 'x');
  const started = performance.now();
  let count = 0;
  while (performance.now() - started < 1_000) {
    await handle.write(line);
    await handle.datasync();
    count += 1;
  }
  await handle.close();
  return count;
}

if (import.meta.main) console.log(JSON.stringify(await benchAudit(Number(process.argv[2] ?? 10_000)), null, 2));
