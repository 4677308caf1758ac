/** One member of an archive, as its header says it. */
export interface TarMember {
  readonly path: string;
  readonly text?: string | undefined;
  readonly bytes?: Uint8Array | undefined;
  /** `0` a file, `1` a hard link, `2` a symbolic link, `5` a folder, … */
  readonly type?: string | undefined;
  readonly link?: string | undefined;
  /** What the header says of the size, where that is not the truth. */
  readonly size?: number | undefined;
}

const BLOCK = 512;

/** A ustar archive (POSIX.1-2017, pax, "ustar Interchange Format"), with whatever members a test wants, forbidden ones too. */
export function tarOf(members: readonly TarMember[]): Buffer {
  const blocks = members.flatMap(({ path, text = '', bytes, type = '0', link = '', size }) => {
    const body = Buffer.from(bytes ?? text);
    const header = Buffer.alloc(BLOCK);
    const put = (at: number, value: string): number => header.write(value, at, 'latin1');
    header.write(path, 0, 100, 'utf8');
    put(100, '0000644\0');
    put(108, '0000000\0');
    put(116, '0000000\0');
    put(124, `${(size ?? body.length).toString(8).padStart(11, '0')}\0`);
    put(136, '00000000000\0');
    put(148, '        ');
    put(156, type);
    header.write(link, 157, 100, 'utf8');
    put(257, 'ustar\u{0}00');
    const sum = header.reduce((total, byte) => total + byte, 0);
    put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
    return [header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
