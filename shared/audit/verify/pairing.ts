import { type EventName, outcomeEvents } from '../events.ts';
import type { Findings, LinePlace } from './findings.ts';

export interface OpenCommand extends LinePlace {
  readonly commandId: string;
  /** When it was intended, epoch ms. */
  readonly intendedAt: number;
}

/** An outcome in brief, so that a repeated one can be compared: HMACs differ from stream to stream. */
interface OutcomeBrief {
  readonly event: EventName;
  /** -1 for none. */
  readonly exitCode: number;
}

/**
 * Every intent has exactly one outcome, in whatever stream (a restart lies between). Streams may be read in any order; within one,
 * lines come in order. Two honest exceptions: `interrupted` and `cancelled` may stand without an intent (there was none yet), and
 * an outcome may be told again, alike, in the stream of the process that took the command over: a process can be killed, or stand still,
 * between outcome and record, and which outcome it is was decided in the record before.
 */
export interface Pairing {
  /** Takes an event about a command from a signed line; `exitCode` is -1 for none, `time` is epoch ms. */
  take(event: EventName, commandId: string, exitCode: number, place: LinePlace, time: number): void;
  /** Gives the commands that have no outcome yet. */
  finish(): { readonly paired: number; readonly open: readonly OpenCommand[] };
}

interface Outcome extends OutcomeBrief {
  readonly place: LinePlace;
  /** Epoch ms, by the clock of the machine that wrote it. */
  readonly time: number;
}

/** That Azure took a command. */
interface Sent {
  readonly place: LinePlace;
  /** Epoch ms. */
  readonly time: number;
}

interface Intent extends LinePlace {
  readonly intendedAt: number;
  sent?: Sent;
}

interface Repeated {
  readonly commandId: string;
  readonly first: OutcomeBrief & { readonly stream: string };
  readonly second: Outcome;
}

interface Context {
  readonly findings: Findings;
  readonly open: Map<string, Intent>;
  /** Packed into a number, with its stream's index: millions of them are kept. */
  readonly done: Map<string, number>;
  /** Outcomes whose intent was not read yet. */
  readonly early: Map<string, Outcome>;
  readonly sent: Map<string, LinePlace>;
  /** Outcomes that another stream has than the intent: few. */
  readonly takenOver: Map<string, Outcome>;
  readonly repeated: Repeated[];
  readonly streams: string[];
}

const outcomes = new Set<EventName>(outcomeEvents);

export function createPairing(findings: Findings): Pairing {
  const context: Context = {
    findings,
    open: new Map(),
    done: new Map(),
    early: new Map(),
    sent: new Map(),
    takenOver: new Map(),
    repeated: [],
    streams: [],
  };
  return {
    take: (event, commandId, exitCode, place, time) => {
      if (event === 'command.intended') takeIntent(context, commandId, place, time);
      else if (event === 'command.accepted') takeSent(context, commandId, { place, time });
      else if (outcomes.has(event)) takeOutcome(context, commandId, { event, exitCode, place, time });
    },
    finish: () => finish(context),
  };
}

function takeIntent(context: Context, commandId: string, place: LinePlace, intendedAt: number): void {
  const { findings, open, done, early, sent } = context;
  sent.delete(commandId);
  const outcome = early.get(commandId);
  if (open.has(commandId) || done.has(commandId))
    findings.add('two-intents', place, `Command ${commandId} was intended before`);
  else if (outcome) {
    early.delete(commandId);
    if (outcome.place.stream === place.stream)
      findings.add('outcome-before-intent', outcome.place, `The outcome of ${commandId} stands before its intent`);
    settle(context, commandId, outcome, { ...place, intendedAt });
  } else open.set(commandId, { ...place, intendedAt });
}

function takeSent(context: Context, commandId: string, taken: Sent): void {
  const { place } = taken;
  const { findings, open, done, early, sent, streams, takenOver } = context;
  const settled = done.get(commandId);
  const told =
    early.get(commandId)?.place.stream ?? (settled === undefined ? undefined : streams[unpack(settled).stream]);
  if (told === place.stream)
    findings.add('sent-after-outcome', place, `Command ${commandId} was sent after its outcome was told`);
  const elsewhere = takenOver.get(commandId);
  if (elsewhere) judgeSent(findings, commandId, elsewhere, taken);
  const intent = open.get(commandId);
  if (intent) intent.sent = taken;
  if (!open.has(commandId) && settled === undefined) sent.set(commandId, place);
}

function takeOutcome(context: Context, commandId: string, outcome: Outcome): void {
  const { open, done, early, repeated, streams } = context;
  const intent = open.get(commandId);
  const first = done.get(commandId);
  const before = early.get(commandId);
  if (first !== undefined) {
    const { stream, ...rest } = unpack(first);
    repeated.push({ commandId, first: { ...rest, stream: streams[stream] ?? '' }, second: outcome });
  } else if (before) {
    repeated.push({ commandId, first: { ...before, stream: before.place.stream }, second: outcome });
  } else if (intent) settle(context, commandId, outcome, intent);
  else early.set(commandId, outcome);
}

function settle(context: Context, commandId: string, outcome: Outcome, intent: Intent): void {
  const { findings, open, done, streams, takenOver } = context;
  if (intent.sent) judgeSent(findings, commandId, outcome, intent.sent);
  if (intent.stream !== outcome.place.stream) takenOver.set(commandId, outcome);
  open.delete(commandId);
  const known = streams.lastIndexOf(outcome.place.stream);
  const index = known === -1 ? streams.push(outcome.place.stream) - 1 : known;
  done.set(commandId, pack(index, outcome));
}

const pack = (stream: number, { event, exitCode }: OutcomeBrief): number =>
  (stream * 16 + (outcomeEvents as readonly EventName[]).indexOf(event)) * 4096 +
  Math.min(Math.max(exitCode, -1) + 1, 4095);
const unpack = (packed: number): OutcomeBrief & { readonly stream: number } => ({
  exitCode: (packed % 4096) - 1,
  event: outcomeEvents[Math.floor(packed / 4096) % 16] ?? 'command.unknown',
  stream: Math.floor(packed / 65_536),
});

function finish(context: Context): ReturnType<Pairing['finish']> {
  const { findings, early, sent, repeated, done, open } = context;
  for (const [commandId, { event, place }] of early)
    if (event !== 'command.interrupted' && event !== 'command.cancelled')
      findings.add('outcome-without-intent', place, `The outcome of ${commandId} has no intent`);
  for (const [commandId, place] of sent)
    findings.add('sent-without-intent', place, `Command ${commandId} was sent without an intent`);
  for (const one of repeated) judgeRepeated(findings, one);
  return { paired: done.size, open: [...open].map(([commandId, place]) => ({ commandId, ...place })) };
}

/** What these say never reached Azure. */
const unsent = new Set<EventName>(['command.interrupted', 'command.rejected']);

/**
 * Of two streams no order is certain but that of their machines' clocks. A process may also stand still between the acceptance and its line, so
 * a line that comes late proves nothing by itself; one about a command that was never sent does.
 */
function judgeSent(findings: Findings, commandId: string, { event, place, time }: Outcome, sent: Sent): void {
  if (unsent.has(event))
    findings.add(
      'sent-after-outcome',
      sent.place,
      `Command ${commandId} was sent, though its outcome in ${place.stream} says that it never was`,
    );
  else if (sent.place.stream !== place.stream && sent.time > time)
    findings.add(
      'sent-noted-late',
      sent.place,
      `That Azure took command ${commandId} was noted after its outcome was told in ${place.stream}: a process stood still, clocks differ, or it was sent only then. Azure's Activity Log knows (aksgw audit reconcile)`,
    );
}

function judgeRepeated(findings: Findings, { commandId, first, second }: Repeated): void {
  const alike = first.event === second.event && first.exitCode === second.exitCode;
  if (alike && first.stream !== second.place.stream)
    findings.add(
      'outcome-repeated',
      second.place,
      `The outcome of ${commandId} is told in two streams, alike; the other is ${first.stream}: one process took the command over from the other`,
    );
  else
    findings.add(
      'two-outcomes',
      second.place,
      `Command ${commandId} has two outcomes, which ${alike ? 'agree' : 'differ'}; the other is in ${first.stream}`,
    );
}
