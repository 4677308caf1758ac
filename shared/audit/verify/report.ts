import type { VerificationReport } from './verify.ts';
import type { StreamFacts } from './verify-stream.ts';

interface Circumstances {
  readonly pinned: boolean;
  readonly partial: boolean;
  readonly facts: readonly StreamFacts[];
}

/** What the findings let one conclude, and what they do not: said in full each time, since an auditor may read nothing else. */
export function meaning(
  { verdict, streams, commands }: Pick<VerificationReport, 'verdict' | 'streams' | 'commands'>,
  { pinned, partial, facts }: Circumstances,
): Pick<VerificationReport, 'proves' | 'doesNotProve'> {
  const unsigned = streams.filter(
    ({ lastSeq, signedUpTo }) => lastSeq > signedUpTo + (lastSeq === signedUpTo + 1 ? 1 : 0),
  );
  const proves =
    verdict === 'broken'
      ? []
      : [
          ...streams.map(({ stream, lastSeq, signedUpTo, closed }) =>
            partial
              ? `${stream}: the exported lines are unchanged among themselves, up to seq ${lastSeq}; signed by the stream's key up to seq ${signedUpTo}`
              : `${stream}: no line up to seq ${lastSeq} was changed, left out, put in or moved; signed by the stream's key up to seq ${signedUpTo}${closed ? '; closed' : ''}`,
          ),
          ...(pinned ? ['Every stream was opened by a root key that you named'] : []),
          ...(partial
            ? []
            : [`${commands.paired} commands have an intent and exactly one outcome; ${commands.open.length} are open`]),
        ];
  const always = [
    'That the gateway wrote the truth: a compromised gateway that lies as it writes is not found from its own trail. Compare with the Azure Activity Log (aksgw audit reconcile)',
    'That nobody ran commands around the gateway: the same comparison shows it',
    'That the clock was right: a clock that was steadily wrong, or was slewed by less than a second from line to line, is not seen',
  ];
  const here = partial
    ? ['What is not in the export: other lines, other streams, intents or outcomes outside its time']
    : [
        ...streams.flatMap(({ stream, lastSeq, witnessedUpTo, closed }) =>
          closed || witnessedUpTo >= lastSeq
            ? []
            : [
                `${stream}: that its end was not cut off after seq ${lastSeq}; the last line that anything outside it has seen is ${witnessedUpTo === -1 ? 'none' : `seq ${witnessedUpTo}`}`,
              ],
        ),
        ...streams.flatMap(({ stream, witnessedUpTo }) =>
          witnessedUpTo === -1
            ? [
                `${stream}: that it could not be deleted or replaced as a whole without notice: nothing outside it has seen it`,
              ]
            : [],
        ),
        'That no stream was deleted of which neither another stream, nor your state file, nor a receipt, nor a copied checkpoint knows',
      ];
  return {
    proves,
    doesNotProve: [
      ...always,
      ...here,
      ...(pinned
        ? []
        : [
            "That the streams are this gateway's: no root key was named, so their own word was taken (name it with the key's thumbprint, or keep a state file)",
          ]),
      ...unsigned.map(
        ({ stream, signedUpTo }) =>
          `${stream}: the signature of what stands after seq ${signedUpTo}: no checkpoint covers it yet, only the chain`,
      ),
      ...(facts.some(({ hmacKey }) => hmacKey === 'none')
        ? [
            'What the HMACs stand for: no wrapping key was there to keep their key for you; they only tell equal from different within a stream',
          ]
        : []),
    ],
  };
}

/** The report for people. */
export function renderReport(report: VerificationReport): string {
  const { verdict, streams, events, commands, findings, counts, proves, doesNotProve } = report;
  const kept = new Map<string, number>();
  for (const { kind } of findings) kept.set(kind, (kept.get(kind) ?? 0) + 1);
  const missing = Object.entries(counts).filter(([kind, count]) => count > (kept.get(kind) ?? 0));
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  - ${line}`)];
  return [
    `The audit trail is ${verdict.toUpperCase()}: ${events} events in ${streams.length} streams, ${commands.paired} commands paired, ${commands.open.length} open`,
    ...section(
      'Found',
      findings.map(
        ({ level, kind, stream, seq, position, message }) =>
          `${level} ${kind}${stream ? ` in ${stream}` : ''}${seq === undefined ? '' : ` seq ${seq}`}${position ? ` (segment ${position.segment}, byte ${position.offset})` : ''}: ${message}`,
      ),
    ),
    ...section(
      'And more of',
      missing.map(([kind, count]) => `${kind}: ${count} in all`),
    ),
    ...section('This proves', proves),
    ...section('This does not prove', doesNotProve),
    '',
  ].join('\n');
}
