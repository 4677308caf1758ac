/**
 * Until when Azure supports each minor version of Kubernetes, and with long-term support, by the last day of the month
 * (learn.microsoft.com/azure/aks/supported-kubernetes-versions, "AKS Kubernetes release calendar", read in 2026; months that were still
 * plans then may move: assumption `version-calendar`). A minor version that is older than all of them is out of support; of a newer one
 * nothing is known.
 */
const calendar: ReadonlyMap<number, { readonly until: string; readonly longTerm: string }> = new Map([
  [30, { until: '2025-07-31', longTerm: '2026-07-31' }],
  [31, { until: '2025-11-30', longTerm: '2026-11-30' }],
  [32, { until: '2026-03-31', longTerm: '2027-03-31' }],
  [33, { until: '2026-06-30', longTerm: '2027-06-30' }],
  [34, { until: '2026-11-30', longTerm: '2027-11-30' }],
  [35, { until: '2027-03-31', longTerm: '2028-03-31' }],
]);

export interface Version {
  /** `v1.35.2`. */
  readonly text: string;
  readonly minor: number;
}

const version = /^v?1\.(\d{1,3})(?:\.|$)/;

export function minorOf(text: string): number | undefined {
  const minor = version.exec(text)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

export function parseVersion(text: string): Version | undefined {
  const minor = minorOf(text);
  return minor === undefined ? undefined : { text: text.slice(0, 60), minor };
}

/** Until when a version is supported, and whole days left; undefined for one that the calendar does not have yet. */
export function supportOf(
  minor: number,
  longTerm: boolean,
  now: number,
): { readonly until: string; readonly days: number } | undefined {
  const oldest = Math.min(...calendar.keys());
  const entry = calendar.get(Math.max(minor, oldest));
  if (!entry) return undefined;
  const until = longTerm ? entry.longTerm : entry.until;
  return { until, days: Math.floor((Date.parse(`${until}T23:59:59Z`) - now) / 86_400_000) };
}
