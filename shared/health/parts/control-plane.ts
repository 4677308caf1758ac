import { finder, isKnown, partOf, type Answers } from '../answers.ts';
import type { Finding, Part } from '../status.ts';
import { supportOf, type Version } from '../versions.ts';
import type { ClusterDetails } from '../azure-view.ts';

const found = finder('controlPlane');
const apiServer = { kind: 'apiserver', namespace: '', name: '' };
/** Days before the end of support from which an upgrade is due. */
const SOON = 30;
/** Seconds that one read takes on average, kubectl's own start included. */
const SLOW = 2;
const VERY_SLOW = 10;

/** The API server's own checks, its version and how long it takes. */
export function controlPlane(
  answers: Answers,
  {
    version,
    details,
    readSeconds,
  }: {
    readonly version: Version | undefined;
    readonly details: ClusterDetails | undefined;
    /** Undefined when no read ran. */
    readonly readSeconds: number | undefined;
  },
): Part {
  const failed = failedChecks(answers, 'readyz');
  const ready = failed.map((name) => found('failing', 'not-ready', { ...apiServer, name: 'readyz' }, name));
  const live = failedChecks(answers, 'livez').map((name) =>
    found('failing', 'not-live', { ...apiServer, name: 'livez' }, name),
  );
  const support = version && supportOf(version.minor, details?.longTermSupport ?? false, answers.now);
  const daysLeft = support?.days;
  const about: Finding[] = [];
  if (version && daysLeft !== undefined && daysLeft < SOON)
    about.push(
      found(
        'degraded',
        daysLeft < 0 ? 'out-of-support' : 'support-ends-soon',
        { ...apiServer, name: version.text },
        daysLeft < 0 ? `since ${support?.until}` : `on ${support?.until}`,
      ),
    );
  if (readSeconds !== undefined && readSeconds > SLOW)
    about.push(
      found(
        readSeconds > VERY_SLOW ? 'failing' : 'degraded',
        'slow',
        { ...apiServer, name: 'latency' },
        `${readSeconds.toFixed(1)} s a read on average`,
      ),
    );
  const numbers = {
    version: version?.text,
    supportedUntil: support?.until,
    daysOfSupport: daysLeft,
    readSeconds: readSeconds === undefined ? undefined : Number(readSeconds.toFixed(2)),
    failedChecks: isKnown(answers, 'readyz') ? failed : undefined,
  };
  const well = `ready, ${version?.text ?? 'version not known'}`;
  return partOf(answers, { version: about, readyz: ready, livez: live }, numbers, well);
}

/** `[-]etcd failed: reason withheld`: what /readyz?verbose says of each check that failed (kubernetes.io/docs/reference/using-api/health-checks). */
function failedChecks(answers: Answers, endpoint: 'readyz' | 'livez'): readonly string[] {
  const answer = answers.get(endpoint);
  if (answer.kind !== 'text') return [];
  const names = [...answer.text.matchAll(/\[-\]([\w/.-]{1,100}) /g)].map(([, name = '']) => name).slice(0, 50);
  return names.length === 0 && answer.failed ? [endpoint] : names;
}
