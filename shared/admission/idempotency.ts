import { createHash, createHmac } from 'node:crypto';

import type { Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { CommandId } from '../lib/ids.ts';
import { trimEnd } from '../lib/trim-end.ts';
import type { CommandRecord, KeyClaim, Records } from '../store/records.ts';

/** How long a key gives the same record (README.md: 24 hours). */
const KEPT_MS = 24 * 60 * 60_000;
/**
 * A claim is first made for this long, and for KEPT_MS once its record is stored: a process that is killed between the two
 * leaves a key that can be used again soon.
 */
const PROVISIONAL_MS = 60_000;
/** How long a second request waits for the first one's record to be there. Storing it takes milliseconds. */
const WAIT_FOR_RECORD_MS = 5_000;
const LOOK_AGAIN_MS = 50;

const MAX_KEY_LENGTH = 255;

/**
 * The Idempotency-Key header: bare, or a string of RFC 8941 as draft-ietf-httpapi-idempotency-key-header has it; both spell
 * the same key. 1–255 visible ASCII characters. Throws Problem `request-invalid`.
 */
export function parseIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = trimEnd(header.replace(/^[ \t]+/, ''), ' \t');
  // RFC 8941, section 3.3.3: inside a string only \" and \\ are escapes.
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1]?.replace(/\\(["\\])/g, '$1');
  const key = quoted ?? text;
  const isPlain = quoted !== undefined || !/["\\]/.test(text);
  if (isPlain && key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]+$/.test(key)) return key;
  throw new Problem(
    'request-invalid',
    `The Idempotency-Key is not 1 to ${MAX_KEY_LENGTH} visible ASCII characters, bare or in double quotes.`,
  );
}

/** What a key is for: one caller's, on one cluster. */
export interface KeyedRequest {
  /** principalKey of the caller. */
  readonly owner: string;
  /** The cluster's ARM id, whatever name it has in the configuration and however its letters are written. */
  readonly armId: string;
  /** From parseIdempotencyKey. */
  readonly key: string;
  /** The request's body as parsed from JSON: what makes it this request. */
  readonly body: unknown;
  /** The id that the record will have if this request is the first. */
  readonly commandId: CommandId;
}

export type KeyedCommand = FirstRequest | Replay;

export interface FirstRequest {
  readonly kind: 'first';
  /**
   * Keeps the key for 24 h; to be called with the record stored and nothing sent. False: this request took too long and
   * another has the key now, so this one must not send.
   */
  confirm(): Promise<boolean>;
  /** Gives the key back: the request was refused, and a refusal does not use a key up. */
  release(): Promise<void>;
}

/** The record of the first request with this key and body. The replay is to be authorised afresh. */
interface Replay {
  readonly kind: 'replay';
  readonly record: CommandRecord;
}

export interface Idempotency {
  /**
   * Claims the key, or finds whose it is. Rejects with Problem `idempotency-conflict` (the key came with another body) and
   * `gateway-busy` (the first request is still being stored), and with the signal's reason when it aborts.
   */
  claim(request: KeyedRequest, signal?: AbortSignal): Promise<KeyedCommand>;
}

export function createIdempotency(options: {
  records: Pick<Records, 'claimKey' | 'releaseKey' | 'get'>;
  clock: Clock;
}): Idempotency {
  const { records, clock } = options;

  const first = (claim: KeyClaim): FirstRequest => ({
    kind: 'first',
    confirm: async () => {
      const now = clock.now();
      return (await records.claimKey({ ...claim, expiresAt: now + KEPT_MS }, now)).claimed;
    },
    release: () => records.releaseKey(claim),
  });

  return {
    claim: async (request, signal) => {
      const scope = keyScope(request);
      const body = bodyDigest(request);
      const until = clock.monotonic() + WAIT_FOR_RECORD_MS;
      for (;;) {
        const now = clock.now();
        const claim = { scope, body, commandId: request.commandId, expiresAt: now + PROVISIONAL_MS };
        const answer = await records.claimKey(claim, now);
        if (answer.claimed) return first(claim);
        const record = await records.get(answer.by.commandId);
        if (record !== undefined && nothingSent(record)) {
          // Its process ended before it could give the key back.
          await records.releaseKey(answer.by);
          continue;
        }
        if (answer.by.body !== body) {
          throw new Problem('idempotency-conflict', 'This Idempotency-Key came with another body before.');
        }
        if (record !== undefined) return { kind: 'replay', record };
        if (clock.monotonic() >= until) {
          throw new Problem('gateway-busy', 'The first request with this Idempotency-Key is still being taken.', {
            retryAfter: Math.max(1, Math.ceil((answer.by.expiresAt - clock.now()) / 1000)),
          });
        }
        await clock.sleep(LOOK_AGAIN_MS, { ...(signal && { signal }) });
      }
    },
  };
}

/** A refusal does not use a key up, and neither does a command of which Azure has nothing. */
const nothingSent = (record: CommandRecord): boolean => record.status === 'failed' && record.azure === undefined;

/** Digest over caller, cluster and key, so that one caller's key is never another's. Hex. */
export const keyScope = ({ owner, armId, key }: Pick<KeyedRequest, 'owner' | 'armId' | 'key'>): string =>
  createHash('sha256')
    .update(JSON.stringify(['aksgw.idempotency.v1', owner, armId.toLowerCase(), key]))
    .digest('hex');

/**
 * What the request says, in any order of its members. Keyed with the idempotency key, which is stored nowhere: a bare
 * digest of a body with a short secret in it could be guessed from the store. Hex.
 */
export const bodyDigest = ({ key, body }: Pick<KeyedRequest, 'key' | 'body'>): string =>
  createHmac('sha256', key)
    .update(body === undefined ? '' : canonicalJson(body))
    .digest('hex');
