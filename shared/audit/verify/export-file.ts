import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import * as Type from 'typebox';
import { Compile } from 'typebox/compile';
import { canonicalJson } from '../../lib/canonical-json.ts';
import { type AppendLog, StorageUnavailable } from '../../store/append-log.ts';
import { type SegmentReader, readLines, readTail } from '../../store/append-log-lines.ts';
import { type PublicJwk, hashLine } from '../chain.ts';
import type { Manifest } from '../read/export.ts';
import { publicKeySchema } from '../schemas.ts';
import { verifyDetached, verifyingKey } from '../signature.ts';
import { type Findings, createFindings } from './findings.ts';
import { lineSeq, parseCanonical } from './line.ts';
import { emptyState } from './state.ts';
import type { VerificationReport } from './verification-report.ts';
import { type VerifyOptions, acknowledgedIds, verifyInto } from './verify.ts';

/** Runs of lines of one stream: more than this is not an export of ours, which has each stream once. */
const MAX_RUNS = 200_000;
const CHUNK_BYTES = 1024 * 1024;
/** A manifest names each stream in about 250 bytes. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/** Bytes of the file that hold lines of one stream. */
interface Run {
  readonly offset: number;
  readonly bytes: number;
}

/** What stands here of a stream. */
interface Extent {
  readonly lines: number;
  readonly to: number;
  readonly hash: string;
}

interface ExportFile {
  readonly runs: ReadonlyMap<string, readonly Run[]>;
  readonly extents: ReadonlyMap<string, Extent>;
  /** SHA-256, hex, and the lines before the manifest. */
  readonly sha256: string;
  readonly lines: number;
  readonly last: Buffer;
}

/**
 * Verifies an export (`aksgw audit export`) by itself: its lines as in the trail, and that the manifest, signed by a key that is
 * believed, names exactly them. Reads the file twice; holds none of it. Rejects with the file system's errors.
 */
export async function verifyExport(file: string, options: VerifyOptions = {}): Promise<VerificationReport> {
  const handle = await open(file, 'r');
  try {
    const findings = createFindings(acknowledgedIds(options.state));
    const read = await scan(handle, findings);
    judgeManifest(read, options, findings);
    return await verifyInto(exportLog(handle, read.runs), { ...options, partial: true }, findings);
  } finally {
    await handle.close();
  }
}

/** One pass over the file: whose lines stand where, and what the manifest's hash is to be. */
async function scan(handle: FileHandle, findings: Findings): Promise<ExportFile> {
  const runs = new Map<string, { offset: number; bytes: number }[]>();
  const extents = new Map<string, Extent>();
  const sha256 = createHash('sha256');
  let count = 0;
  let lines = 0;
  let current = '';
  let ofCurrent = 0;
  let last: Buffer = Buffer.alloc(0);
  const endRun = (): void => {
    if (ofCurrent === 0) return;
    const text = last.at(-1) === 10 ? last.subarray(0, -1) : last;
    const before = extents.get(current)?.lines ?? 0;
    extents.set(current, { lines: before + ofCurrent, to: lineSeq(text), hash: hashLine(text) });
    ofCurrent = 0;
  };
  for await (const { line, offset } of linesOf(handle)) {
    if (last.length > 0) {
      sha256.update(last);
      lines += 1;
    }
    const manifest = isManifest(line);
    const stream = manifest ? current : streamOf(line);
    if (manifest || stream !== current) endRun();
    last = line;
    if (manifest) continue;
    ofCurrent += 1;
    const own = runs.get(stream) ?? [];
    const run = own.at(-1);
    if (run && stream === current) run.bytes += line.length;
    else {
      if ((count += 1) > MAX_RUNS) throw new Error('this is not an export: its streams are mixed line by line');
      if (run) findings.add('export-altered', { stream }, 'The lines of this stream do not stand together');
      runs.set(stream, [...own, { offset, bytes: line.length }]);
    }
    current = stream;
  }
  endRun();
  return { runs, extents, sha256: sha256.digest('hex'), lines, last };
}

async function* linesOf(handle: FileHandle): AsyncGenerator<{ readonly line: Buffer; readonly offset: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at + rest.length);
    if (bytesRead === 0) break;
    const bytes: Buffer = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = bytes.indexOf(10, rest.length); end !== -1; end = bytes.indexOf(10, start)) {
      yield { line: bytes.subarray(start, end + 1), offset: at + start };
      start = end + 1;
    }
    rest = bytes.subarray(start);
    at += start;
    if (rest.length > MAX_MANIFEST_BYTES) throw new Error('this is not an export: a line of it is too long');
  }
  if (rest.length > 0) yield { line: rest, offset: at };
}

const manifestStart = Buffer.from('{"key":', 'latin1');
const bareManifestStart = Buffer.from('{"manifest":', 'latin1');
const isManifest = (line: Buffer): boolean =>
  [manifestStart, bareManifestStart].some((start) => line.subarray(0, start.length).equals(start));

const streamMember = Buffer.from('"stream":"', 'latin1');

/** In canonical order a line's own stream is the last member of that name. */
function streamOf(line: Buffer): string {
  const at = line.lastIndexOf(streamMember);
  const end = at === -1 ? -1 : line.indexOf('"', at + streamMember.length);
  return end === -1 ? '' : line.toString('latin1', at + streamMember.length, end);
}

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });
const manifestCheck = Compile(
  Type.Object(
    {
      manifest: Type.Object(
        {
          v: Type.Literal(1),
          trail: Type.String(),
          made: Type.String(),
          filters: Type.Object({ since: Type.Optional(Type.String()), until: Type.Optional(Type.String()) }, closed),
          streams: Type.Array(
            Type.Object({ stream: Type.String(), from: Count, to: Count, lines: Count, hash: Type.String() }, closed),
          ),
          lines: Count,
          sha256: Type.String(),
        },
        closed,
      ),
      key: Type.Optional(publicKeySchema),
      signature: Type.Optional(Type.String()),
    },
    closed,
  ),
);

function judgeManifest(
  { last, sha256, lines, runs, extents }: ExportFile,
  { rootKeys = [], state = emptyState }: VerifyOptions,
  findings: Findings,
): void {
  const nowhere = { stream: '' };
  const value: unknown = isManifest(last) && last.at(-1) === 10 ? parseCanonical(last.subarray(0, -1)) : undefined;
  if (!manifestCheck.Check(value)) {
    findings.add('manifest-missing', nowhere, 'The export has no manifest: lines and streams may have been left out');
    return;
  }
  const { manifest, key, signature } = value;
  const signer = key && signature !== undefined ? signerOf(manifest, key, signature) : undefined;
  if (key && signer === undefined)
    findings.add('export-altered', nowhere, "The manifest's signature does not fit: it was changed");
  else if (signer === undefined)
    findings.add(
      'manifest-not-believed',
      nowhere,
      'The manifest is not signed: lines and streams may have been left out',
    );
  else if (![...rootKeys, ...state.rootKeys].includes(signer))
    findings.add(
      'manifest-not-believed',
      nowhere,
      `The manifest is signed by ${signer}, which is not one of your keys`,
    );
  if (manifest.sha256 !== sha256 || manifest.lines !== lines)
    findings.add(
      'export-altered',
      nowhere,
      `The manifest is over ${manifest.lines} lines with another hash; there are ${lines} here`,
    );
  const listed = new Set(manifest.streams.map(({ stream }) => stream));
  for (const named of manifest.streams) judgeExtent(named, extents.get(named.stream), findings);
  for (const stream of runs.keys())
    if (!listed.has(stream)) findings.add('export-altered', { stream }, 'The manifest does not name this stream');
}

/** A stream is here as the manifest names it: its first batch (two lines) before a gap, then every line of the range. */
function judgeExtent(named: Manifest['streams'][number], here: Extent | undefined, findings: Findings): void {
  const { stream, from, to, lines, hash } = named;
  const place = { stream, seq: from };
  if (!here)
    findings.add(
      'export-incomplete',
      place,
      `The manifest names this stream from seq ${from} to ${to}; it is not here`,
    );
  else if (here.lines !== lines || here.to !== to || here.hash !== hash || lines !== to - from + 1 + (from > 1 ? 2 : 0))
    findings.add(
      'export-altered',
      place,
      `The manifest names ${lines} lines of this stream, from seq ${from} to ${to}; here are ${here.lines}, up to seq ${here.to}`,
    );
}

function signerOf(manifest: Manifest, key: PublicJwk, signature: string): string | undefined {
  try {
    const signer = verifyingKey(key);
    return verifyDetached(signature, 'aksgw-export', signer, canonicalJson(manifest)) ? signer.keyId : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** The runs of lines as the segments of streams. */
function exportLog(handle: FileHandle, runs: ExportFile['runs']): AppendLog {
  const reader: SegmentReader = {
    list: async (stream) => (runs.get(stream) ?? []).map(({ bytes }, segment) => ({ segment, bytes })),
    open: async (stream, segment) => {
      const { offset: start, bytes } = runs.get(stream)?.[segment] ?? { offset: 0, bytes: 0 };
      return {
        size: async () => bytes,
        read: async (offset, length) => {
          const wanted = Math.min(length, bytes - offset);
          if (wanted <= 0) return Buffer.alloc(0);
          const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, start + offset);
          return buffer.subarray(0, bytesRead);
        },
        close: async () => undefined,
      };
    },
  };
  return {
    open: () => Promise.reject(new StorageUnavailable('An export is to be read only')),
    streams: async () => [...runs.keys()].sort(),
    strangers: async () => [],
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, 256 * 1024),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
    keepOnce: () => Promise.reject(new StorageUnavailable('An export is to be read only')),
  };
}
