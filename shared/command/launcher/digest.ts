import { createHash } from 'node:crypto';

/** Whether bytes have the digest the pod gave: SHA-256 in hex, POSIX cksum in decimal, or `-` for none. */
export function digestMatches(bytes: Uint8Array, digest: string): boolean {
  if (digest === '-') return true;
  if (digest.length === 64) return createHash('sha256').update(bytes).digest('hex') === digest;
  return cksum(bytes) === Number(digest);
}

/** The CRC of POSIX `cksum`: polynomial 0x04C11DB7, not reflected, the length appended (XCU, cksum). */
export function cksum(bytes: Uint8Array): number {
  let crc = 0;
  const feed = (byte: number): void => {
    crc = ((crc << 8) ^ (table[((crc >>> 24) ^ byte) & 0xff] ?? 0)) >>> 0;
  };
  for (const byte of bytes) feed(byte);
  for (let length = bytes.byteLength; length > 0; length = Math.floor(length / 256)) feed(length & 0xff);
  return ~crc >>> 0;
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit += 1) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});
