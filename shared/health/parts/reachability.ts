import { finder, summary } from '../answers.ts';
import { worst, type Finding, type Part } from '../status.ts';

const found = finder('reachability');
/** Seconds until a pod runs, from which a cluster is short of room or slow to pull. */
const SLOW_START = 30;

/** How the one batch of a look went. */
export type Run =
  | {
      readonly kind: 'ran';
      /** Seconds from the POST until the pod ran, and until its end was known; undefined where Azure told no times. */
      readonly startSeconds: number | undefined;
      readonly totalSeconds: number | undefined;
      readonly runSeconds: number | undefined;
    }
  /** No pod ran, or nobody knows. */
  | { readonly kind: 'not-run'; readonly code: string; readonly message: string }
  /** None of the reads may be made, so nothing was started. */
  | { readonly kind: 'not-allowed' };

/** Did a pod start, and how long did it take. */
export function reachability(run: Run): Part {
  if (run.kind === 'not-allowed') {
    const reason = 'Policy allows none of the reads, so no pod was started.';
    return { status: 'not-allowed', reason, checks: { pod: { status: 'not-allowed' } }, numbers: {}, findings: [] };
  }
  const pod = { kind: 'pod', namespace: '', name: 'run-command' };
  const findings: Finding[] = [];
  if (run.kind === 'not-run') findings.push(found('failing', 'unreachable', pod, `${run.code}: ${run.message}`));
  else if ((run.startSeconds ?? 0) > SLOW_START)
    findings.push(found('degraded', 'slow-start', pod, `${Math.round(run.startSeconds ?? 0)} s until it ran`));
  const status = worst(findings.map(({ severity }) => severity));
  const numbers =
    run.kind === 'ran'
      ? { started: true, startSeconds: run.startSeconds, totalSeconds: run.totalSeconds }
      : { started: false };
  const well =
    run.kind === 'ran' && run.totalSeconds !== undefined ? `answered in ${run.totalSeconds.toFixed(1)} s` : 'answered';
  return {
    status,
    reason: findings.length > 0 ? summary(findings) : well,
    checks: { pod: { status } },
    numbers,
    findings,
  };
}
