import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import canonicalize from 'canonicalize';
import { compactVerify, importJWK } from 'jose';
import { type Opening, hashLine } from '../../shared/audit/chain.ts';
import { renderReport } from '../../shared/audit/report.ts';
import { verifyTrail } from '../../shared/audit/verify.ts';
import { completed, createBench, facts, intended, linesOf } from './support/samples.ts';

describe('the audit trail', () => {
  test('gives a recorded event its place, its hash and a receipt that the stream key signed', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    const recorded = await trail.record(intended('cmd-1'));
    await trail.record(completed('cmd-1'));
    await trail.close();

    const [opened, intent] = await linesOf(bench.log);
    expect(recorded).toMatchObject({ stream: intent?.['stream'], seq: 1, hash: hashLine(canonicalize(intent) ?? '') });
    const { key, keyId } = Object(opened?.['opening']) as { key: Record<string, string>; keyId: string };
    const { payload, protectedHeader } = await compactVerify(await recorded.receipt(), await importJWK(key, 'ES256'));
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: keyId, typ: 'aksgw-receipt' });
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({
      stream: recorded.stream,
      seq: 1,
      hash: recorded.hash,
      time: '2026-01-01T00:00:00.000Z',
      keyId,
    });
  });

  test('verifies as sound once it is closed, and says what it does not prove', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await Promise.all([1, 2, 3].map((n) => trail.record(intended(`cmd-${n}`))));
    await Promise.all([1, 2, 3].map((n) => trail.record(completed(`cmd-${n}`))));
    await trail.close();

    const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId] });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ verdict: 'sound', events: 9, commands: { paired: 3, open: [] } });
    expect(report.streams[0]).toMatchObject({ closed: true, lastSeq: 8, signedUpTo: 6 });
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
    const [opened, intent] = await linesOf(bench.log);
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

  test('writes a checkpoint each minute, idle too, and after a thousand events', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await bench.clock.advance(60_000);
    await trail.record({ ...facts, event: 'job.fired', job: 'nightly' });
    await Promise.all(Array.from({ length: 1000 }, (_, n) => trail.record(intended(`cmd-${n}`))));
    await trail.close();
    const checkpoints = (await linesOf(bench.log)).filter(({ code }) => code === 'AKG001I');
    expect(checkpoints.map(({ seq }) => seq)).toEqual([1, 1002, 1004]);
    expect((await verifyTrail(bench.log)).counts).toEqual({});
    expect(bench.clock.sleeping()).toBe(0);
  });

  test('refuses to record once it is closed', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.close();
    await expect(trail.record(intended('cmd-1'))).rejects.toMatchObject({ code: 'audit-unavailable' });
    expect(trail.healthy()).toBe(false);
  });
});
