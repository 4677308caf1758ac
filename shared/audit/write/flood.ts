import type { JsonObject } from '../../lib/canonical-json.ts';
import { type AuditEvent, floodEvents } from '../events.ts';
import { escapeText } from '../../lib/safe-text.ts';
import type { Recorded } from '../trail.ts';

type FloodEvent = Extract<AuditEvent, { event: (typeof floodEvents)[number] }>;

export const isFloodEvent = (event: AuditEvent): event is FloodEvent =>
  floodEvents.some((name) => name === event.event);

/** Each kind in each window: so many lines of its own, the rest is counted. */
const FLOOD_WINDOW_MS = 10_000;
export const FLOOD_SINGLES = 20;
const MAX_KINDS = 200;
const MAX_ADDRESSES = 10;

interface Counted {
  readonly count: number;
  readonly from: number;
  readonly to: number;
  readonly addresses: readonly string[];
  readonly moreAddresses: boolean;
}

interface Kind {
  readonly event: FloodEvent['event'];
  readonly members: JsonObject;
  windowEnds: number;
  singles: number;
  /** The last line of this kind that was written, or is being; undefined when that failed. */
  last: Promise<Recorded> | undefined;
  counted: Counted | undefined;
}

export interface FloodGate {
  /**
   * `write` for the first of a kind in a window; then only a count, and the answer is that of the last line written: a flood costs
   * neither lines nor waiting.
   */
  pass(event: FloodEvent, now: number, write: () => Promise<Recorded>): Promise<Recorded>;
  /** Writes the summaries of the windows that have ended (of all, at the close). What could not be written stays counted. */
  flush(
    now: number,
    write: (event: FloodEvent['event'], members: JsonObject) => Promise<unknown>,
    all?: boolean,
  ): Promise<void>;
}

/**
 * Aggregates floods before the writer (README.md): an attacker must neither fill the trail nor hide in it. Kinds are told apart by what the
 * gateway found (problem, principal, cluster), never by text that the caller chose, and are bounded.
 */
export function createFloodGate(): FloodGate {
  const kinds = new Map<string, Kind>();

  const nameOf = (event: FloodEvent): string => {
    const own = [event.event, ...kindOf(event)].join(' ');
    return kinds.has(own) || kinds.size < MAX_KINDS ? own : event.event;
  };

  const writeOwn = (kind: Kind, write: () => Promise<Recorded>): Promise<Recorded> => {
    const last = write();
    kind.singles += 1;
    kind.last = last;
    // The caller has the error; the next of the kind tries again.
    last.catch(() => {
      if (kind.last === last) kind.last = undefined;
    });
    return last;
  };

  return {
    pass: (event, now, write) => {
      const name = nameOf(event);
      let kind = kinds.get(name);
      if (!kind || (now >= kind.windowEnds && !kind.counted)) {
        const members = summaryMembers(event, name === event.event);
        kind = {
          event: event.event,
          members,
          windowEnds: now + FLOOD_WINDOW_MS,
          singles: 0,
          last: undefined,
          counted: undefined,
        };
        kinds.set(name, kind);
      }
      if (!kind.last || (kind.singles < FLOOD_SINGLES && now < kind.windowEnds)) return writeOwn(kind, write);
      const address = event.claimed?.ip?.slice(0, 64);
      const one = {
        count: 1,
        from: now,
        to: now,
        addresses: address === undefined ? [] : [address],
        moreAddresses: false,
      };
      kind.counted = kind.counted ? sum(kind.counted, one) : one;
      return kind.last;
    },
    flush: async (now, write, all = false) => {
      for (const [name, kind] of kinds) {
        if (!all && now < kind.windowEnds) continue;
        const { counted } = kind;
        kinds.delete(name);
        if (!counted) continue;
        try {
          await write(kind.event, { ...kind.members, aggregated: aggregated(counted) });
        } catch (error) {
          const now = kinds.get(name) ?? kind;
          kinds.set(name, { ...now, counted: now.counted && now !== kind ? sum(counted, now.counted) : counted });
          throw error;
        }
      }
    },
  };
}

function sum(a: Counted, b: Counted): Counted {
  const addresses = [...new Set([...a.addresses, ...b.addresses])];
  return {
    count: a.count + b.count,
    from: Math.min(a.from, b.from),
    to: Math.max(a.to, b.to),
    addresses: addresses.slice(0, MAX_ADDRESSES),
    moreAddresses: a.moreAddresses || b.moreAddresses || addresses.length > MAX_ADDRESSES,
  };
}

const aggregated = ({ count, from, to, addresses, moreAddresses }: Counted): JsonObject => ({
  count,
  spanMs: Math.floor(to - from),
  addresses: addresses.map(escapeText),
  moreAddresses,
});

/** By what the gateway found: of failed sign-ins by the problem, else by who asked and where. */
function kindOf(event: FloodEvent): readonly string[] {
  if (event.event === 'auth.failed') return [event.problem];
  const { principal, cluster } = event;
  const who = [principal?.tid ?? '', principal?.oid ?? '', cluster?.name ?? ''];
  return event.event === 'request.refused' ? [event.problem, ...who] : who;
}

/** What all the events of a kind share. */
function summaryMembers(event: FloodEvent, mixed: boolean): JsonObject {
  if (mixed) return { detail: 'More kinds of it than are told apart' };
  const { principal, cluster } = event;
  const problem = 'problem' in event ? event.problem : undefined;
  const asked =
    event.event === 'auth.failed'
      ? {}
      : { principal: principal && { ...principal }, cluster: cluster && { ...cluster } };
  return { problem, ...asked, detail: 'More of the same' };
}
