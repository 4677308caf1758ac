import type { Clock } from '../clock.ts';

/**
 * A moment by both clocks of this machine, to measure from: the monotonic one stands still while a virtual machine does, and the wall's
 * can be set back.
 */
export interface Mark {
  readonly monotonic: number;
  readonly wall: number;
}

export const mark = (clock: Pick<Clock, 'now' | 'monotonic'>): Mark => ({
  monotonic: clock.monotonic(),
  wall: clock.now(),
});

/**
 * Milliseconds since the mark, by the clock that says more: for what must not be relied on too long. A wall clock that was put forward
 * makes it too long, which costs another look and nothing else.
 */
export const elapsedSince = (clock: Pick<Clock, 'now' | 'monotonic'>, { monotonic, wall }: Mark): number =>
  Math.max(clock.monotonic() - monotonic, clock.now() - wall);
