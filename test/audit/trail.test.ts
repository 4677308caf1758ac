import { createHmac } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import canonicalize from 'canonicalize';
import { compactVerify, importJWK } from 'jose';
import { type Opening, hashLine } from '../../shared/audit/chain.ts';
import { renderReport } from '../../shared/audit/verify/report.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { Problem } from '../../shared/errors.ts';
import { type LogFileSystem, createFileLog } from '../../shared/store/file-log.ts';
import { type Bench, completed, createBench, facts, intended, linesOf } from './support/samples.ts';

/** Lets time pass, heartbeat by heartbeat, until the line is there: each beat writes to a real disk. */
async function advanceUntilWritten(bench: Bench, wanted: (line: Record<string, unknown>) => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await linesOf(bench.log)).some(wanted)) {
    if (performance.now() > deadline) throw new Error('The line was never written');
    await bench.clock.advance(5_000);
  }
}

describe('the audit trail', () => {
  test.each([
    ['on demand', {}],
    ['while it was written', { receipt: true }],
  ])('gives a recorded event its place, its hash and a receipt that the stream key signed %s', async (_, options) => {
    await using bench = await createBench();
    const trail = await bench.open();
    const recorded = await trail.record(intended('cmd-1'), options);
    await trail.record(completed('cmd-1'));
    await trail.close();

    const [opened, , intent] = await linesOf(bench.log);
    expect(recorded).toMatchObject({ stream: intent?.['stream'], seq: 2, hash: hashLine(canonicalize(intent) ?? '') });
    const { key, keyId } = Object(opened?.['opening']) as { key: Record<string, string>; keyId: string };
    const { payload, protectedHeader } = await compactVerify(await recorded.receipt(), await importJWK(key, 'ES256'));
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: keyId, typ: 'aksgw-receipt' });
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({
      stream: recorded.stream,
      seq: 2,
      hash: recorded.hash,
      time: '2026-01-01T00:00:00.000Z',
      keyId,
    });
  });

  test('verifies as intact once it is closed, and says what it does not prove', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await Promise.all([1, 2, 3].map((n) => trail.record(intended(`cmd-${n}`))));
    await Promise.all([1, 2, 3].map((n) => trail.record(completed(`cmd-${n}`))));
    await trail.close();

    const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ verdict: 'INTACT', events: 13, commands: { paired: 3, open: [] } });
    expect(report.streams[0]).toMatchObject({ final: true, lastSeq: 12, signedUpTo: 12 });
    expect(renderReport(report)).toContain('a compromised gateway that lies as it writes');
  });

  test('writes every line in the canonical form of RFC 8785', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.record(intended('cmd-1', { reason: 'é 𝒳 "quoted" \\ \u202e\u0000\n\ud800 \\u0041' }));
    await trail.close();
    for (const stream of await bench.log.streams())
      for await (const { text } of bench.log.read(stream)) expect(text).toBe(canonicalize(JSON.parse(text)));
  });

  test('tells how many memberships it has no room for, and that a token left groups out', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    const many = Array.from({ length: 53 }, (_one, index) => `Role${index}`);
    await trail.record(intended('cmd-1', { memberships: { appRoles: many, groups: ['g'], groupsUnknown: false } }));
    await trail.record(intended('cmd-2', { memberships: { appRoles: [], groups: [], groupsUnknown: true } }));
    await trail.record(intended('cmd-3', { memberships: { appRoles: [], groups: [], groupsUnknown: false } }));
    await trail.close();
    const lines = (await linesOf(bench.log)).filter((line) => 'commandId' in line);
    expect(lines.map((line) => line['memberships'])).toEqual([
      { appRoles: many.slice(0, 50), groups: ['g'], cut: 3 },
      { appRoles: [], groups: [], groupsUnknown: true },
      undefined,
    ]);
  });

  test('turns what callers sent into HMACs under a key that only the root key opens', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.record(
      intended('cmd-1', {
        text: 'the text',
        stdin: Buffer.from('in'),
        files: [{ path: 'a.yaml', bytes: Buffer.from('file') }],
      }),
    );
    await trail.close();
    const [opened, , intent] = await linesOf(bench.log);
    const opening = opened?.['opening'] as Opening;
    const key = bench.key.unwrap(opening.stream, opening.hmacKey);
    const hmac = (label: string, data: string) => createHmac('sha256', key).update(`${label}\n${data}`).digest('hex');
    expect(intent).toMatchObject({
      textHmac: hmac('text', 'the text'),
      stdinHmac: hmac('stdin', 'in'),
      filesHmac: [{ path: 'a.yaml', bytes: 4, hmac: hmac('file', 'file') }],
    });
    expect(JSON.stringify(intent)).not.toContain('the text');
  });

  test('ends every batch with a signature over it, and gives nothing out before', async () => {
    let write = (): Promise<void> => Promise.resolve();
    const fs: LogFileSystem = {
      ...nodeFs,
      open: async (file, flags, mode) => {
        const handle = await nodeFs.open(file, flags, mode);
        const real = handle.write.bind(handle) as (bytes: Buffer, offset: number, length: number) => Promise<unknown>;
        return Object.assign(handle, {
          write: async (bytes: Buffer, offset: number, length: number) => {
            await write();
            return real(bytes, offset, length);
          },
        });
      },
    };
    await using bench = await createBench((folder) => createFileLog({ folder, fs }));
    const trail = await bench.open();
    let release = (): void => undefined;
    write = () => new Promise((resolve) => (release = resolve));
    let first = false;
    const recorded = trail.record(intended('cmd-0')).then(() => (first = true));
    const more = Promise.all(Array.from({ length: 600 }, (_, n) => trail.record(intended(`cmd-${n + 1}`))));
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    expect(first).toBe(false);
    write = async () => undefined;
    release();
    await Promise.all([recorded, more]);
    await trail.close();
    const codes = (await linesOf(bench.log)).map(({ code }) => code);
    const batches = codes
      .join(' ')
      .split(' AKG007I')
      .map((batch) => batch.trim().split(' ').length);
    expect(codes.at(-1)).toBe('AKG007I');
    expect(Math.max(...batches)).toBe(256);
    expect((await verifyTrail(bench.log, { now: bench.clock.now() })).counts).toEqual({ 'root-key-not-named': 1 });
  });

  test('lets an event that nothing waits for share the next batch, and its signature; alone it goes out soon', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    const first = trail.record(intended('cmd-1'), { unhurried: true });
    await trail.record(intended('cmd-2'));
    expect(await first).toMatchObject({ seq: 2 });
    const alone = trail.record(intended('cmd-3'), { unhurried: true });
    await bench.clock.advance(1_000);
    expect(await alone).toMatchObject({ seq: 5 });
    const last = trail.record(intended('cmd-4'), { unhurried: true });
    await trail.close();
    expect(await last).toMatchObject({ seq: 7 });
    const signatures = (await linesOf(bench.log)).filter(({ code }) => code === 'AKG007I');
    expect(signatures).toHaveLength(4); // the opening's, and three
  });

  test('writes a checkpoint each minute, idle too, and a final one', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await advanceUntilWritten(bench, ({ code }) => code === 'AKG001I');
    await trail.record({ event: 'job.fired', job: 'nightly', slot: 0, detail: 'in time' });
    await trail.close();
    const lines = await linesOf(bench.log);
    expect(lines.map(({ code }) => code)).toEqual([
      'AKG000I',
      'AKG007I',
      'AKG001I',
      'AKG007I',
      'AKG500I',
      'AKG007I',
      'AKG002I',
      'AKG001I',
      'AKG007I',
    ]);
    expect(lines.map((line) => (line['checkpoint'] as { final?: true } | undefined)?.final ?? line['final'])).toEqual([
      ...Array.from({ length: 7 }, () => undefined),
      true,
      true,
    ]);
    expect(bench.clock.sleeping()).toBe(0);
  });

  test('names its trail in every stream: one id, made once, also by two that begin together', async () => {
    await using bench = await createBench();
    const about = { tenants: ['t'], clusters: ['/subscriptions/s'] };
    const first = await Promise.all([bench.open({ about }), bench.open({ about })]);
    for (const trail of [...first, await bench.open({ about })]) await trail.close();
    const openings = (await linesOf(bench.log)).flatMap(({ opening }) => (opening ? [(opening as Opening).trail] : []));
    expect(openings).toHaveLength(3);
    expect(new Set(openings.map(({ id }) => id)).size).toBe(1);
    expect(openings[0]).toMatchObject(about);
  });

  test('takes the name of its trail from its own signed streams, whatever became of the file', async () => {
    await using bench = await createBench();
    await (await bench.open()).close();
    for (const text of ['{"trail":"00000000-0000-4000-8000-000000000000"}', 'x', '']) {
      await writeFile(path.join(bench.folder, 'trail.json'), text);
      await (await bench.open()).close();
    }
    const openings = (await linesOf(bench.log)).flatMap(({ opening }) =>
      opening ? [(opening as Opening).trail.id] : [],
    );
    expect([openings.length, new Set(openings).size]).toEqual([4, 1]);
  });

  test('begins beside a stream of the year 9999, and beside what is not a stream at all', async () => {
    await using bench = await createBench();
    await mkdir(bench.folder, { recursive: true });
    for (const name of ['99991231t235959999z-0123456789abcdef.000000.jsonl', 'odd.000000.jsonl', 'note.txt'])
      await writeFile(path.join(bench.folder, name), 'x\n');
    const trail = await bench.open();
    await trail.record(intended('cmd-1'));
    await trail.record(completed('cmd-1'));
    await trail.close();
    const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    expect(report.verdict).toBe('BROKEN');
    expect(new Set(report.findings.filter(({ kind }) => kind === 'not-a-stream').map(({ stream }) => stream))).toEqual(
      new Set(['note.txt', 'odd']),
    );
  });

  test('refuses to record once it is closed', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.close();
    await expect(trail.record(intended('cmd-1'))).rejects.toMatchObject({ code: 'audit-unavailable' });
    await expect(trail.check()).rejects.toMatchObject({ code: 'audit-unavailable' });
  });
});

describe('when the store fails', () => {
  /** A file system whose writes can be made to fail as a full or broken disk does, after some bytes. */
  const createDisk = () => {
    let code: string | undefined;
    let torn = 0;
    const fs: LogFileSystem = {
      ...nodeFs,
      mkdir: ((...args: Parameters<typeof nodeFs.mkdir>) =>
        code === 'EROFS'
          ? Promise.reject(Object.assign(new Error(code), { code }))
          : nodeFs.mkdir(...args)) as typeof nodeFs.mkdir,
      open: async (file, flags, mode) => {
        if (code !== undefined && flags !== 'r') throw Object.assign(new Error(code), { code });
        const handle = await nodeFs.open(file, flags, mode);
        const write = handle.write.bind(handle) as (bytes: Buffer, offset: number, length: number) => Promise<unknown>;
        return Object.assign(handle, {
          write: async (bytes: Buffer, offset: number, length: number) => {
            if (code === undefined) return write(bytes, offset, length);
            if (torn > 0) await write(bytes, offset, Math.min(torn, length));
            throw Object.assign(new Error(code), { code });
          },
        });
      },
    };
    return {
      fs,
      fail: (what: string, after = 0) => {
        code = what;
        torn = after;
      },
      repair: () => {
        code = undefined;
      },
    };
  };

  for (const [what, code, torn] of [
    ['the disk is full', 'ENOSPC', 0],
    ['the disk fills up in the middle of a line', 'ENOSPC', 100],
    ['the folder has become read-only', 'EROFS', 0],
    ['the disk breaks', 'EIO', 0],
  ] as const)
    test(`nothing is recorded while ${what}, and it goes on by itself afterwards`, async () => {
      const disk = createDisk();
      await using bench = await createBench((folder) => createFileLog({ folder, fs: disk.fs }));
      const trail = await bench.open();
      await trail.record(intended('cmd-1'));
      disk.fail(code, torn);
      const results = await Promise.allSettled([trail.record(completed('cmd-1')), trail.record(intended('cmd-2'))]);
      for (const result of results)
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'audit-unavailable' } });
      await expect(trail.check()).rejects.toMatchObject({ code: 'audit-unavailable' });
      await bench.clock.advance(1_500);
      await expect(trail.record(intended('cmd-3'))).rejects.toMatchObject({ code: 'audit-unavailable' });

      disk.repair();
      await expect(trail.record(intended('cmd-3'))).rejects.toMatchObject({ code: 'audit-unavailable' });
      await bench.clock.advance(1_500);
      await trail.record(completed('cmd-1'));
      await expect(trail.check()).resolves.toBeUndefined();
      await trail.close();
      const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
      expect(report.verdict).toBe('INTACT');
      expect(report.counts['tail-explained'] ?? 0).toBe(torn > 0 ? 1 : 0);
    });

  test('recovers without anybody asking for it', async () => {
    const disk = createDisk();
    await using bench = await createBench((folder) => createFileLog({ folder, fs: disk.fs }));
    const trail = await bench.open();
    disk.fail('ENOSPC');
    await expect(trail.record(intended('cmd-1'))).rejects.toMatchObject({ code: 'audit-unavailable' });
    disk.repair();
    const deadline = performance.now() + 10_000;
    const healthy = (): Promise<boolean> =>
      trail.check().then(
        () => true,
        () => false,
      );
    while (!(await healthy()) && performance.now() < deadline) await bench.clock.advance(5_000);
    expect(await healthy()).toBe(true);
    await trail.close();
  });

  test('is unavailable once its record is gone, goes on in another stream, and signs there what is lost', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    const { stream } = await trail.record(intended('cmd-1'));
    await rm(path.join(bench.folder, `${stream}.000000.jsonl`));
    await expect(trail.check()).rejects.toMatchObject({ code: 'audit-unavailable' });
    await expect(trail.record(completed('cmd-1'))).rejects.toMatchObject({ code: 'audit-unavailable' });
    await bench.clock.advance(1_500);
    await trail.record(completed('cmd-1'));
    await expect(trail.check()).resolves.toBeUndefined();
    await trail.close();
    const lost = (await linesOf(bench.log)).find(({ code }) => code === 'AKG003W')?.['lost'];
    expect(lost).toMatchObject({ stream, seq: 3 });
    const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    expect(report.findings.find(({ kind }) => kind === 'stream-missing')).toMatchObject({ stream, seq: 3 });
  });

  test('does not begin without its root key', async () => {
    await using bench = await createBench();
    const key = {
      ...bench.key,
      sign: () => Promise.reject(new Problem('audit-unavailable', 'Key Vault cannot be used')),
    };
    await expect(bench.open({ key })).rejects.toMatchObject({ code: 'audit-unavailable' });
    expect(await bench.log.streams()).toEqual([]);
  });
});

describe('a flood', () => {
  const failure = (ip: string) =>
    ({ requestId: 'r', claimed: { ip }, event: 'auth.failed', problem: 'token-invalid', detail: 'bad' }) as const;

  test('of failed sign-ins fills the stream with no more than its first ones and a summary', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await Promise.all(Array.from({ length: 5_000 }, (_, n) => trail.record(failure(`10.0.${n % 50}.1`))));
    await trail.record({ ...facts, event: 'rate-limited', detail: 'too many' });
    await trail.close();
    const lines = await linesOf(bench.log);
    const failures = lines.filter(({ code }) => code === 'AKG100W');
    expect(failures).toHaveLength(21);
    expect(failures.at(-1)).toMatchObject({
      problem: 'token-invalid',
      aggregated: { count: 4_980, moreAddresses: true },
    });
    expect(lines.filter(({ code }) => code === 'AKG203W')).toHaveLength(1);
  });

  test('that has ended is summed up at the end of its window, and the next failure is told again', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await Promise.all(Array.from({ length: 30 }, () => trail.record(failure('10.0.0.1'))));
    await advanceUntilWritten(bench, (line) => line['aggregated'] !== undefined);
    await trail.record(failure('10.0.0.2'));
    await trail.close();
    const failures = (await linesOf(bench.log)).filter(({ code }) => code === 'AKG100W');
    expect(failures.map((line) => (line['aggregated'] as { count: number } | undefined)?.count ?? 1)).toEqual([
      ...Array.from({ length: 20 }, () => 1),
      10,
      1,
    ]);
  });
});
