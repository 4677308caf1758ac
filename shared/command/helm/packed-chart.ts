import { gunzipSync } from 'node:zlib';
import type { RequestFile } from '../invocation.ts';
import { refuse } from '../../lib/refuse.ts';
import { readTar } from '../../lib/tar.ts';

/** A chart and those inside it, unpacked. helm's own limit is 100 MiB (pkg/chart/v2/loader, MaxDecompressedChartSize). */
const MOST_BYTES = 20 * 1024 * 1024;
const MOST_FILES = 2_000;
const MOST_DEPTH = 4;

export const packedPattern = /\.(?:tgz|tar\.gz)$/u;

/** What is left of the limits while archives inside archives are unpacked. */
interface Budget {
  bytes: number;
  files: number;
}

/**
 * The files of a packed chart, in a folder called as the archive is without its ending. The archive itself is never sent: what is judged is what
 * helm reads, whatever its own reader would make of the archive (CVE-2025-32386, CVE-2026-35206). Throws Problem `command-refused`.
 */
export function unpackChart(
  path: string,
  bytes: Uint8Array,
): { readonly folder: string; readonly files: readonly RequestFile[] } {
  const folder = path.replace(packedPattern, '');
  return { folder, files: unpack(path, bytes, folder, { bytes: MOST_BYTES, files: MOST_FILES }, 0) };
}

function unpack(path: string, bytes: Uint8Array, folder: string, budget: Budget, depth: number): RequestFile[] {
  if (depth > MOST_DEPTH) throw refuse(path, 'holds too many archives inside archives');
  const archive = inflate(path, bytes, budget);
  const members = readTar(archive, (member, why) => refuse(member === '' ? path : `${path}: ${member}`, why));
  const top = members[0]?.path.split('/')[0] ?? '';
  return members.flatMap((member): RequestFile[] => {
    budget.files -= 1;
    if (budget.files < 0) throw refuse(path, `holds more than ${MOST_FILES} files`);
    const [first, ...rest] = member.path.replace(/^\.\//u, '').split('/');
    const name = rest.join('/');
    if (first !== top || name === '')
      throw refuse(`${path}: ${member.path}`, 'is not in the one folder that a packed chart has');
    const within = `${folder}/${name}`;
    // What helm package left out is out already; an archive's own list is not read by helm, and a folder's would be.
    if (name === '.helmignore') return [];
    return /^charts\/[^/]+$/u.test(name) && packedPattern.test(name)
      ? unpack(within, member.bytes, within.replace(packedPattern, ''), budget, depth + 1)
      : [{ path: within, bytes: member.bytes }];
  });
}

function inflate(path: string, bytes: Uint8Array, budget: Budget): Uint8Array {
  try {
    const archive = gunzipSync(bytes, { maxOutputLength: Math.max(1, budget.bytes) });
    budget.bytes -= archive.byteLength;
    return archive;
  } catch (error) {
    const tooLarge = error instanceof RangeError || (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
    throw refuse(path, tooLarge ? `is larger than ${MOST_BYTES} bytes when it is unpacked` : 'is not a gzip archive');
  }
}
