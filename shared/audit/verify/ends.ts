import { hash as digest } from 'node:crypto';
import type { AppendLog, LogLine } from '../../store/append-log.ts';
import { type Head, hashLine, rfc3339 } from '../chain.ts';
import type { Findings } from './findings.ts';
import { lineSeq } from './line.ts';
import type { StreamFacts } from './verify-stream.ts';
import { ALIVE_MS, type EndWitness, type Witnesses } from './witnesses.ts';

/** How far another machine's clock may lie ahead of the verifier's. */
const SKEW_MS = 5 * 60_000;
/** A copy reaches the second place within a second of its batch. */
const COPY_MS = 2_000;

type Facts = ReadonlyMap<string, StreamFacts>;

/** How each stream ends: by its own signed word, as others saw it, alive, or nobody knows. `now`: epoch ms. */
export function judgeEnds(facts: Facts, witnesses: Witnesses, findings: Findings, now: number): void {
  const seen = [...facts.values()].flatMap((one) => one.seen.map(({ lost }) => lost));
  for (const one of facts.values()) {
    const explained = seen.filter(({ stream, seq }) => stream === one.stream && seq === one.lastSeq);
    judgeTail(one, explained, findings);
    judgeEnd(one, witnesses.of(one.stream), findings, now);
    if (one.lastWall > now + SKEW_MS)
      findings.add(
        'clock-ahead',
        { stream: one.stream, seq: one.lastSeq },
        `The last line says ${rfc3339(one.lastWall)}, which has not come yet`,
      );
  }
}

/** A stream's part of an export ends in a signature that covers it. */
export function judgeExportedEnds(facts: Facts, findings: Findings): void {
  for (const one of facts.values()) if (one.key) judgeTail(one, [], findings);
}

/** What stands after the last signature: a batch that a crash tore, if another stream has signed that it saw it so. */
function judgeTail(one: StreamFacts, explained: readonly Head[], findings: Findings): void {
  const { stream, lastSeq, lastHash, signedUpTo, torn, tornPlace } = one;
  const place = tornPlace ?? { stream, seq: signedUpTo + 1 };
  const same = explained.some(
    (head) =>
      (lastSeq === -1 || head.hash === lastHash) &&
      head.torn?.bytes === torn?.bytes &&
      head.torn?.sha256 === torn?.sha256,
  );
  if (!torn && explained.some((head) => head.torn))
    findings.add('history-replaced', place, 'Another stream saw a torn line here; it was taken away');
  if (lastSeq === -1 && !torn && !same)
    findings.add('stream-empty', place, 'The stream has no line, and no other stream has signed that it saw it so');
  if (lastSeq === signedUpTo && !torn) return;
  const what = torn ? `${torn.bytes} bytes of a line` : `seq ${signedUpTo + 1} to ${lastSeq}`;
  if (same)
    findings.add(
      'tail-explained',
      place,
      `A crash left ${what} without a signature, as another stream saw: nothing was done on their strength`,
    );
  else if (torn)
    findings.add(
      'tail-torn',
      place,
      `The stream ends in ${what}, and no other stream has signed that it saw it so: no evidence of anything`,
    );
  else
    findings.add(
      'tail-unsigned',
      { ...place, seq: signedUpTo + 1 },
      `No signature covers ${what}, and no other stream has signed that it saw them so: no evidence of anything`,
    );
}

function judgeEnd(one: StreamFacts, witness: EndWitness, findings: Findings, now: number): void {
  const { stream, lastSeq, final, lastWall } = one;
  const place = { stream, seq: lastSeq };
  if (final || lastSeq === -1) return;
  if (now - lastWall < ALIVE_MS && lastWall <= now + SKEW_MS)
    findings.add(
      'alive',
      place,
      `The stream goes on, as far as one can tell: proven up to ${rfc3339(lastWall)}; a cut since then shows only in copies and receipts`,
    );
  else if (!isWitnessedEnd(one, witness))
    findings.add(
      'end-unproven',
      place,
      `The stream has no signed end, and nothing outside it shows that it ended at ${rfc3339(lastWall)}: its process was killed, or its end was cut off`,
    );
}

/** The last line is known outside, or was written so soon after the last copy that a kill kept its own from the second place. */
const isWitnessedEnd = ({ lastSeq, lastWall }: StreamFacts, { head, copy }: EndWitness): boolean =>
  head.seq === lastSeq || copy.seq === lastSeq || (copy.seq !== -1 && lastWall - copy.wall <= COPY_MS);

/**
 * Reads streams again for what was said of them after they had been read: only the lines in question are hashed. Rejects with
 * StorageUnavailable.
 */
export async function lookAgain(log: AppendLog, witnesses: Witnesses, facts: Facts, findings: Findings): Promise<void> {
  const torn = continuedTails(facts);
  const late = witnesses.late();
  for (const stream of new Set([...late.keys(), ...torn.keys()])) {
    const wanted = late.get(stream);
    const tails = torn.get(stream) ?? [];
    let seq = -1;
    for await (const line of log.read(stream)) {
      seq = line.complete ? lineSeq(line.bytes) : seq + 1;
      const place = { stream, seq, position: line.position };
      if (line.complete && wanted?.has(seq))
        witnesses.line(stream, seq, hashLine(line.bytes), lineWall(line.text), place);
      for (const tail of tails)
        if (seq === tail.seq + 1 && !beginsWith(line, tail))
          findings.add('history-replaced', place, 'Another stream saw another beginning of this line');
    }
    witnesses.end(stream, facts.get(stream)?.lastSeq ?? -1);
  }
}

function lineWall(text: string): number {
  try {
    return Date.parse((JSON.parse(text) as { readonly time: string }).time) || 0;
  } catch {
    return 0;
  }
}

/**
 * Torn tails that were seen of streams that have more now: their writer lived, and the line was only half written at that moment, or half
 * a line still stands there.
 */
function continuedTails(facts: Facts): ReadonlyMap<string, readonly Head[]> {
  const tails = new Map<string, Head[]>();
  for (const { seen } of facts.values())
    for (const { lost } of seen) {
      const now = facts.get(lost.stream);
      if (lost.torn && now && (now.lastSeq > lost.seq || (now.lastSeq === lost.seq && now.torn)))
        tails.set(lost.stream, [...(tails.get(lost.stream) ?? []), lost]);
    }
  return tails;
}

function beginsWith({ bytes, complete }: LogLine, { torn }: Head): boolean {
  if (!torn) return true;
  const whole = complete ? Buffer.concat([bytes, Buffer.from('\n')]) : bytes;
  return digest('sha256', whole.subarray(0, torn.bytes), 'hex') === torn.sha256;
}
