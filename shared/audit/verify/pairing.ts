import type { Findings, Place } from './findings.ts';

/** The outcomes by their code's number: rejected, unknown, completed, failed, interrupted. */
const INTERRUPTED = 308;

export interface OpenCommand extends Place {
  readonly commandId: string;
  /** When it was intended, epoch ms. */
  readonly intendedAt: number;
}

/** An outcome in brief, so that a repeated one can be compared: HMACs differ from stream to stream. */
export interface OutcomeBrief {
  readonly code: number;
  /** -1 for none. */
  readonly exitCode: number;
}

/**
 * Every intent has exactly one outcome, in whatever stream (a restart lies between). Streams may be read in any order; within one,
 * lines come in order. Two honest exceptions: `interrupted` may stand without an intent (a crash between record and intent), and
 * an outcome may be repeated, with the same result, by the process that found the command after its stream broke off (a crash
 * between outcome and record).
 */
export interface Pairing {
  intent(commandId: string, place: Place, time: number): void;
  sent(commandId: string, place: Place): void;
  outcome(commandId: string, brief: OutcomeBrief, place: Place): void;
  /** `brokeOff`: whether the stream ended without its close. Gives the commands that have no outcome yet. */
  finish(brokeOff: (stream: string) => boolean): { readonly paired: number; readonly open: readonly OpenCommand[] };
}

interface Early extends OutcomeBrief {
  readonly place: Place;
}

/** An outcome packed into a number, with its stream's index: millions of them are kept. */
const pack = (stream: number, { code, exitCode }: OutcomeBrief): number =>
  (stream * 16 + (code - 300)) * 4096 + Math.min(Math.max(exitCode, -1) + 1, 4095);
const unpack = (packed: number): OutcomeBrief & { readonly stream: number } => ({
  exitCode: (packed % 4096) - 1,
  code: (Math.floor(packed / 4096) % 16) + 300,
  stream: Math.floor(packed / 65_536),
});

export function createPairing(findings: Findings): Pairing {
  const open = new Map<string, Place & { readonly intendedAt: number }>();
  const done = new Map<string, number>();
  const early = new Map<string, Early>();
  const sent = new Map<string, Place>();
  const repeated: {
    readonly commandId: string;
    readonly first: OutcomeBrief & { readonly stream: string };
    readonly second: Early;
  }[] = [];
  const streams: string[] = [];

  const indexOf = (stream: string): number => {
    const index = streams.lastIndexOf(stream);
    return index === -1 ? streams.push(stream) - 1 : index;
  };

  const close = (commandId: string, outcome: Early): void => {
    open.delete(commandId);
    done.set(commandId, pack(indexOf(outcome.place.stream), outcome));
  };

  return {
    intent: (commandId, place, time) => {
      sent.delete(commandId);
      const outcome = early.get(commandId);
      if (open.has(commandId) || done.has(commandId))
        findings.add('two-intents', place, `Command ${commandId} was intended before`);
      else if (outcome) {
        early.delete(commandId);
        if (outcome.place.stream === place.stream)
          findings.add('outcome-before-intent', outcome.place, `The outcome of ${commandId} stands before its intent`);
        close(commandId, outcome);
      } else open.set(commandId, { ...place, intendedAt: time });
    },
    sent: (commandId, place) => {
      if (!open.has(commandId) && !done.has(commandId)) sent.set(commandId, place);
    },
    outcome: (commandId, brief, place) => {
      const outcome = { ...brief, place };
      const first = done.get(commandId);
      const before = early.get(commandId);
      if (first !== undefined) {
        const { stream, ...rest } = unpack(first);
        repeated.push({ commandId, first: { ...rest, stream: streams[stream] ?? '' }, second: outcome });
      } else if (before) {
        repeated.push({ commandId, first: { ...before, stream: before.place.stream }, second: outcome });
      } else if (open.has(commandId)) close(commandId, outcome);
      else early.set(commandId, outcome);
    },
    finish: (brokeOff) => {
      for (const [commandId, { code, place }] of early)
        if (code !== INTERRUPTED)
          findings.add('outcome-without-intent', place, `The outcome of ${commandId} has no intent`);
      for (const [commandId, place] of sent)
        findings.add('sent-without-intent', place, `Command ${commandId} was sent without an intent`);
      for (const { commandId, first, second } of repeated) {
        const [earlier] = [first.stream, second.place.stream].sort();
        const alike = first.code === second.code && first.exitCode === second.exitCode;
        const honest = alike && first.stream !== second.place.stream && brokeOff(earlier ?? '');
        findings.add(
          honest ? 'outcome-repeated' : 'two-outcomes',
          second.place,
          honest
            ? `The outcome of ${commandId} is told again, alike, after stream ${earlier ?? ''} broke off`
            : `Command ${commandId} has two outcomes, which ${alike ? 'agree' : 'differ'}; the other is in ${first.stream}`,
        );
      }
      return { paired: done.size, open: [...open].map(([commandId, place]) => ({ commandId, ...place })) };
    },
  };
}
