import { sentence } from './answers.ts';
import type { Health } from './assess.ts';
import { partNames } from './status.ts';

const MOST_FINDINGS = 20;

/** A look as lines for people: each part, then what is wrong. Text out of the cluster is in them, each in one line. */
export function healthLines({ parts, findings, more }: Health): readonly string[] {
  const rows = partNames.map((name) => `${name.padEnd(13)} ${parts[name].status.padEnd(12)} ${parts[name].reason}`);
  const shown = findings.slice(0, MOST_FINDINGS).map((finding) => `${finding.severity.padEnd(9)} ${sentence(finding)}`);
  const left = findings.length - shown.length + more;
  const lines = [...rows, ...(shown.length > 0 ? ['', ...shown] : []), ...(left > 0 ? [`… and ${left} more`] : [])];
  return lines.map((line) => line.replaceAll(/[\n\t\r]/g, ' ').slice(0, MOST_LINE));
}

const MOST_LINE = 200;
