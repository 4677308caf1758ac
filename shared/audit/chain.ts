import { hash } from 'node:crypto';

/** The hash of a line is SHA-256("aksgw.audit.v1\n" ‖ line) (README.md, "Lines and the chain"); the first line's `prev` is all zeros. */
const LINE_DOMAIN = 'aksgw.audit.v1\n';
export const GENESIS = '0'.repeat(64);
export const LINE_VERSION = 1;

/** A batch holds at most this much; its signature comes on top. */
export const MAX_BATCH_LINES = 256;
export const MAX_BATCH_BYTES = 1024 * 1024;

const prefix = Buffer.from(LINE_DOMAIN, 'latin1');
let scratch: Buffer = Buffer.concat([prefix, Buffer.alloc(16 * 1024)]);

/** Hex. `line` without its newline. */
export function hashLine(line: string | Uint8Array): string {
  if (typeof line === 'string') return hash('sha256', LINE_DOMAIN + line, 'hex');
  const length = prefix.length + line.length;
  if (scratch.length < length) scratch = Buffer.concat([prefix, Buffer.alloc(line.length)]);
  scratch.set(line, prefix.length);
  return hash('sha256', scratch.subarray(0, length), 'hex');
}

/** RFC 3339 in UTC with milliseconds: of fixed length, so that text order is time order. */
export const rfc3339 = (epochMs: number): string => new Date(epochMs).toISOString();

/** The end of a stream as somebody saw it. */
export type Head = {
  readonly stream: string;
  /** -1: no whole line. */
  readonly seq: number;
  /** Hex, of the line with that seq. */
  readonly hash: string;
  /** What a crash left after it: length in bytes and SHA-256, hex. */
  readonly torn?: { readonly bytes: number; readonly sha256: string } | undefined;
};

/** Which trail a stream belongs to. */
export type TrailIdentity = {
  /** A UUID, made once and kept beside the streams. */
  readonly id: string;
  /** Tenant ids whose tokens the gateway takes. */
  readonly tenants: readonly string[];
  /** ARM ids of its clusters. */
  readonly clusters: readonly string[];
};

/** What the root key signs when a stream begins. */
export type Opening = {
  readonly trail: TrailIdentity;
  readonly stream: string;
  readonly time: string;
  readonly build: string;
  /** The stream's own public key, its RFC 7638 thumbprint, and the same of the root key. */
  readonly key: PublicJwk;
  readonly keyId: string;
  readonly root: PublicJwk;
  readonly rootKeyId: string;
  /** Where the root key is kept, such as its Key Vault id; absent for a local one. */
  readonly rootKeyAt?: string | undefined;
  readonly hmacKey: WrappedKey;
  /** The ends of the other streams. */
  readonly heads: readonly Head[];
};

/** What the stream's key signs each minute and at the end: everything up to `seq`. */
export type Checkpoint = {
  /** The trail's id. */
  readonly trail: string;
  readonly stream: string;
  readonly seq: number;
  readonly hash: string;
  readonly time: string;
  /** The hash of the line that holds the checkpoint before, GENESIS for the first. */
  readonly prevCheckpoint: string;
  readonly heads: readonly Head[];
  /** The stream ends here. */
  readonly final?: true | undefined;
  /** The store's own clock at its last answer, where it tells it (RFC 3339). */
  readonly storeTime?: string | undefined;
};

export type PublicJwk = { readonly crv: 'P-256'; readonly kty: 'EC'; readonly x: string; readonly y: string };

/**
 * The stream's HMAC key as its opening carries it. `none`: it was kept in memory only, so that HMACs of one stream can be
 * compared with each other, and never with a text.
 */
export type WrappedKey =
  | { readonly alg: 'none' }
  | { readonly alg: 'HKDF-A256GCM'; readonly value: string }
  | { readonly alg: 'RSA-OAEP-256'; readonly keyAt: string; readonly value: string };
