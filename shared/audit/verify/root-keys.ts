import { type Opening, rfc3339 } from '../chain.ts';
import type { Findings, LinePlace } from './findings.ts';

/** What an auditor decided about a root key, from a time on. */
export interface KeyDecision {
  /** `retired`: it opens no stream from then on. `revoked`: it may have been stolen, so that what it opened counts only if it was seen before. */
  readonly status: 'retired' | 'revoked';
  /** RFC 3339. */
  readonly from: string;
  readonly by: string;
  readonly why: string;
}

export interface RootKeys {
  /** True when somebody named the keys to believe. */
  readonly named: boolean;
  believes(rootKeyId: string): boolean;
  judge(opening: Opening, place: LinePlace): void;
  decision(rootKeyId: string): KeyDecision | undefined;
}

/** @param believed thumbprints (RFC 7638); undefined to believe what the streams say, which proves nothing. */
export function createRootKeys(
  findings: Findings,
  believed: readonly string[] | undefined,
  decisions: Readonly<Record<string, KeyDecision>>,
): RootKeys {
  const known = believed && believed.length > 0 ? new Set(believed) : undefined;
  return {
    named: known !== undefined,
    believes: (id) => known === undefined || known.has(id),
    decision: (id) => decisions[id],
    judge: ({ rootKeyId, time }, place) => {
      if (known && !known.has(rootKeyId))
        findings.add(
          'root-key-unknown',
          place,
          `The stream was opened with root key ${rootKeyId}, which is not one of yours`,
        );
      const decision = decisions[rootKeyId];
      if (decision && Date.parse(time) >= Date.parse(decision.from))
        findings.add(
          'root-key-revoked',
          place,
          `The stream was opened at ${time} with root key ${rootKeyId}, ${decision.status} from ${rfc3339(Date.parse(decision.from))} on`,
        );
    },
  };
}
