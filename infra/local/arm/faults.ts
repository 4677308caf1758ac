import type { Cut } from './wire.ts';

/** What goes wrong with an answer. */
export type AnswerFault =
  /** The socket is destroyed before the request is looked at. */
  | { readonly kind: 'resetBefore' }
  /** An HTTP error (or anything else) in place of the usual answer. */
  | {
      readonly kind: 'status';
      readonly status: number;
      /** Gives `{error: {code, message}}` unless `body` says otherwise. */
      readonly code?: string;
      readonly message?: string;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
      /** Seconds, or an HTTP date. */
      readonly retryAfter?: number | string;
      /** For a POST: true when the command was taken and runs anyway. */
      readonly accepted?: boolean;
    }
  /** The answer (and for a POST the acceptance too) comes this much later, by the clock. */
  | { readonly kind: 'slow'; readonly ms: number };

export type PostFault =
  | AnswerFault
  /** Accepted and run; the socket is destroyed in place of an answer. */
  | { readonly kind: 'resetAfter' }
  /** 202 with another Location, or none. The function is given the right one. */
  | { readonly kind: 'location'; readonly location: undefined | string | ((right: string) => string | undefined) }
  /** Runs, but every poll says Running. */
  | { readonly kind: 'neverEnds' }
  /** Accepted, and nothing runs: the result says `failed` with this reason (none when undefined). */
  | { readonly kind: 'failed'; readonly reason?: string }
  /** Output over 512 kB loses this end. */
  | { readonly kind: 'cut'; readonly end: Cut };

export type PollFault = AnswerFault | { readonly kind: 'resetAfter' };

/** One fault, several at once (slow and then reset), or undefined for none. */
type Faults<F> = F | readonly F[] | undefined;

interface FaultOptions {
  /** How many requests it hits: 1 by default; Infinity for all until `clear`. */
  readonly times?: number;
}

/** A line of scripted faults: the first that is left hits the next request. A function decides for each request, and stays. */
export interface FaultLine<F, R> {
  (fault: F | readonly F[] | ((request: R) => Faults<F>), options?: FaultOptions): void;
  clear(): void;
  /** For the emulation: what hits this request. */
  next(request: R): readonly F[];
}

export function createFaultLine<F extends { readonly kind: string }, R>(): FaultLine<F, R> {
  let script: { readonly decide: (request: R) => Faults<F>; left: number }[] = [];
  const add = (fault: F | readonly F[] | ((request: R) => Faults<F>), options: FaultOptions = {}): void => {
    if (typeof fault === 'function') script.push({ decide: fault, left: options.times ?? Infinity });
    else script.push({ decide: () => fault, left: options.times ?? 1 });
  };
  return Object.assign(add, {
    clear: () => {
      script = [];
    },
    next: (request: R): readonly F[] => {
      for (const entry of script) {
        const decided = entry.decide(request);
        if (decided === undefined) continue;
        entry.left -= 1;
        script = script.filter(({ left }) => left > 0);
        return 'kind' in decided ? [decided] : decided;
      }
      return [];
    },
  });
}
