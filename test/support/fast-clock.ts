import { systemClock, type Clock } from '../../shared/clock.ts';

/**
 * A clock `speed` times as fast as the wall's, which can be put forward. A sleep that `keeps` names lasts as long as on the wall: the deadline
 * of a request, say, that a slow machine must not miss.
 */
export function fastClock(
  speed: number,
  keeps: (ms: number) => boolean = () => false,
): Clock & { forward(ms: number): void } {
  const began = performance.now();
  const epoch = Date.now();
  let put = 0;
  const monotonic = (): number => (performance.now() - began) * speed + put;
  return {
    monotonic,
    now: () => Math.round(epoch + monotonic()),
    sleep: (ms, options) => systemClock.sleep(keeps(ms) ? ms : ms / speed, options),
    forward: (ms) => {
      put += ms;
    },
  };
}
