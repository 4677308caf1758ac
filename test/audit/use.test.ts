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
import { cell, exportCsv } from '../../shared/audit/read/csv.ts';
import type { KeyVault } from '../../shared/audit/key-vault.ts';
import { loadLocalRootKey, loadRootKey } from '../../shared/audit/keys.ts';
import { MAX_CURSOR } from '../../shared/audit/read/cursor.ts';
import { checkpoints, queryEvents } from '../../shared/audit/read/query.ts';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import { createSiemSink } from '../../shared/audit/sinks/siem.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { memoryLog } from './support/memory-log.ts';
import { alice, completed, createBench, facts, intended, linesOf, tenant } from './support/samples.ts';
import { batchId, commandId } from '../support/records.ts';

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
      const page = await queryEvents(createStreamIndex(bench.log, bench.clock), { code: 'AKG300I', limit: 3, cursor });
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
      (await queryEvents(createStreamIndex(bench.log, bench.clock), { limit: 100, ...query })).items.map(
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
    const [checkpoint] = (await checkpoints(createStreamIndex(bench.log, bench.clock), { limit: 1 })).items;
    const { evidence } = await verifyTrail(bench.log, { copies: [checkpoint?.jws ?? ''] });
    expect(evidence).toEqual({ valid: 1, other: [] });
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
      const page = await queryEvents(createStreamIndex(log, createManualClock()), { limit: 100, cursor });
      found += page.items.length;
      cursor = page.next;
      expect(cursor?.length ?? 0).toBeLessThanOrEqual(MAX_CURSOR);
    } while (cursor !== undefined);
    expect(found).toBe(450);
    await expect(
      queryEvents(createStreamIndex(living(151), createManualClock()), { limit: 100 }),
    ).rejects.toMatchObject({ code: 'request-invalid' });
  });

  test('refuses what is not a cursor', async () => {
    await using bench = await createBench();
    for (const cursor of [
      '',
      'x',
      deflateRawSync('[1,2]').toString('base64url'),
      deflateRawSync('["a",[["s",-1,0]]]').toString('base64url'),
      deflateRawSync(`["${'a'.repeat(100_000)}",[]]`).toString('base64url'),
    ])
      await expect(queryEvents(createStreamIndex(bench.log, bench.clock), { limit: 1, cursor })).rejects.toMatchObject({
        code: 'request-invalid',
      });
  });
});

describe('a trail as CSV', () => {
  test('has a row for each event and nothing that a spreadsheet would run', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.record(intended('cmd-1', { reason: '=HYPERLINK("http://x"),\nnext' }));
    const whose = { principal: { tid: tenant, oid: 'bob' }, cluster: { name: 'other' } };
    await trail.record({ ...completed('cmd-1', 3), whose });
    await trail.close();
    const table = (await text(exportCsv(createStreamIndex(bench.log, bench.clock)))).split('\r\n');
    const [header, , , row = '', , end = ''] = table;
    expect(end).toContain(`cmd-1,${tenant},bob,,,,,other,3,`);
    expect(header).toContain('time,code,stream,seq,hash');
    expect(row).toContain(`"'=HYPERLINK(""http://x""),\\u000anext"`);
    expect(row).toContain(`"[""kubectl"",""get"",""pods"",""-n"",""shop""]"`);
    expect(row).toContain(alice);
  });

  const formula = /^[\s"']*[=+\-@|%＝＋－＠]/u;
  test.each([
    '=1',
    '+1',
    '-1',
    '@a',
    '|a',
    '%a',
    '＝1',
    '＋1',
    '－1',
    '＠a',
    ' =1',
    '"=1',
    '"";=1',
    ';=1',
    ';"=1',
    'a;=1',
    'a; =1',
    'a;＝1',
    'a\t=1',
    '\t=1',
    'a\r\n=1',
    "';=1",
    'a;;=1;+2',
  ])('has %j in a cell of its own, safe where commas, semicolons or tabs end cells', (value) => {
    const line = `x,${cell(value)},y`;
    // RFC 4180, then as Excel splits it elsewhere: there a quote in the middle of a cell is text.
    const whole = cell(value)
      .replace(/^"(.*)"$/su, '$1')
      .replaceAll('""', '"');
    const cells = [whole, ...line.split(/[;\t\r\n]/)];
    expect(cells.filter((one) => formula.test(one.replace(/^"+/u, '')) && !/^"*'/u.test(one))).toEqual([]);
    expect(whole.replaceAll("'", '')).toBe(value.replaceAll("'", ''));
  });

  test('leaves numbers and harmless text as they are', () => {
    expect([cell(-1), cell('a-b'), cell('a;b'), cell(undefined), cell(true)]).toEqual([
      '-1',
      'a-b',
      '"a;b"',
      '',
      'true',
    ]);
  });
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
    const codes = ['AKG000I', 'AKG007I', 'AKG300I', 'AKG305I', 'AKG007I', 'AKG002I', 'AKG001I', 'AKG007I'];
    expect(lines.map(({ code }) => code)).toEqual(codes);
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

  test('in Key Vault signs there, and keeps the HMAC key for those who may unwrap', async () => {
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
    const report = await verifyTrail(bench.log, { rootKeys: [key.keyId], now: bench.clock.now() });
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
  const outcome = {
    commandId: commandId('c'),
    exitCode: 1,
    failure: { code: 'x', message: `password=${secret(0)}` },
  } as const;
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
  const delivery = { deliveryId: 'd', webhook: 'ops', about: 'command.ended', attempts: 1 };
  const claimed = { userAgent: `bot Bearer ${secret(9)}${secret(9)}`, requestedBy: `pwd=${secret(10)}` };
  const events: readonly AuditEvent[] = [
    { event: 'config.loaded', configDigest: 'a', policyDigest: 'b', build: 'c' },
    { event: 'config.refused', source: 'gateway.yaml', detail: `token=${secret(15)}` },
    {
      event: 'config.loading',
      source: 'gateway.yaml',
      configDigest: 'a',
      policyDigest: 'b',
      previousConfigDigest: 'c',
      changed: ['policy'],
    },
    { ...facts, claimed, event: 'auth.failed', problem: 'token-invalid', detail: `secret=${secret(11)}` },
    { ...facts, event: 'principal.denied', detail: 'blocked' },
    { ...command, event: 'command.refused', problem: 'command-refused', detail: `--password ${secret(12)}` },
    { ...command, event: 'command.denied', detail: 'no rule' },
    { ...command, event: 'command.explained' },
    { ...facts, event: 'rate-limited', detail: 'x' },
    { ...command, event: 'command.intended', commandId: commandId('c'), configDigest: 'e' },
    { ...facts, event: 'command.replayed', commandId: commandId('c') },
    { event: 'command.accepted', commandId: commandId('c'), azureCommandId: 'a', azureRequestId: 'r' },
    { event: 'command.rejected', ...outcome },
    { event: 'command.unknown', ...outcome },
    { event: 'command.completed', ...outcome, stdout: Buffer.from(secret(13)) },
    { event: 'command.failed', ...outcome },
    { event: 'command.interrupted', ...outcome },
    { event: 'command.settled', ...outcome, azureCommandId: 'a' },
    { ...facts, event: 'command.cancel-asked', commandId: commandId('c') },
    { event: 'command.cancelled', ...outcome },
    { event: 'command.inconsistent', commandId: commandId('c'), detail: `https://u:${secret(14)}@h/` },
    { ...facts, event: 'result.read', commandId: commandId('c') },
    { ...facts, event: 'audit.read', detail: 'x' },
    { ...facts, event: 'list.read', detail: 'x' },
    { ...facts, event: 'request.refused', problem: 'route-not-found', detail: `token=${secret(16)}` },
    { event: 'result.purged', count: 1 },
    { ...facts, event: 'batch.intended', batchId: batchId('b'), commandIds: [commandId('c')], onError: 'stop' },
    { event: 'batch.ended', batchId: batchId('b'), status: 'completed' },
    { event: 'batch.stopped', batchId: batchId('b'), status: 'completed' },
    { event: 'job.fired', job: 'nightly', slot: 0, detail: 'in time' },
    { event: 'job.failed', job: 'nightly', slot: 0, detail: `https://u:${secret(14)}@h/` },
    { event: 'job.missed', job: 'nightly', slot: 0, detail: `https://u:${secret(14)}@h/` },
    { event: 'job.overlapped', job: 'nightly', slot: 0, detail: `https://u:${secret(14)}@h/` },
    { event: 'job.suspended', job: 'nightly', slot: 0, detail: `https://u:${secret(14)}@h/` },
    { ...facts, event: 'job.run-by-hand', job: 'nightly', detail: '{}' },
    { event: 'job.changed', job: 'nightly', detail: 'a → b' },
    { ...delivery, event: 'delivery.sent', detail: 'HTTP 200' },
    { ...delivery, event: 'delivery.failed', detail: `https://u:${secret(14)}@h/` },
    { ...delivery, event: 'delivery.refused', detail: `https://u:${secret(14)}@h/` },
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

describe('copies in a second log', () => {
  test('find a trail whose end was cut off, and one that lost a stream, though nothing in it is wrong', async () => {
    await using bench = await createBench();
    await using second = await createBench();
    const sink = createCopySink({ log: second.log, clock: bench.clock });
    const trail = await bench.open({ copies: [sink] });
    await trail.record(intended('cmd-1'));
    await trail.record(completed('cmd-1'));
    await trail.close();
    expect(sink.counts()).toEqual({ copied: 2, failed: 0 });
    const copies: string[] = [];
    for await (const copy of readCopies(second.log)) copies.push(copy);
    const options = { rootKeys: [bench.key.keyId], now: bench.clock.now() };
    const whole = await verifyTrail(bench.log, { ...options, copies });
    expect([whole.counts, whole.evidence.valid]).toEqual([{}, 2]);
    const [stream = ''] = await bench.log.streams();
    const file = path.join(bench.folder, `${stream}.000000.jsonl`);
    await writeFile(file, (await readFile(file, 'utf8')).split('\n').slice(0, 4).join('\n').concat('\n'));
    expect((await verifyTrail(bench.log, options)).verdict).toBe('INTACT'); // it may go on, as far as one can tell
    expect((await verifyTrail(bench.log, { ...options, copies })).counts).toMatchObject({ 'tail-cut': 1 });
    await rm(file);
    expect((await verifyTrail(bench.log, { ...options, copies })).counts).toMatchObject({ 'stream-missing': 1 });
  });

  test('follow each batch within a second, and are the newest', async () => {
    await using bench = await createBench();
    await using second = await createBench();
    const sink = createCopySink({ log: second.log, clock: bench.clock });
    const trail = await bench.open({ copies: [sink] });
    const copied = async (): Promise<number> => {
      let seq = -1;
      for await (const copy of readCopies(second.log))
        seq = Math.max(
          seq,
          (JSON.parse(Buffer.from(copy.split('.')[1] ?? '', 'base64url').toString()) as { seq?: number }).seq ?? -1,
        );
      return seq;
    };
    for (let n = 0; n < 20; n += 1) await trail.record(intended(`cmd-${n}`));
    const deadline = performance.now() + 10_000;
    while ((await copied()) < 41 && performance.now() < deadline) await bench.clock.advance(500);
    expect(await copied()).toBe(41);
    await trail.close();
    // Its opening, the newest of 21, and the end.
    expect(sink.counts()).toEqual({ copied: 3, failed: 0 });
  });
});
