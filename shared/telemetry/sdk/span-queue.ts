import { type Context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Clock } from '../../clock.ts';
import type { SpanName } from '../spans.ts';

/** Of requests of nobody known (no token, a bad one, a probe) these are traced, and as many at once. The metrics and the trail have them all. */
const STRANGERS_PER_MINUTE = 60;

export type Loss = 'unauthenticated' | 'queue-full';

interface SpanQueueOptions {
  /** What sends the spans, and drops those beyond `most` that wait. */
  readonly next: SpanProcessor;
  readonly most: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Told of spans that nobody will see. */
  readonly lost: (why: Loss, spans: number) => void;
}

/** A request, until it is known whose it is. */
interface Request {
  known: boolean;
  /** Ended steps of it. */
  held: ReadableSpan[];
}

const IDENTITY: SpanName = 'identity';

/**
 * Before the queue of spans that wait to be sent: what anybody can cause without a token takes a bounded part of it, and what does not fit is
 * counted, which the SDK only logs. Whether a request was somebody's is known at the end of its step `identity`; until then its spans are held.
 */
export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions;
  readonly #requests = new WeakMap<object, Request>();
  #waiting = 0;
  #strangers = STRANGERS_PER_MINUTE;
  #filledAt: number;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
    this.#filledAt = options.clock.monotonic();
  }

  onStart(span: Span, parent: Context): void {
    this.#options.next.onStart(span, parent);
    if (span.kind === SpanKind.SERVER) this.#requests.set(span, { known: false, held: [] });
    else {
      const above = trace.getSpan(parent);
      const request = above && this.#requests.get(above);
      if (request) this.#requests.set(span, request);
    }
  }

  onEnd(span: ReadableSpan): void {
    const request = this.#requests.get(span);
    if (request === undefined || request.known) return this.#queue([span]);
    request.held.push(span);
    const identified = span.name === IDENTITY && span.status.code !== SpanStatusCode.ERROR;
    if (!identified && span.kind !== SpanKind.SERVER) return;
    request.known = true; // or over: only a known caller's request starts anything that ends after its answer
    if (identified || this.#mayStranger()) this.#queue(request.held);
    else this.#options.lost('unauthenticated', request.held.length);
    request.held = [];
  }

  /** So many have left the queue. */
  taken(spans: number): void {
    this.#waiting -= spans;
  }

  forceFlush(): Promise<void> {
    return this.#options.next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#options.next.shutdown();
  }

  #queue(spans: readonly ReadableSpan[]): void {
    const { next, most, lost } = this.#options;
    const room = Math.max(0, most - this.#waiting);
    const fit = spans.slice(0, room);
    this.#waiting += fit.length;
    for (const span of fit) next.onEnd(span);
    if (fit.length < spans.length) lost('queue-full', spans.length - fit.length);
  }

  #mayStranger(): boolean {
    const now = this.#options.clock.monotonic();
    const filled = this.#strangers + ((now - this.#filledAt) * STRANGERS_PER_MINUTE) / 60_000;
    this.#strangers = Math.min(STRANGERS_PER_MINUTE, filled);
    this.#filledAt = now;
    if (this.#strangers < 1) return false;
    this.#strangers -= 1;
    return true;
  }
}
