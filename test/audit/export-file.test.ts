import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Manifest, exportLines } from '../../shared/audit/read/export.ts';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import { detach, signCompactWith } from '../../shared/audit/signature.ts';
import { verifyExport } from '../../shared/audit/verify/export-file.ts';
import { canonicalJson } from '../../shared/lib/canonical-json.ts';
import { type Bench, completed, createBench, intended } from './support/samples.ts';

type Named = Manifest['streams'][number];

describe('a manifest that is signed and does not fit its lines', () => {
  let bench: Bench;
  let folder: string;
  let lines: string[];
  let manifest: Manifest;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aksgw-export-'));
    bench = await createBench();
    const writing = await bench.open();
    for (let at = 0; at < 6; at++) {
      await writing.record(intended(`cmd-${at}`));
      await writing.record(completed(`cmd-${at}`));
      await bench.clock.advance(1_000);
    }
    await writing.close();
    const now = bench.clock.now();
    const range = { since: now - 3_000, until: now, now, key: bench.key };
    let text = '';
    for await (const part of exportLines(createStreamIndex(bench.log, bench.clock), range)) text += part;
    lines = text.trimEnd().split('\n');
    ({ manifest } = JSON.parse(lines.at(-1) ?? '') as { manifest: Manifest });
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const verdict = async (change: (named: Named) => Partial<Named>) => {
    const changed = { ...manifest, streams: manifest.streams.map((named) => ({ ...named, ...change(named) })) };
    const signature = detach(await signCompactWith(bench.key, 'aksgw-export', { ...changed }));
    const last = canonicalJson({ key: { ...bench.key.jwk }, manifest: { ...changed }, signature });
    const file = path.join(folder, 'export.jsonl');
    await writeFile(file, `${[...lines.slice(0, -1), last].join('\n')}\n`);
    const report = await verifyExport(file, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    return [report.verdict, report.counts['export-altered'] ?? 0];
  };

  test('is found, whichever of its numbers it is; the same manifest signed again is taken', async () => {
    expect(manifest.streams[0]?.from).toBeGreaterThan(1);
    expect(await verdict(() => ({}))).toEqual(['INTACT', 0]);
    for (const change of [
      ({ from }) => ({ from: from + 1 }),
      ({ from, lines: count }) => ({ from: from - 1, lines: count + 1 }),
      ({ to }) => ({ to: to + 1 }),
      ({ lines: count }) => ({ lines: count - 1 }),
      () => ({ hash: 'f'.repeat(64) }),
    ] satisfies ((named: Named) => Partial<Named>)[])
      expect(await verdict(change)).toEqual(['BROKEN', 1]);
  });
});
