import { Compile } from 'typebox/compile';
import type { JsonObject } from '../../lib/canonical-json.ts';
import { type Opening, hashLine } from '../chain.ts';
import { openingSchema } from '../schemas.ts';
import {
  type SignatureType,
  detach,
  peekPayload,
  peekType,
  thumbprint,
  verifyCompact,
  verifyingKey,
} from '../signature.ts';
import type { Findings } from './findings.ts';
import type { RootKeys } from './root-keys.ts';
import type { StreamFacts } from './verify-stream.ts';
import type { Witness, Witnesses } from './witnesses.ts';

const openingCheck = Compile(openingSchema);

/** What became of one receipt or copy that was handed in. The trail is judged apart: a forged receipt does not break it. */
export interface EvidenceReport {
  readonly what: 'receipt' | 'copy';
  /** From 1 on. */
  readonly number: number;
  /** `valid`: signed by the stream's key; what it says is held against the trail. `unknown`: its stream is not there to check it with. */
  readonly judgement: 'valid' | 'invalid' | 'unknown';
  readonly stream?: string | undefined;
  readonly seq?: number | undefined;
  readonly message: string;
}

interface EvidenceContext {
  readonly facts: ReadonlyMap<string, StreamFacts>;
  readonly witnesses: Witnesses;
  readonly findings: Findings;
  readonly rootKeys: RootKeys;
}

/** Makes a witness of a receipt or a copy that the stream it names did sign. */
export function judgeEvidence(
  { facts, witnesses, findings, rootKeys }: EvidenceContext,
  what: EvidenceReport['what'],
  jws: string,
  number: number,
): EvidenceReport {
  const claim = readClaim(what, jws);
  const report = (judgement: EvidenceReport['judgement'], message: string): EvidenceReport => ({
    what,
    number,
    judgement,
    stream: claim?.stream,
    seq: claim?.seq,
    message,
  });
  if (!claim) return report('invalid', `It is not a ${what}: ${jws.slice(0, 40)}…`);
  const { stream, seq, hash, at, typ, opening } = claim;
  const known = facts.get(stream);
  if (opening) return judgeOpening(opening);
  if (!known) {
    findings.add(
      'evidence-without-stream',
      { stream, seq },
      `A ${what} names this stream, which is not there; without it nobody can tell whether the ${what} is genuine`,
    );
    return report('unknown', 'Its stream is not there: whether it is genuine cannot be checked');
  }
  if (!known.key)
    return report('unknown', "Its stream's opening is not valid: whether it is genuine cannot be checked");
  if (verifyCompact(jws, typ, known.key) === undefined)
    return report('invalid', 'It is not signed by the key of the stream that it names');
  const by = what === 'receipt' ? `Receipt ${number}` : 'A copied signature';
  witnesses.add({ stream, seq, hash, kind: what, by, at });
  return report('valid', 'The stream signed it');

  /** A copied opening vouches for its stream by itself: the root key signed it. */
  function judgeOpening({ root, keyId, rootKeyId }: Opening): EvidenceReport {
    const genuine =
      verifyCompact(jws, 'aksgw-stream', verifyingKey(root)) !== undefined && thumbprint(root) === rootKeyId;
    if (!genuine || !rootKeys.believes(rootKeyId)) return report('invalid', 'It is not signed by a root key of yours');
    if (!known) findings.add('stream-missing', { stream, seq: 0 }, 'A copied opening saw this stream; it is not there');
    else if (known.key?.keyId !== keyId)
      findings.add('history-replaced', { stream, seq: 0 }, 'A copied opening saw another opening here');
    return report('valid', 'The root key signed it');
  }
}

interface Claim extends Pick<Witness, 'stream' | 'seq' | 'hash' | 'at'> {
  readonly typ: SignatureType;
  readonly opening?: Opening | undefined;
}

/** What it says, before anything of it is checked. */
function readClaim(what: EvidenceReport['what'], jws: string): Claim | undefined {
  const typ = peekType(jws);
  const payload = (peekPayload(jws) ?? {}) as JsonObject;
  const { stream, time } = payload;
  const at = typeof time === 'string' ? Date.parse(time) || 0 : 0;
  if (typeof stream !== 'string') return undefined;
  if (what === 'copy' && typ === 'aksgw-stream' && openingCheck.Check(payload))
    return { typ, stream, seq: 0, hash: '', at, opening: payload };
  const { seq } = payload;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return undefined;
  if (what === 'copy' && typ === 'aksgw-batch') return { typ, stream, seq, hash: batchHash(jws, payload), at };
  const fits = what === 'receipt' ? typ === 'aksgw-receipt' : typ === 'aksgw-checkpoint';
  const { hash } = payload;
  return fits && typeof hash === 'string' ? { typ: typ as SignatureType, stream, seq, hash, at } : undefined;
}

/** A batch's signature is over its own line without it: with it, it is that line. */
const batchHash = (jws: string, payload: JsonObject): string =>
  hashLine(JSON.stringify(ordered({ ...payload, signature: detach(jws) })));

/** The payload came from JSON, which may not be canonical: then the hash fits no line, as it should. */
const ordered = (value: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
