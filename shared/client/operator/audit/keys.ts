import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Opening, rfc3339 } from '../../../audit/chain.ts';
import { emptyState, type TrailState } from '../../../audit/verify/state.ts';
import { systemClock } from '../../../clock.ts';
import type { AppendLog } from '../../../store/append-log.ts';
import type { Host } from '../../host.ts';
import { openTrail } from '../log.ts';
import { common, explain, timeOf } from './arguments.ts';
import { readState, writeState } from './verify.ts';

const USAGE = `aksgw audit keys [list] [FOLDER | https://…] [--state FILE] [--config FILE]
aksgw audit keys believe | retire | revoke | restore ID --state FILE [--from TIME] [--by NAME] [--why TEXT]

Lists the root keys that opened the streams of a trail, and decides about them in the state file that "aksgw audit verify" honours.

  believe            the key is one of the gateway's
  retire             a rotation: it opens no stream from a time on (--from, else now); what it opened before stands
  revoke             it may have been stolen: as retire, and what it opened before counts only as far as something outside has seen it
  restore            takes a retirement or revocation back

retire and revoke need --by and --why.
`;

const verbs = ['list', 'believe', 'retire', 'revoke', 'restore'] as const;
type Verb = (typeof verbs)[number];
const isVerb = (word: string | undefined): word is Verb => verbs.some((verb) => verb === word);

/** `aksgw audit keys`. */
export async function keys(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...common,
      state: { type: 'string' },
      from: { type: 'string' },
      by: { type: 'string' },
      why: { type: 'string' },
    },
  });
  const [first] = positionals;
  const verb = isVerb(first) ? first : 'list';
  const rest = isVerb(first) ? positionals.slice(1) : positionals;
  const { state: file, by, why } = values;
  if (values.help || rest.length > 1) return explain(host, USAGE, values);
  const state = file !== undefined && existsSync(file) ? readState(file) : emptyState;
  if (verb === 'list') {
    await list(await openTrail(rest[0], values.config, host), state, host);
    return 0;
  }
  const [id] = rest;
  const decides = verb === 'retire' || verb === 'revoke';
  if (id === undefined || file === undefined || (decides && (by === undefined || why === undefined)))
    return explain(host, USAGE, values);
  const from = rfc3339(timeOf('--from', values.from) ?? systemClock.now());
  writeState(file, decide(state, verb, id, { from, by: by ?? '', why: why ?? '' }));
  return 0;
}

function decide(
  state: TrailState,
  verb: Exclude<Verb, 'list'>,
  id: string,
  word: { readonly from: string; readonly by: string; readonly why: string },
): TrailState {
  if (verb === 'believe') return { ...state, rootKeys: [...new Set([...state.rootKeys, id])].toSorted() };
  const { [id]: _, ...others } = state.keys ?? {};
  if (verb === 'restore') return { ...state, keys: others };
  return { ...state, keys: { ...others, [id]: { status: verb === 'retire' ? 'retired' : 'revoked', ...word } } };
}

async function list(log: AppendLog, state: TrailState, host: Host): Promise<void> {
  const used = new Map<string, { readonly at: string | undefined; readonly times: string[] }>();
  for (const stream of await log.streams()) {
    const opening = await readOpening(log, stream);
    if (!opening) continue;
    const { rootKeyId, rootKeyAt, time } = opening;
    const before = used.get(rootKeyId);
    used.set(rootKeyId, { at: rootKeyAt, times: [...(before?.times ?? []), time] });
  }
  for (const [id, { at, times }] of used) {
    const decision = state.keys?.[id];
    const standing = decision
      ? `${decision.status} from ${decision.from} by ${decision.by}: ${decision.why}`
      : state.rootKeys.includes(id)
        ? 'believed'
        : 'not named';
    const sorted = times.toSorted();
    host.stdout.write(
      `${id}  ${times.length} streams, ${sorted[0] ?? ''} to ${sorted.at(-1) ?? ''}${at === undefined ? '' : `, ${at}`}; ${standing}\n`,
    );
  }
}

async function readOpening(log: AppendLog, stream: string): Promise<Opening | undefined> {
  for await (const { text } of log.read(stream)) {
    try {
      return (JSON.parse(text) as { readonly opening?: Opening }).opening;
    } catch {
      // A damaged stream is verification's business.
      return undefined;
    }
  }
  return undefined;
}
