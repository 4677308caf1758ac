import type { Delivery } from '../store/delivery.ts';

/** What lanes work with. */
interface LanesContext {
  /** Up to `limit` deliveries that are due, but for those to the webhooks of `except`. */
  readonly due: (limit: number, except: ReadonlySet<string>) => Promise<readonly Delivery[]>;
  readonly attempt: (delivery: Delivery) => Promise<void>;
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** A lane for each webhook that something is due for: a receiver that is slow, or has much to catch up with, delays itself alone. */
interface Lanes {
  /** Opens a lane for each webhook that has none and for which something is due. Does not wait for them. */
  look(): Promise<void>;
  /** Resolves once no lane is open. */
  idle(): Promise<void>;
}

/** Attempts side by side in one lane. Webhooks are those of the configuration, so all lanes together are bounded too. */
const AT_ONCE = 4;
/** What a lane takes at a time; what is due beyond stays in the store until the lane has ended. */
const A_LOOK = 100;

interface Lane {
  /** More may be due for its webhook than it has. */
  more: boolean;
  done: Promise<void>;
}

export function createLanes({ due, attempt, signal, onError }: LanesContext): Lanes {
  const lanes = new Map<string, Lane>();

  const look = async (): Promise<void> => {
    for (const lane of lanes.values()) lane.more = true;
    // Each round leaves out one webhook more than the one before, so it ends.
    const except = new Set(lanes.keys());
    for (let full = true; full && !signal.aborted;) {
      const found = await due(A_LOOK, except);
      full = found.length >= A_LOOK;
      for (const [webhook, some] of Map.groupBy(found, (one) => one.webhook)) {
        except.add(webhook);
        const lane = lanes.get(webhook);
        if (lane) lane.more = true; // another look was faster
        else open(webhook, some, full);
      }
    }
  };

  const open = (webhook: string, deliveries: readonly Delivery[], more: boolean): void => {
    const lane: Lane = { more, done: Promise.resolve() };
    lanes.set(webhook, lane);
    lane.done = serve(webhook, lane, deliveries);
  };

  const serve = async (webhook: string, lane: Lane, deliveries: readonly Delivery[]): Promise<void> => {
    const well = await attemptAll(deliveries);
    lanes.delete(webhook);
    // Where an attempt could not even be noted, what is due stays due: the timer asks again, not this loop.
    if (lane.more && well && !signal.aborted) await look().catch(onError);
  };

  const attemptAll = async (deliveries: readonly Delivery[]): Promise<boolean> => {
    const waiting = [...deliveries];
    let well = true;
    const next = async (): Promise<void> => {
      for (let one = waiting.shift(); one && !signal.aborted; one = waiting.shift())
        await attempt(one).catch((error: unknown) => {
          well = false;
          onError(error);
        });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    return well;
  };

  return {
    look,
    idle: async () => {
      while (lanes.size > 0) await Promise.all([...lanes.values()].map(({ done }) => done));
    },
  };
}
