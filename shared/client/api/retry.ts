import type { ProblemDocument } from '../../http/schemas.ts';
import { NotRun } from '../exits.ts';
import { neverReached, reasonOf } from '../transport.ts';
import { AnswerLost, GatewayProblem, Unreachable } from './failures.ts';
import type { Endpoint } from './request.ts';

/** How long a request is offered to a gateway that says when to come again. */
interface Offer {
  readonly seconds: number;
  /** Told before the client waits, as the gateway asked it to, and sends again. */
  readonly onRefused?: ((problem: ProblemDocument, retryAfter: number) => void) | undefined;
}

/** Tries of one request when no answer comes; the key makes them one command. */
const TRIES = 4;
/** A person is told within seconds that a gateway is away. */
const ENOUGH_MS = 2_500;
/** Rounds of tries while a command runs. */
const PATIENCE = 10;

/**
 * Sends again when the gateway did not answer: a GET is safe, and a POST's key makes all its tries one command. So does a refusal
 * that says when to come again, for as long as the `offer` lasts.
 */
export async function persistently<T>(
  { base, sleep }: Endpoint,
  step: () => Promise<T>,
  signal?: AbortSignal,
  offer: Offer = { seconds: 0 },
): Promise<T> {
  let arrived = false;
  let left = offer.seconds;
  let began = performance.now();
  for (let tried = 1; ; tried++) {
    try {
      return await step();
    } catch (error) {
      if (error instanceof GatewayProblem) {
        const { problem, retryAfter } = error;
        if (problem.retryable && retryAfter !== undefined && retryAfter <= left) {
          left -= retryAfter;
          offer.onRefused?.(problem, retryAfter);
          await sleep(retryAfter * 1_000, signal);
          tried = 0;
          began = performance.now();
          continue;
        }
        // An earlier try may have arrived: what a later one is told says nothing of that.
        throw arrived ? new AnswerLost(error.message, { cause: error }) : error;
      }
      if (signal?.aborted) throw signal.reason;
      // Without a token nothing is sent, however often it is tried.
      if (error instanceof NotRun) throw arrived ? new AnswerLost(error.message, { cause: error }) : error;
      arrived ||= !neverReached(error);
      if (tried >= TRIES || (performance.now() - began > ENOUGH_MS && (tried > 1 || !arrived))) {
        const Failure = arrived ? AnswerLost : Unreachable;
        throw new Failure(reasonOf(error, base), { cause: error });
      }
      await sleep(250 * 2 ** tried, signal);
    }
  }
}

interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** Told when the gateway is away while the command is waited for. */
  readonly onAway?: ((message: string) => void) | undefined;
}

/** Waiting for a command's end outlives a gateway that is busy, restarting or away for some minutes. */
export async function patiently<T>(
  endpoint: Endpoint,
  step: () => Promise<T>,
  { signal, onAway }: Patience,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await persistently(endpoint, step, signal);
    } catch (error) {
      if (!isPassing(error) || tried >= PATIENCE || signal?.aborted)
        throw error instanceof Unreachable ? new AnswerLost(error.message, { cause: error }) : error;
      onAway?.((error as Error).message);
      const seconds = error instanceof GatewayProblem ? (error.retryAfter ?? 1) : 5;
      await endpoint.sleep(Math.min(60, seconds) * 1_000, signal);
    }
  }
}

/** Whether the same request may do better later. */
function isPassing(error: unknown): boolean {
  if (error instanceof GatewayProblem) return error.problem.retryable;
  return error instanceof Unreachable || (error instanceof AnswerLost && !(error.cause instanceof NotRun));
}
