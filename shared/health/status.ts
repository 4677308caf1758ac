import { labels } from '../telemetry/metrics.ts';

/** How a check, a part or a cluster stands. `not-allowed` and `unknown` are never `ok`: what was not seen is not well. */
const statuses = ['failing', 'degraded', 'unknown', 'not-allowed', 'ok'] as const;
export type Status = (typeof statuses)[number];

/** A part of one look; metrics have it as a label. */
export type PartName = Exclude<(typeof labels)['aspect'][number], 'whole'>;

/** All of them, in the order in which they are shown. */
export const partNames = labels.aspect.filter((aspect): aspect is PartName => aspect !== 'whole');

/** The worst of some; `ok` of none. */
export const worst = (some: Iterable<Status>): Status => {
  const seen = new Set(some);
  return statuses.find((status) => seen.has(status)) ?? 'ok';
};

/** What a look can find; a metric has it as its label. */
export type What = (typeof labels)['what'][number];

/** Something that is wrong, and where. */
export interface Finding {
  readonly severity: 'failing' | 'degraded';
  readonly part: PartName;
  readonly what: What;
  /** `''` for what is in no namespace, or is no object at all. */
  readonly namespace: string;
  /** `pod/web-1`, `node/aks-1`, or what else is meant. */
  readonly object: string;
  /** One line for people: text out of the cluster, not to be trusted. */
  readonly detail: string;
}

export interface Check {
  readonly status: Status;
  readonly reason?: string;
}

/** What one part of a look says. */
export interface Part {
  readonly status: Status;
  readonly reason: string;
  /** Each read by itself. */
  readonly checks: Readonly<Record<string, Check>>;
  readonly numbers: Readonly<Record<string, unknown>>;
  readonly findings: readonly Finding[];
}

/** By severity, then by part, then in a fixed order. */
export function ranked(findings: readonly Finding[]): readonly Finding[] {
  const key = ({ severity, part, what, namespace, object }: Finding): string =>
    [
      severity === 'failing' ? '0' : '1',
      String(partNames.indexOf(part)).padStart(2, '0'),
      what,
      namespace,
      object,
    ].join('|');
  return findings
    .map((finding) => [key(finding), finding] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, finding]) => finding);
}
