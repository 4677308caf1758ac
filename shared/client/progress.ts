import { printable } from '../lib/safe-text.ts';
import type { Host } from './host.ts';

/** One line on a terminal that says what is waited for; nothing at all elsewhere. */
interface Progress {
  say(text: string): void;
  /** Takes the line away: whatever is written next stands alone. */
  clear(): void;
  stop(): void;
}

const START_OF_LINE = '\r\u001b[K';

export function progressOn({ stderr, env }: Pick<Host, 'stderr' | 'env'>): Progress {
  if (!stderr.isTTY || env['TERM'] === 'dumb')
    return { say: () => undefined, clear: () => undefined, stop: () => undefined };
  let text = '';
  let since = Date.now();
  let drawn = false;
  const draw = (): void => {
    const seconds = Math.round((Date.now() - since) / 1_000);
    // A line that wraps cannot be taken back.
    const line = printable(`aksgw: ${text}${seconds > 0 ? ` (${seconds} s)` : ''}`).slice(
      0,
      (stderr.columns ?? 80) - 1,
    );
    stderr.write(`${START_OF_LINE}${line}`);
    drawn = true;
  };
  const timer = setInterval(() => text !== '' && draw(), 1_000).unref();
  const clear = (): void => {
    if (drawn) stderr.write(START_OF_LINE);
    drawn = false;
  };
  return {
    say(next) {
      if (next === text) return;
      text = next;
      since = Date.now();
      draw();
    },
    clear,
    stop() {
      clearInterval(timer);
      clear();
      text = '';
    },
  };
}
