/** A whole number from 0 to below `below`. */
export type Draw = (below: number) => number;

/** Mulberry32: what is drawn is the same for the same seed. */
export function draws(from: number): Draw {
  let state = from;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One command, or a batch of them, and whether its caller wants it cancelled. */
export interface Plan {
  /** What each looks for: its own, so that whatever ran can be told. */
  readonly names: readonly string[];
  readonly cluster: number;
  readonly isBatch: boolean;
  readonly onError: 'stop' | 'continue';
  /** ms after its id is known. */
  readonly cancelAfterMs: number | undefined;
}

/** The pod takes some seconds over a name with this at its end. */
export const SLOW = 's';
const MOST_STEPS = 4;
const CANCEL_WITHIN_MS = 2_500;

/** One in five is a batch, one in five is cancelled, and those take their time. */
export function planOf(at: number, draw: Draw, clusters: number): Plan {
  const isBatch = draw(5) === 0;
  const isCancelled = draw(5) === 0;
  const steps = isBatch ? 2 + draw(MOST_STEPS - 1) : 1;
  return {
    names: Array.from({ length: steps }, (_, step) => `p-${at}-${step}${isCancelled ? SLOW : ''}`),
    cluster: at % clusters,
    isBatch,
    onError: draw(2) === 0 ? 'stop' : 'continue',
    cancelAfterMs: isCancelled ? draw(CANCEL_WITHIN_MS) : undefined,
  };
}
