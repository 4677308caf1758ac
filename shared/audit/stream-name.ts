import { rfc3339 } from './chain.ts';

/** The last instant that RFC 3339 has four digits for. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** `20261122t155146123z-1f9c…`: when the stream began, by its process's clock, and 16 random hex digits. */
export function streamName(now: number, random: Uint8Array): string {
  const time = Math.min(Math.max(now, 0), LAST_TIME);
  return `${rfc3339(time).toLowerCase().replace(/[-:.]/g, '')}-${Buffer.from(random).toString('hex')}`;
}

const name = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z-[0-9a-f]{16}$/;

/** When a stream took its name, epoch ms; 0 for a name of another form. */
export function startTime(stream: string): number {
  const [, y, mo, d, h, mi, s, ms] = name.exec(stream) ?? [];
  return y === undefined
    ? 0
    : Date.parse(`${y}-${mo ?? ''}-${d ?? ''}T${h ?? ''}:${mi ?? ''}:${s ?? ''}.${ms ?? ''}Z`) || 0;
}

export const isGatewayStream = (stream: string): boolean => startTime(stream) > 0;
