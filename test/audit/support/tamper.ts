import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { hashLine } from '../../../shared/audit/chain.ts';
import { type JsonObject, canonicalJson } from '../../../shared/lib/canonical-json.ts';
import { parseSegmentName } from '../../../shared/store/append-log-lines.ts';

/** Streams by name, each as its bytes: what a forger has in hand. */
export type Trail = ReadonlyMap<string, Buffer>;

export async function readTrail(folder: string): Promise<Trail> {
  const trail = new Map<string, Buffer>();
  for (const name of (await readdir(folder)).sort()) {
    const stream = parseSegmentName(name)?.stream;
    if (stream !== undefined) trail.set(stream, readFileSync(path.join(folder, name)));
  }
  return trail;
}

export const splitLines = (bytes: Buffer): readonly string[] => bytes.toString('utf8').split('\n').slice(0, -1);
export const joinLines = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));

export const withStream = (trail: Trail, stream: string, bytes: Buffer): Trail => new Map(trail).set(stream, bytes);

/** Lines with new seq and prev, so that the chain holds: what somebody can do who can write, but not sign. */
export function rechain(lines: readonly JsonObject[]): readonly string[] {
  const out: string[] = [];
  let prev = '0'.repeat(64);
  for (const line of lines) {
    const text = canonicalJson({ ...line, seq: out.length, prev });
    prev = hashLine(text);
    out.push(text);
  }
  return out;
}

export const parseLines = (lines: readonly string[]): readonly JsonObject[] =>
  lines.map((line) => JSON.parse(line) as JsonObject);
