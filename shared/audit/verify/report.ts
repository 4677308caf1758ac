import type { Finding } from './findings.ts';
import type { StreamReport, VerificationReport } from './verification-report.ts';
import type { StreamFacts } from './verify-stream.ts';

interface Circumstances {
  readonly named: boolean;
  readonly partial: boolean;
  readonly facts: readonly StreamFacts[];
}

type Whole = Omit<VerificationReport, 'proves' | 'doesNotProve'>;

/** What the findings let one conclude, and what they do not: said in full each time, since an auditor may read nothing else. */
export function meaning(
  report: Whole,
  circumstances: Circumstances,
): Pick<VerificationReport, 'proves' | 'doesNotProve'> {
  return {
    proves: report.verdict === 'BROKEN' ? [] : proofs(report, circumstances),
    doesNotProve: [...always, ...gaps(report, circumstances)],
  };
}

function proofs({ streams, commands }: Whole, { named, partial }: Circumstances): readonly string[] {
  const signer = named ? 'under a root key that you named' : 'by a key that vouches for itself';
  return [
    ...streams.map(
      ({ stream, signedUpTo, final }) =>
        `${stream}: no ${partial ? 'exported ' : ''}line up to seq ${signedUpTo} was changed, left out, put in or moved: signed ${signer}${final ? '; the stream ends there' : ''}`,
    ),
    ...(partial
      ? []
      : [`${commands.paired} commands have an intent and exactly one outcome; ${commands.open.length} are open`]),
  ];
}

const always = [
  'That the gateway wrote the truth: a compromised gateway that lies as it writes is not found from its own trail. Compare with the Azure Activity Log (aksgw audit reconcile)',
  'That nobody ran commands around the gateway: the same comparison shows it',
  'That the clock was right: a clock that was steadily wrong, or was slewed by less than a second from line to line, is not seen',
];

function gaps({ streams, verdict }: Whole, { named, partial, facts }: Circumstances): readonly string[] {
  const unseen = streams.filter(({ witnessedUpTo }) => witnessedUpTo === -1);
  return [
    ...(partial
      ? ['What is not in the export: other lines, other streams, intents or outcomes outside its time']
      : [
          ...streams.filter(({ final }) => !final).map(endGap),
          ...unseen.map(
            ({ stream }) =>
              `${stream}: that it could not be deleted or replaced as a whole without notice: nothing outside it has seen it`,
          ),
          'That no stream was deleted of which neither another stream, nor your state file, nor a receipt, nor a copy knows',
        ]),
    ...(named
      ? []
      : ["That the streams are this gateway's: name its root key (--config, or --root-key with the key's thumbprint)"]),
    ...(facts.some(({ hmacKey }) => hmacKey === 'none')
      ? [
          'What the HMACs stand for: no wrapping key was there to keep their key for you; they only tell equal from different within a stream',
        ]
      : []),
    ...(verdict === 'BROKEN' ? ['Anything about the places that are named above'] : []),
  ];
}

const endGap = ({ stream, lastSeq, witnessedUpTo }: StreamReport): string =>
  witnessedUpTo >= lastSeq
    ? `${stream}: that it wrote nothing after seq ${lastSeq}, where others saw it end: it has no end of its own`
    : `${stream}: that its end was not cut off after seq ${lastSeq}; the last line that anything outside it has seen is ${witnessedUpTo === -1 ? 'none' : `seq ${witnessedUpTo}`}`;

/** The report for people. */
export function renderReport(report: VerificationReport): string {
  const { verdict, trail, streams, events, commands, findings, acknowledged, evidence, proves, doesNotProve } = report;
  const explained = new Map(acknowledged.map((one) => [one.id, one]));
  const counted = findings.filter(({ id }) => !explained.has(id));
  const of = (level: Finding['level']): readonly string[] =>
    counted.filter((finding) => finding.level === level).map(describe);
  return [
    `${verdict}: ${events} events in ${streams.length} streams${trail === undefined ? '' : ` of trail ${trail}`}, ${commands.paired} commands paired, ${commands.open.length} open`,
    ...section('Contradictions', of('broken')),
    ...section('Not covered', of('unproven')),
    ...section('Noted', of('note')),
    ...section('And more of', more(report)),
    ...section(
      'Acknowledged',
      findings.flatMap((finding) => {
        const word = explained.get(finding.id);
        return word ? [`${describe(finding)} — by ${word.by}, ${word.at}: ${word.why}`] : [];
      }),
    ),
    ...section('Receipts and copies', [
      ...(evidence.valid > 0 ? [`${evidence.valid} are signed by the streams that they name`] : []),
      ...evidence.other.map(
        ({ what, number, judgement, stream, seq, message }) =>
          `${judgement} ${what} ${number}${stream === undefined ? '' : ` (${stream} seq ${seq ?? '?'})`}: ${message}`,
      ),
    ]),
    ...section('Signed and witnessed', streams.map(describeStream)),
    ...section('This proves', proves),
    ...section('This does not prove', doesNotProve),
    '',
  ].join('\n');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  - ${line}`)];
}

const describe = ({ id, kind, stream, seq, position, message }: Finding): string =>
  `${kind}${stream ? ` in ${stream}` : ''}${seq === undefined ? '' : ` seq ${seq}`}${position ? ` (segment ${position.segment}, byte ${position.offset})` : ''}: ${message} [${id}]`;

const describeStream = ({ stream, lastSeq, signedUpTo, witnessedUpTo, final }: StreamReport): string =>
  `${stream}: seq 0 to ${lastSeq}; signed up to ${signedUpTo}, witnessed up to ${witnessedUpTo}, ${final ? 'signed end' : 'no signed end'}`;

function more({ findings, counts }: VerificationReport): readonly string[] {
  const kept = new Map<string, number>();
  for (const { kind } of findings) kept.set(kind, (kept.get(kind) ?? 0) + 1);
  return Object.entries(counts)
    .filter(([kind, count]) => count > (kept.get(kind) ?? 0))
    .map(([kind, count]) => `${kind}: ${count} in all`);
}
