import { isUtf8 } from 'node:buffer';
import { Compile } from 'typebox/compile';
import type { TSchema } from 'typebox';
import type { JsonObject } from '../../lib/canonical-json.ts';
import { rfc3339 } from '../chain.ts';
import { type EventName, eventCodes } from '../events.ts';
import { lineSchemas } from '../schemas.ts';

/** A line that is canonical and as its code's schema says. */
export interface ReadLine {
  readonly event: EventName;
  readonly value: JsonObject;
  readonly stream: string;
  readonly seq: number;
  readonly prev: string;
  /** Epoch ms. */
  readonly wall: number;
  readonly mono: number;
}

type LineProblem = { readonly kind: 'not-canonical' | 'line-invalid'; readonly message: string };

const names = new Map<unknown, EventName>(
  (Object.entries(eventCodes) as [EventName, string][]).map(([name, code]) => [code, name]),
);
/** Compiled with the first line of each kind. */
const checks = new Map<EventName, ReturnType<typeof Compile<TSchema>>>();

function checkOf(event: EventName): ReturnType<typeof Compile<TSchema>> {
  const known = checks.get(event);
  if (known) return known;
  const schema = lineSchemas.get(event);
  if (!schema) throw new TypeError(`${event} has no schema`);
  const check = Compile(schema);
  checks.set(event, check);
  return check;
}

interface Chained {
  readonly stream: string;
  readonly seq: number;
  readonly prev: string;
  readonly time: string;
  readonly monoMs: number;
}

/** Reads one line, strictly. */
export function readLine(bytes: Buffer): ReadLine | LineProblem {
  const value = parseCanonical(bytes);
  if (!value) return { kind: 'not-canonical', message: 'The line is not canonical JSON (RFC 8785) with integers only' };
  const event = names.get(value['code']);
  if (!event) return { kind: 'line-invalid', message: 'No such event code' };
  const check = checkOf(event);
  if (!check.Check(value)) {
    const [first] = check.Errors(value);
    const where = first?.instancePath ? ` at ${first.instancePath}` : '';
    return {
      kind: 'line-invalid',
      message: `The line is not as the schema of ${event} says${where}: ${first?.message ?? ''}`,
    };
  }
  // The schema has seen to their types.
  const { stream, seq, prev, time, monoMs } = value as unknown as Chained;
  const wall = Date.parse(time);
  if (Number.isNaN(wall) || rfc3339(wall) !== time)
    return { kind: 'line-invalid', message: 'The time is not a time of the calendar' };
  return { event, value, stream, seq, prev, wall, mono: monoMs };
}

/**
 * The object that canonical bytes stand for; undefined for other bytes. To parse, serialise and compare takes the place of a
 * strict parser: a member that stands twice, an escape of another form, a number of another form do not come out as they went in.
 */
export function parseCanonical(bytes: Buffer): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return JSON.stringify(value) === text && isOrdered(value) ? (value as JsonObject) : undefined;
  } catch {
    // Not JSON, or nested deeper than the stack.
    return undefined;
  }
}

/** Members in the order of UTF-16 units (RFC 8785, section 3.2.3), integers only, no lone surrogates. */
function isOrdered(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isOrdered);
  let before: string | undefined;
  for (const [key, member] of Object.entries(value)) {
    if ((before !== undefined && key <= before) || !key.isWellFormed() || !isOrdered(member)) return false;
    before = key;
  }
  return true;
}

const seqMember = Buffer.from('"seq":', 'latin1');

/** A line's own seq: in canonical order nothing after it holds another. */
export function lineSeq(bytes: Buffer): number {
  const at = bytes.lastIndexOf(seqMember);
  return at === -1
    ? -1
    : Number.parseInt(bytes.toString('latin1', at + seqMember.length, at + seqMember.length + 17), 10);
}
