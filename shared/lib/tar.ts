/** A file of an archive. */
interface TarFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** POSIX.1-2017, pax, "ustar Interchange Format". */
const BLOCK = 512;
const fields = {
  name: [0, 100],
  size: [124, 136],
  checksum: [148, 156],
  type: [156, 157],
  prefix: [345, 500],
} as const;

/**
 * The files of a tar archive, in order; folders are left out. `fault` makes the error for what is wrong with a member: a link or a device,
 * which lead out of the folder that the archive is unpacked in, a header that is not one, a file that is cut. Takes the long names of pax and GNU tar.
 * With `other`, links, devices and folders are told instead, and nothing else is done with them.
 */
export function readTar(
  archive: Uint8Array,
  fault: (path: string, why: string) => Error,
  other?: (path: string, kind: 'folder' | 'link') => void,
): readonly TarFile[] {
  const files: TarFile[] = [];
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + BLOCK);
    at += BLOCK;
    if (header.every((byte) => byte === 0)) break;
    if (!isSound(header)) throw fault('', 'is not a tar archive, or is damaged');
    const size = sizeOf(header);
    const path = longName ?? nameOf(header);
    if (size === undefined || at + size > bytes.length) throw fault(path, 'is cut, or says a wrong size');
    const body = bytes.subarray(at, at + size);
    at += Math.ceil(size / BLOCK) * BLOCK;
    const type = textOf(header, fields.type) || '0';
    if (type === 'x') longName = paxPath(body) ?? longName;
    else if (type === 'L') longName = cut(body);
    // K is the long target of the link that follows.
    else if (type !== 'g' && type !== 'K') {
      longName = undefined;
      // A file's name that ends in a slash is a folder of old.
      if (type === '5' || path.endsWith('/')) other?.(path, 'folder');
      else if (type === '0' || type === '7') files.push({ path, bytes: body });
      else if (other) other(path, 'link');
      else throw fault(path, 'is a link or a device; an archive may hold files and folders only');
    }
  }
  return files;
}

type Field = readonly [from: number, to: number];

const cut = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
};
const textOf = (header: Buffer, [from, to]: Field): string => cut(header.subarray(from, to));

/** Octal digits; undefined for the binary form, which only files of over 8 GiB need. */
function sizeOf(header: Buffer): number | undefined {
  const text = textOf(header, fields.size).trim();
  return /^[0-7]{1,11}$/u.test(text) ? Number.parseInt(text, 8) : undefined;
}

function nameOf(header: Buffer): string {
  const isUstar = header.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar ? textOf(header, fields.prefix) : '';
  return `${prefix && `${prefix}/`}${textOf(header, fields.name)}`;
}

/** The sum of all bytes, its own taken for spaces. */
function isSound(header: Buffer): boolean {
  const said = Number.parseInt(textOf(header, fields.checksum).trim(), 8);
  const [from, to] = fields.checksum;
  return header.reduce((sum, byte, at) => sum + (at >= from && at < to ? 0x20 : byte), 0) === said;
}

/** `path` of a pax header: records `LENGTH KEY=VALUE\n`. */
function paxPath(body: Buffer): string | undefined {
  let path: string | undefined;
  for (let at = 0; at < body.length;) {
    const length = Number.parseInt(body.toString('latin1', at, at + 8), 10);
    if (!(length > 4) || at + length > body.length) return path;
    const record = body.toString('utf8', at, at + length - 1);
    const [, value] = /^\d+ path=(?<value>[^]*)$/u.exec(record) ?? [];
    path = value ?? path;
    at += length;
  }
  return path;
}
