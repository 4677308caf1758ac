import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseSegmentName } from '../../../shared/store/append-log-lines.ts';

/** Streams by name, each as its bytes: what a tamperer has in hand. */
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

/** Lines rewritten from `from` on so that the chain holds again: what somebody can do who can write, but not sign. */
export function rechain(
  lines: readonly string[],
  edit: (line: Record<string, unknown>, index: number) => Record<string, unknown> | undefined,
  serialise: (line: unknown) => string,
  hash: (line: string) => string,
): readonly string[] {
  const out: string[] = [];
  let prev = '0'.repeat(64);
  for (const [index, text] of lines.entries()) {
    const edited = edit(JSON.parse(text) as Record<string, unknown>, index);
    if (!edited) continue;
    const line = serialise({ ...edited, seq: out.length, prev });
    prev = hash(line);
    out.push(line);
  }
  return out;
}
