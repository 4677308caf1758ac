import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock } from '../../shared/clock.ts';
import { createBlobLog } from '../../shared/store/blob-log.ts';
import * as support from '../support/azurite.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

/**
 * Whole gateways whose records and trail are in Azure Storage, as their configuration says: two of them on one Azurite, over ways that lose
 * requests and answers, say 503 and say 412 to what was never compared. One is killed in the middle, and another takes its place.
 */
const seed = Number(process.env['AZURITE_SEED'] ?? randomInt(2 ** 31));
const COMMANDS = Number(process.env['AZURITE_COMMANDS'] ?? 10);
/** One request in so many meets with a fault. */
const FAULTY = 12;
const script = join(import.meta.dirname, '../support/mortal-gateway.ts');

/** Mulberry32: what is drawn is the same for the same seed. */
function draws(from: number): (below: number) => number {
  let state = from;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

support.describeAzurite(`two gateways on one Azurite (AZURITE_SEED=${seed})`, () => {
  let folder: string;
  let azurite: support.Azurite;
  let ways: readonly support.FaultyStorage[];
  let azure: EmulatedAzure;
  let token: string;
  let start: () => Promise<GatewayProcess>;
  const started: GatewayProcess[] = [];
  /** Whether requests to storage meet with faults. */
  let troubled = false;
  const met = new Map<support.StorageFault, number>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aksgw-azurite-'));
    azurite = await support.startAzurite();
    const draw = draws(seed);
    const fault = ({ method }: { readonly method?: string | undefined }): support.StorageFault => {
      if (!troubled || draw(FAULTY) > 0) return 'pass';
      const kinds: support.StorageFault[] = ['lose-request', 'lose-answer', 503, ...(method === 'PUT' ? [412] : [])];
      const kind = kinds[draw(kinds.length)] ?? 'pass';
      met.set(kind, (met.get(kind) ?? 0) + 1);
      return kind;
    };
    ways = await Promise.all([azurite.blobUrl, azurite.tableUrl].map((url) => support.startFaultyStorage(url, fault)));
    const [blobs, tables] = ways.map(({ origin }) => `${origin}/${support.account}`);
    writeFileSync(join(folder, 'kubectl'), KUBECTL.replaceAll('RAN', join(folder, 'ran')), { mode: 0o755 });
    azure = await startAzure({ tools: folder });
    token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
    const { config, env } = writeConfig(join(folder, 'gateway'), azure, 0, (yaml) =>
      yaml
        .replace(/audit: file:.*/, `audit: ${blobs}/trail`)
        .replace(/records: sqlite:.*/, `records: ${tables}`)
        .replace(/perPrincipal: .*/, 'perPrincipal: { running: 50, queued: 500, submitsPerMinute: 10000 }')
        .replace(/perCluster: .*/, 'perCluster: { running: 50 }'),
    );
    start = async () => {
      const gateway = await startGatewayProcess(config, { ...env, KILL_AT: '0', LEASE_MS: '5000' }, script, []);
      started.push(gateway);
      return gateway;
    };
  }, 120_000);
  afterAll(async () => {
    for (const gateway of started) await gateway.kill();
    await azure.close();
    for (const way of ways) await way[Symbol.asyncDispose]();
    await azurite.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Told {
    readonly name: string;
    readonly status: number;
    readonly id?: string | undefined;
    /** The code of a problem. */
    readonly code?: string | undefined;
  }

  const headers = () => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });

  async function run({ url }: GatewayProcess, name: string, more: Record<string, unknown> = {}): Promise<Told> {
    const body = JSON.stringify({ argv: ['kubectl', 'get', 'pods', name, '-n', 'shop'], ...more });
    try {
      const asked = { method: 'POST', headers: { ...headers(), prefer: 'wait=2' }, body };
      const answer = await fetch(`${url}/v1/clusters/demo/commands`, asked);
      const { id, code } = (await answer.json()) as { readonly id?: string; readonly code?: string };
      return { name, status: answer.status, id, code };
    } catch {
      return { name, status: 0 }; // it was killed meanwhile
    }
  }

  async function ended({ url }: GatewayProcess, id: string): Promise<Record<string, unknown>> {
    for (;;) {
      const answer = await fetch(`${url}/v1/commands/${id}`, { headers: headers() });
      const record = (await answer.json()) as Record<string, unknown>;
      if (answer.status === 503 || ['accepted', 'submitting', 'running'].includes(String(record['status'])))
        await sleep(200);
      else return record;
    }
  }

  const runsOf = (name: string): number =>
    existsSync(join(folder, 'ran'))
      ? readFileSync(join(folder, 'ran'), 'utf8')
          .split('\n')
          .filter((line) => line === name).length
      : 0;

  test('run each command at most once, lose none that they told, and leave a trail that verifies', async () => {
    const draw = draws(seed + 1);
    const gateways = await Promise.all([start(), start()]);
    troubled = true;
    const told: Told[] = [];
    const waiting = Array.from({ length: COMMANDS }, (_, at) => at)[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const at of waiting) {
        if (at === Math.floor(COMMANDS / 2)) {
          const [first] = gateways;
          await first?.kill();
          troubled = false;
          gateways[0] = await start();
          troubled = true;
        }
        const gateway = gateways[draw(2)];
        if (gateway) told.push(await run(gateway, `p-${at}`));
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    troubled = false;
    const survivor = gateways[1];
    if (!survivor) throw new Error('there is no second gateway');

    for (const { name, id, status, code } of told) {
      expect(runsOf(name)).toBeLessThanOrEqual(1);
      if (id === undefined) {
        // A problem says that nothing was started. Who got no answer knows nothing.
        if (status !== 0)
          expect([name, code, runsOf(name)]).toEqual([name, expect.stringMatching(/unavailable|busy/), 0]);
        continue;
      }
      const record = await ended(survivor, id);
      expect([name, record['id']]).toEqual([name, id]);
      if (record['status'] === 'completed')
        expect([name, record['stdout'], runsOf(name)]).toEqual([name, `${name}\n`, 1]);
      else if (record['status'] === 'failed') expect([name, runsOf(name)]).toEqual([name, 0]);
      else expect([name, record['status']]).toEqual([name, 'unknown']);
    }
    expect(told.filter(({ id }) => id !== undefined).length).toBeGreaterThan(0);
    expect(met.size).toBeGreaterThan(1);

    for (const gateway of gateways) await gateway.kill();
    const container = new ContainerClient(
      `${azurite.blobUrl}/trail`,
      new StorageSharedKeyCredential(support.account, support.accountKey),
    );
    const report = await verifyTrail(createBlobLog({ container, clock: systemClock }));
    expect(report).not.toMatchObject({ verdict: 'BROKEN' });
  }, 240_000);

  test('keep commands and output near the limits of an entity and of a block', async () => {
    const gateway = await start();
    // 1,000 words make the record larger than one property of an entity (64 KiB), the output is larger than a block of the trail (4 MiB).
    const many = Array.from({ length: 900 }, (_, at) => `pod-${at}-${'x'.repeat(90)}`);
    const large = { argv: ['kubectl', 'get', 'pods', 'big', ...many, '-n', 'shop'], reason: 'r'.repeat(1_000) };
    const { id } = await run(gateway, 'big', large);
    const record = await ended(gateway, id ?? '');
    expect(record).toMatchObject({ status: 'completed', argv: large.argv, outputBytes: { stdout: 6_000_000 } });
    expect(String(record['stdout'])).toHaveLength(6_000_000);
    await gateway.kill();
  }, 120_000);
});

/** Notes that it ran, and prints the pod's name; of `big` it prints much. */
const KUBECTL = `#!/bin/sh
for word; do
  case "$word" in *p-[0-9]*|*big) name=\${word##*/} ;; esac
done
echo "$name" >> RAN
case "$name" in
  big) head -c 6000000 /dev/zero | tr '\\0' x ;;
  *) echo "$name" ;;
esac
`;
