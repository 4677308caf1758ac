import type { Clock } from '../clock.ts';
import type { Limits, TrafficLimits } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { principalKey } from '../identity/principal.ts';
import type { PrincipalId } from '../lib/ids.ts';
import { createRateLimiter } from './rate.ts';

/**
 * How much of everything a caller, and all callers together, may use: requests, bytes in and out, lines of the trail, requests that are
 * open, memory that is held for them. Every route asks, right after it is known who calls. Exact within one process.
 */
export interface Traffic {
  /**
   * Counts a request. `bodyBytes`: what it says it will send. `cost`: how many ordinary requests it counts for. Throws Problem
   * `rate-limited` or `gateway-busy`, with the seconds until there is room. The visit must end.
   */
  enter(principal: PrincipalId, request?: { readonly bodyBytes?: number; readonly cost?: number }): Visit;
  /** Holds memory for a caller beyond its request: what a queued command will send. Throws as `enter`. Gives what lets go of it. */
  hold(principal: PrincipalId, bytes: number): () => void;
  /** Counts a line of the trail that a caller caused. */
  countLine(owner: string): void;
}

/** One request while it is open. */
export interface Visit {
  /** Holds memory for body bytes that were not announced, in steps, as they come. Throws as `enter`. */
  arrived(bytes: number): void;
  /** Counts body bytes that were not announced. */
  received(bytes: number): void;
  sent(bytes: number): void;
  /** Holds memory until the visit ends. Throws as `enter`. */
  hold(bytes: number): void;
  /** Bytes held now. */
  held(): number;
  /** Gives back what it holds so far: the body is of no more use. */
  letGo(): void;
  /** Ending twice is ending once. */
  end(): void;
}

const ALL = 'all';
const limitedRates = ['requestsPerMinute', 'auditLinesPerMinute', 'bytesInPerMinute', 'bytesOutPerMinute'] as const;
type Rate = (typeof limitedRates)[number];

/** A body this small is not worth a place: reading it takes next to no memory, and it must pass when large ones fill the pool. */
const SMALL_BYTES = 64 * 1024;
/** What a body that does not say its length holds more each time. */
const STEP_BYTES = 512 * 1024;
/** How long what is open or held usually stays so: a guess, for Retry-After. */
const BUSY_SECONDS = 2;

const words: Readonly<Record<keyof TrafficLimits, string>> = {
  requestsPerMinute: 'requests a minute',
  auditLinesPerMinute: 'audit lines a minute',
  bytesInPerMinute: 'bytes sent a minute',
  bytesOutPerMinute: 'bytes received a minute',
  openRequests: 'requests open at once',
  heldBytes: 'bytes in flight',
};

export function createTraffic({ limits, clock }: { readonly limits: () => Limits; readonly clock: Clock }): Traffic {
  const rates = Object.fromEntries(limitedRates.map((rate) => [rate, createRateLimiter(clock)])) as Record<
    Rate,
    ReturnType<typeof createRateLimiter>
  >;
  const open = createGauge();
  const held = createGauge();

  const takeRate = (owner: string, rate: Rate, amount: number): void => {
    const { perPrincipal, total } = limits();
    const own = rates[rate].take(owner, perPrincipal[rate], amount);
    if (!own.taken) throw overOwn(rate, perPrincipal[rate], own.waitSeconds);
    const all = rates[rate].take(ALL, total[rate], amount);
    if (!all.taken) throw overAll(all.waitSeconds);
  };

  const charge = (owner: string, rate: Rate, amount: number): void => {
    const { perPrincipal, total } = limits();
    rates[rate].charge(owner, perPrincipal[rate], amount);
    rates[rate].charge(ALL, total[rate], amount);
  };

  const takeRoom = (gauge: Gauge, owner: string, limit: 'openRequests' | 'heldBytes', amount: number): void => {
    const { perPrincipal, total } = limits();
    if (gauge.of(owner) + amount > perPrincipal[limit]) throw overOwn(limit, perPrincipal[limit], BUSY_SECONDS);
    if (gauge.total() + amount > total[limit]) throw overAll(BUSY_SECONDS);
    gauge.add(owner, amount);
  };

  const hold = (owner: string, bytes: number): number => {
    const counted = bytes <= SMALL_BYTES ? 0 : bytes;
    if (counted > 0) takeRoom(held, owner, 'heldBytes', counted);
    return counted;
  };

  const visitOf = (owner: string, first: number): Visit => {
    let own = first;
    let ended = false;
    let unannounced = 0;
    let room = SMALL_BYTES;
    const letGo = (): void => {
      held.add(owner, -own);
      own = 0;
    };
    return {
      arrived: (bytes) => {
        if (ended) return;
        unannounced += bytes;
        while (unannounced > room) {
          own += hold(owner, STEP_BYTES);
          room += STEP_BYTES;
        }
      },
      received: (bytes) => charge(owner, 'bytesInPerMinute', bytes),
      sent: (bytes) => charge(owner, 'bytesOutPerMinute', bytes),
      hold: (bytes) => {
        if (!ended) own += hold(owner, bytes);
      },
      held: () => own,
      letGo,
      end: () => {
        if (ended) return;
        ended = true;
        letGo();
        open.add(owner, -1);
      },
    };
  };

  return {
    enter: (principal, { bodyBytes = 0, cost = 1 } = {}) => {
      const owner = principalKey(principal);
      // Debts first: a caller who owes takes nothing else.
      takeRate(owner, 'auditLinesPerMinute', 0);
      takeRate(owner, 'bytesOutPerMinute', 0);
      takeRate(owner, 'requestsPerMinute', cost);
      takeRate(owner, 'bytesInPerMinute', bodyBytes);
      takeRoom(open, owner, 'openRequests', 1);
      try {
        return visitOf(owner, hold(owner, bodyBytes));
      } catch (error) {
        open.add(owner, -1);
        throw error;
      }
    },
    hold: (principal, bytes) => {
      const owner = principalKey(principal);
      let counted = hold(owner, bytes);
      return () => {
        held.add(owner, -counted);
        counted = 0;
      };
    },
    countLine: (owner) => charge(owner, 'auditLinesPerMinute', 1),
  };
}

const overOwn = (limit: keyof TrafficLimits, most: number, retryAfter: number): Problem =>
  new Problem(
    'rate-limited',
    `You are over the ${most} ${words[limit]} that you may have; try again in ${retryAfter} s.`,
    {
      retryAfter,
    },
  );

const overAll = (retryAfter: number): Problem =>
  new Problem('gateway-busy', 'All callers together are over what the gateway takes.', { retryAfter });

interface Gauge {
  of(owner: string): number;
  total(): number;
  add(owner: string, amount: number): void;
}

function createGauge(): Gauge {
  const amounts = new Map<string, number>();
  let total = 0;
  return {
    of: (owner) => amounts.get(owner) ?? 0,
    total: () => total,
    add: (owner, amount) => {
      total += amount;
      const now = (amounts.get(owner) ?? 0) + amount;
      if (now === 0) amounts.delete(owner);
      else amounts.set(owner, now);
    },
  };
}
