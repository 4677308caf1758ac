import { createPublicKey, generateKeyPairSync, privateDecrypt, randomBytes, sign } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { createCopySink, readCopies } from '../../shared/audit/sinks/copies.ts';
import type { JsonObject } from '../../shared/lib/canonical-json.ts';
import { type Opening, hashLine } from '../../shared/audit/chain.ts';
import { eventCodes, type AuditEvent } from '../../shared/audit/events.ts';
import { exportCsv, exportLines } from '../../shared/audit/read/export.ts';
import { createExportLog, memoryLog } from '../../shared/audit/read/export-log.ts';
import type { KeyVault } from '../../shared/audit/key-vault.ts';
import { loadLocalRootKey, loadRootKey } from '../../shared/audit/keys.ts';
import { MAX_CURSOR } from '../../shared/audit/read/merge.ts';
import { checkpoints, queryEvents } from '../../shared/audit/read/query.ts';
import { readActivityLog, reconcile } from '../../shared/audit/verify/reconcile.ts';
import { createSiemSink } from '../../shared/audit/sinks/siem.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { alice, completed, createBench, facts, intended, linesOf, tenant } from './support/samples.ts';

const text = async (parts: AsyncIterable<string>): Promise<string> => {
  let all = '';
  for await (const part of parts) all += part;
  return all;
};

const word = (value: unknown): string => (typeof value === 'string' ? value : '-');

describe('a query', () => {
  test('gives the events of all streams in the order of time, page by page, and none twice while more are written', async () => {
    await using bench = await createBench();
    const [one, two] = [await bench.open(), await bench.open()];
    const write = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n += 1) {
        await bench.clock.advance(10);
        await (n % 2 ? one : two).record(intended(`cmd-${n}`));
      }
    };
    await write(0, 20);
    const ids: unknown[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await queryEvents(bench.log, { code: 'AKG300I', limit: 3, cursor });
      ids.push(...page.items.map(({ commandId }) => commandId));
      if (pages === 2) await write(20, 30);
      if (pages === 4) {
        const three = await bench.open();
        await three.record(intended('cmd-30'));
        await three.close();
      }
      pages += 1;
      cursor = page.next;
    } while (cursor !== undefined);
    expect(ids).toEqual(Array.from({ length: 31 }, (_, n) => `cmd-${n}`));
    await one.close();
    await two.close();
  });

  test('finds by time, principal, cluster, code and command', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    const start = bench.clock.now();
    await trail.record(intended('cmd-1'));
    await bench.clock.advance(1_000);
    await trail.record(intended('cmd-2', { principal: { tid: tenant, oid: 'bob', idtyp: 'app', azp: 'x', uti: 'y' } }));
    await trail.record(completed('cmd-1'));
    const whose = { principal: { tid: tenant, oid: 'bob' }, cluster: { name: 'other' } };
    await trail.record({ ...completed('cmd-2'), whose });
    await trail.close();
    const find = async (query: object) =>
      (await queryEvents(bench.log, { limit: 100, ...query })).items.map(
        (item) => `${word(item['code'])} ${word(item['commandId'])}`,
      );
    expect(await find({ command: 'cmd-1' })).toEqual(['AKG300I cmd-1', 'AKG305I cmd-1']);
    expect(await find({ principal: alice })).toEqual(['AKG300I cmd-1']);
    // How a command ended is found with it where its line says whose it is.
    expect(await find({ principal: `app:${tenant}:bob` })).toEqual(['AKG300I cmd-2', 'AKG305I cmd-2']);
    expect(await find({ cluster: 'other' })).toEqual(['AKG305I cmd-2']);
    expect(await find({ principal: `other:bob` })).toEqual([]);
    expect(await find({ cluster: 'demo', code: 'AKG300I', since: start + 500 })).toEqual(['AKG300I cmd-2']);
    expect(await find({ cluster: 'demo', until: start + 500 })).toEqual(['AKG300I cmd-1']);
    expect(await find({ cluster: 'de' })).toEqual([]);
    const [checkpoint] = (await checkpoints(bench.log, { limit: 1 })).items;
    expect((await verifyTrail(bench.log, { copies: [checkpoint?.jws ?? ''] })).counts).toEqual({});
  });

  test('has a cursor for 150 living streams that fits into a request line, and says of more what to do', async () => {
    const living = (count: number) =>
      memoryLog(
        new Map(
          Array.from({ length: count }, (_, n) => {
            const stream = `20260101t000000${String(n).padStart(3, '0')}z-${randomBytes(8).toString('hex')}`;
            const line = `{"code":"AKG300I","stream":"${stream}","time":"2026-01-01T00:00:01.000Z","v":1}\n`;
            return [stream, Buffer.from(line.repeat(3))] as const;
          }),
        ),
      );
    const log = living(150);
    let found = 0;
    let cursor: string | undefined;
    do {
      const page = await queryEvents(log, { limit: 100, cursor });
      found += page.items.length;
      cursor = page.next;
      expect(cursor?.length ?? 0).toBeLessThanOrEqual(MAX_CURSOR);
    } while (cursor !== undefined);
    expect(found).toBe(450);
    await expect(queryEvents(living(151), { limit: 100 })).rejects.toMatchObject({ code: 'request-invalid' });
  });

  test('refuses a cursor that is none', async () => {
    await using bench = await createBench();
    for (const cursor of [
      '',
      'x',
      deflateRawSync('[1,2]').toString('base64url'),
      deflateRawSync('["a",[["s",-1,0]]]').toString('base64url'),
      deflateRawSync(`["${'a'.repeat(100_000)}",[]]`).toString('base64url'),
    ])
      await expect(queryEvents(bench.log, { limit: 1, cursor })).rejects.toMatchObject({ code: 'request-invalid' });
  });
});

describe('an export', () => {
  test('of lines verifies by itself, offline, and a changed one does not', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    for (let n = 0; n < 20; n += 1) {
      await trail.record(intended(`cmd-${n}`));
      await bench.clock.advance(10_000);
    }
    await trail.close();
    const start = Date.UTC(2026, 0, 1);
    const lines = await text(exportLines(bench.log, { since: start + 70_000, until: start + 100_000 }));
    const verify = (of: string) => verifyTrail(createExportLog(of), { partial: true, rootKeys: [bench.key.keyId] });
    const report = await verify(lines);
    expect(report.findings).toEqual([]);
    expect(report.streams[0]).toMatchObject({ events: lines.trim().split('\n').length });
    expect(report.streams[0]?.signedUpTo).toBeGreaterThan(8);
    expect(report.doesNotProve.join('\n')).toContain('not in the export');
    expect((await verify(lines.replace('cmd-8', 'cmd-x'))).verdict).toBe('broken');
    expect((await verify(lines.split('\n').toSpliced(3, 1).join('\n'))).verdict).toBe('broken');
  });

  test('as CSV has a row for each event and nothing that a spreadsheet would run', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.record(intended('cmd-1', { reason: '=HYPERLINK("http://x"),\nnext' }));
    const whose = { principal: { tid: tenant, oid: 'bob' }, cluster: { name: 'other' } };
    await trail.record({ ...completed('cmd-1', 3), whose });
    await trail.close();
    const [header, , row = '', end = ''] = (await text(exportCsv(bench.log))).split('\r\n');
    expect(end).toContain(`cmd-1,${tenant},bob,,,,,other,3,`);
    expect(header).toContain('time,code,stream,seq,hash');
    expect(row).toContain(`"'=HYPERLINK(""http://x""),\\u000anext"`);
    expect(row).toContain(alice);
  });
});

test('reconciliation names the runs that went around the gateway, and those that Azure does not know', async () => {
  await using bench = await createBench();
  const trail = await bench.open();
  for (const [id, requestId] of [
    ['cmd-1', 'aaaa-bb'],
    ['cmd-2', undefined],
    ['cmd-3', 'cccc'],
  ] as const) {
    await trail.record(intended(id));
    await trail.record({
      event: 'command.accepted',
      commandId: id,
      azureCommandId: `azure-${id}`,
      azureRequestId: requestId,
    });
    await bench.clock.advance(600_000);
  }
  await trail.close();
  const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + seconds * 1_000).toISOString();
  const entry = (correlationId: string, seconds: number, more: object = {}) => ({
    operationName: { value: 'Microsoft.ContainerService/managedClusters/runCommand/action' },
    eventTimestamp: at(seconds),
    correlationId,
    resourceId: facts.cluster?.armId.toUpperCase(),
    caller: 'mallory@example.com',
    ...more,
  });
  const activity = readActivityLog({
    value: [
      entry('x-1', 300, { properties: { serviceRequestId: 'AAAABB' } }),
      entry('x-1', 301),
      entry('x-2', 630),
      entry('x-9', 640),
      entry('x-8', 700, { operationName: 'Microsoft.ContainerService/managedClusters/read' }),
    ],
  });
  const range = { since: Date.UTC(2026, 0, 1), until: Date.UTC(2026, 0, 2) };
  const result = await reconcile(bench.log, activity, range);
  expect(result.matched).toBe(2);
  expect(result.aroundGateway).toMatchObject([{ correlationId: 'x-9', caller: 'mallory@example.com' }]);
  expect(result.notInAzure).toMatchObject([{ commandId: 'cmd-3' }]);
  expect(() => readActivityLog('x')).toThrow('JSON array');
});

describe('the way out to a SIEM', () => {
  test('never holds up the trail, and counts what it dropped', async () => {
    const clock = createManualClock();
    const sent: number[] = [];
    const sink = createSiemSink({ clock, maxQueued: 600, upload: async (rows) => void sent.push(rows.length) });
    for (let n = 0; n < 700; n += 1) sink.offer({ n });
    expect(sink.counts()).toEqual({ sent: 0, dropped: 100, queued: 600 });
    await clock.advance(2_000);
    expect(sent).toEqual([500, 100]);
    sink.offer({ n: 1 });
    await sink.close();
    expect(sink.counts()).toEqual({ sent: 601, dropped: 100, queued: 0 });
  });

  test('gets each line of the trail as it stands there, checkpoints too, and its hash', async () => {
    await using bench = await createBench();
    const offered: JsonObject[] = [];
    const siem = { offer: (event: JsonObject) => void offered.push(event), close: async () => undefined };
    const trail = await bench.open({ siem: { ...siem, counts: () => ({ sent: 0, dropped: 0, queued: 0 }) } });
    await Promise.all([trail.record(intended('cmd-1')), trail.record(completed('cmd-1'))]);
    await trail.close();
    const lines = await linesOf(bench.log);
    expect(lines.map(({ code }) => code)).toEqual(['AKG000I', 'AKG300I', 'AKG305I', 'AKG001I', 'AKG002I']);
    const [first] = await bench.log.streams();
    const written: object[] = [];
    for await (const { text, bytes } of bench.log.read(first ?? ''))
      written.push({ ...(JSON.parse(text) as object), hash: hashLine(bytes) });
    expect(offered.map((event) => JSON.parse(JSON.stringify(event)) as object)).toEqual(written);
  });

  test('tells what it dropped: of the first at once, of more once a minute, and at the close', async () => {
    const clock = createManualClock();
    const told: number[] = [];
    const upload = () => new Promise<void>(() => undefined);
    const sink = createSiemSink({ clock, maxQueued: 1, upload, onDropped: ({ dropped }) => void told.push(dropped) });
    for (let n = 0; n < 4; n += 1) sink.offer({ n });
    expect(told).toEqual([1]);
    await clock.advance(60_000);
    for (let n = 0; n < 4; n += 1) sink.offer({ n });
    expect(told).toEqual([1, 4]);
    const closed = sink.close();
    await clock.advance(5_000);
    await closed;
    expect(told).toEqual([1, 4, 7]);
  });

  test('gives up rows that are refused four times', async () => {
    const clock = createManualClock();
    let tries = 0;
    const sink = createSiemSink({ clock, upload: () => ((tries += 1), Promise.reject(new Error('403'))) });
    sink.offer({ n: 1 });
    for (let n = 0; n < 10; n += 1) await clock.advance(10_000);
    expect([tries, sink.counts().dropped]).toEqual([4, 1]);
    await sink.close();
    expect(clock.sleeping()).toBe(0);
  });
});

describe('the root key', () => {
  test('in a file is made once, for its owner only, and on loopback only', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'aksgw-key-'));
    const file = path.join(folder, 'keys', 'signing.jwk');
    const made = await Promise.all([1, 2, 3].map(() => loadLocalRootKey(file)));
    expect(new Set(made.map(({ keyId }) => keyId)).size).toBe(1);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await chmod(file, 0o640);
    await expect(loadLocalRootKey(file)).rejects.toThrow('readable by others');
    await writeFile(file, '{"d":"hunter2', { mode: 0o600 });
    await chmod(file, 0o600);
    const refused = await loadLocalRootKey(file).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'audit-unavailable' });
    expect(JSON.stringify(refused)).not.toContain('hunter2');
    await expect(loadRootKey({ kind: 'file', path: file }, { loopback: false })).rejects.toThrow('use Key Vault');
    await rm(folder, { recursive: true });
  });

  test('in Key Vault signs there, and keeps the HMAC key for whoever may unwrap', async () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    let signatures = 0;
    const vault: KeyVault = {
      get: async (name) =>
        name === 'root'
          ? {
              id: 'https://v/keys/root/1',
              jwk: createPublicKey(ec.privateKey).export({ format: 'jwk' }),
            }
          : {
              id: 'https://v/keys/root-wrap/1',
              jwk: rsa.publicKey.export({ format: 'jwk' }),
            },
      sign: async (_, data) => {
        signatures += 1;
        return sign('sha256', data, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
      },
    };
    const key = await loadRootKey(
      { kind: 'azure', url: 'https://v.vault.azure.net/keys/root' },
      { loopback: false, vault },
    );
    await using bench = await createBench();
    const trail = await bench.open({ key });
    await trail.record(intended('cmd-1'));
    await trail.close();
    expect(signatures).toBe(1);
    const report = await verifyTrail(bench.log, { rootKeys: [key.keyId] });
    expect(report.findings).toEqual([]);
    const { hmacKey } = Object((await linesOf(bench.log))[0]?.['opening']) as Opening;
    expect(hmacKey).toMatchObject({ alg: 'RSA-OAEP-256', keyAt: 'https://v/keys/root-wrap/1' });
    const value = hmacKey.alg === 'none' ? '' : hmacKey.value;
    expect(privateDecrypt({ key: rsa.privateKey, oaepHash: 'sha256' }, Buffer.from(value, 'base64url'))).toHaveLength(
      32,
    );
  });

  test('in Key Vault that cannot be reached is audit-unavailable', async () => {
    const vault: KeyVault = {
      get: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })),
      sign: () => Promise.reject(new Error('x')),
    };
    await expect(
      loadRootKey({ kind: 'azure', url: 'https://v.vault.azure.net/keys/root' }, { loopback: false, vault }),
    ).rejects.toMatchObject({ code: 'audit-unavailable' });
  });
});

describe('every event', () => {
  const planted = Array.from({ length: 40 }, (_, n) => `pl4nted-s3cret-${n}-x`);
  const secret = (n: number): string => planted[n] ?? '';
  const outcome = { commandId: 'c', exitCode: 1, failure: { code: 'x', message: `password=${secret(0)}` } } as const;
  const command = {
    ...facts,
    argv: [
      'kubectl',
      'create',
      `--from-literal=a=${secret(1)}`,
      '--docker-password',
      secret(2),
      '--set',
      `x=${secret(3)}`,
      `--token=${secret(4)}`,
    ],
    reason: `token: ${secret(5)}`,
    text: `kubectl ${secret(6)}`,
    stdin: Buffer.from(secret(7)),
    files: [{ path: 'a.yaml', bytes: Buffer.from(secret(8)) }],
    decision: 'allow',
    policyDigest: 'd',
  } as const;
  const claimed = { userAgent: `bot Bearer ${secret(9)}${secret(9)}`, requestedBy: `pwd=${secret(10)}` };
  const events: readonly AuditEvent[] = [
    { event: 'config.loaded', configDigest: 'a', policyDigest: 'b', build: 'c' },
    { ...facts, claimed, event: 'auth.failed', problem: 'token-invalid', detail: `secret=${secret(11)}` },
    { ...facts, event: 'principal.denied', detail: 'blocked' },
    { ...command, event: 'command.refused', problem: 'command-refused', detail: `--password ${secret(12)}` },
    { ...command, event: 'command.denied', detail: 'no rule' },
    { ...command, event: 'command.explained' },
    { ...facts, event: 'rate-limited', detail: 'x' },
    { ...command, event: 'command.intended', commandId: 'c' },
    { ...facts, event: 'command.replayed', commandId: 'c' },
    { event: 'command.accepted', commandId: 'c', azureCommandId: 'a', azureRequestId: 'r' },
    { event: 'command.rejected', ...outcome },
    { event: 'command.unknown', ...outcome },
    { event: 'command.completed', ...outcome, stdout: Buffer.from(secret(13)) },
    { event: 'command.failed', ...outcome },
    { event: 'command.interrupted', ...outcome },
    { event: 'command.inconsistent', commandId: 'c', detail: `https://u:${secret(14)}@h/` },
    { ...facts, event: 'result.read', commandId: 'c' },
    { ...facts, event: 'audit.read', detail: 'x' },
    { ...facts, event: 'job.fired', job: 'nightly' },
  ];

  test('that a gateway composes has its own code, and none of 15 planted secrets reaches the trail', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    for (const event of events) await trail.record(event);
    await trail.close();
    const lines = await linesOf(bench.log);
    const written = new Set(lines.map(({ code }) => code));
    const own = Object.entries(eventCodes)
      .filter(([name]) => name !== 'recovered')
      .map(([, code]) => code);
    expect(written).toEqual(new Set(own));
    const all = JSON.stringify(lines);
    expect(planted.filter((word) => all.includes(word))).toEqual([]);
    expect(all).toContain('[redacted]');
  });

  test('has a code of its own shape, and no two share a number', () => {
    const codes = Object.values(eventCodes);
    expect(codes.filter((code) => !/^AKG\d{3}[IWE]$/.test(code))).toEqual([]);
    expect(new Set(codes.map((code) => code.slice(3, 6))).size).toBe(codes.length);
  });
});

test('checkpoints that are copied to a second log find a trail whose end was cut off', async () => {
  await using bench = await createBench();
  await using second = await createBench();
  const sink = createCopySink(second.log);
  const trail = await bench.open({ copies: [sink] });
  await trail.record(intended('cmd-1'));
  await trail.record(completed('cmd-1'));
  await trail.close();
  expect(sink.counts()).toEqual({ copied: 1, failed: 0 });
  const copies = await readCopies(second.log);
  expect((await verifyTrail(bench.log, { copies })).counts).toEqual({});
  const [stream = ''] = await bench.log.streams();
  const file = path.join(bench.folder, `${stream}.000000.jsonl`);
  await writeFile(file, (await readFile(file, 'utf8')).split('\n').slice(0, 2).join('\n').concat('\n'));
  expect((await verifyTrail(bench.log, { copies })).counts).toMatchObject({ 'tail-cut': 1 });
});
