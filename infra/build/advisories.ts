import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** An advisory that does not stop a build, until a day: then somebody looks again. */
interface Accepted {
  /** GHSA-…, as its address ends. */
  readonly id: string;
  readonly package: string;
  readonly reason: string;
  /** The last day, YYYY-MM-DD in UTC; half a year ahead at most. */
  readonly until: string;
}

export const accepted: readonly Accepted[] = [];

/** What is asked of `npm audit --json` (docs.npmjs.com/cli/commands/npm-audit, auditReportVersion 2). */
interface Report {
  readonly vulnerabilities?: Readonly<
    Record<
      string,
      {
        readonly via: readonly (
          | string
          | { readonly url?: string; readonly title?: string; readonly severity?: string }
        )[];
      }
    >
  >;
}

interface Verdict {
  /** Advisories that nobody accepted, or not for today; and acceptances that run out too late or that nothing needs. */
  readonly problems: readonly string[];
  /** Undefined when the registry gave an answer; else why there is none. */
  readonly skipped?: string;
}

const MOST_DAYS = 183;
const DAY_MS = 86_400_000;

/** Judges what npm printed, on the day of `now`. An answer that is no report is skipped, and said to be. */
export function judgeAudit(printed: string, list: readonly Accepted[], now: number): Verdict {
  const report = parse(printed);
  if (!report?.vulnerabilities) return { problems: tooLate(list, now), skipped: 'the registry answers no audit' };
  const found = new Map<string, string>();
  for (const [name, { via }] of Object.entries(report.vulnerabilities))
    for (const each of via)
      if (typeof each !== 'string')
        found.set(each.url?.split('/').at(-1) ?? name, `${name}: ${each.severity ?? '?'}, ${each.title ?? 'no title'}`);
  const today = new Date(now).toISOString().slice(0, 10);
  const open = [...found].flatMap(([id, text]) => {
    const known = list.find((each) => each.id === id);
    if (!known) return [`${id} ${text}`];
    return known.until < today ? [`${id} ${text} (accepted until ${known.until}: ${known.reason})`] : [];
  });
  const unneeded = list.filter(({ id }) => !found.has(id)).map(({ id }) => `${id} is accepted, and nothing has it`);
  return { problems: [...open, ...unneeded, ...tooLate(list, now)] };
}

const tooLate = (list: readonly Accepted[], now: number): readonly string[] =>
  list
    .filter(({ until }) => !(Date.parse(until) <= now + MOST_DAYS * DAY_MS))
    .map(({ id, until }) => `${id} is accepted until ${until}: half a year is the most`);

function parse(printed: string): Report | undefined {
  try {
    return JSON.parse(printed) as Report;
  } catch {
    return undefined;
  }
}

/** `npm run audit`: all packages, those of development too, since they run where the build is made. */
if (import.meta.main) {
  const root = join(import.meta.dirname, '../..');
  const { stdout } = spawnSync('npm', ['audit', '--json'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const { problems, skipped } = judgeAudit(stdout, accepted, Date.now());
  if (skipped !== undefined) process.stdout.write(`audit: SKIPPED, ${skipped}\n`);
  for (const problem of problems) process.stderr.write(`audit: ${problem}\n`);
  if (problems.length > 0) process.exit(1);
  if (skipped === undefined) process.stdout.write('audit: nothing that was not accepted\n');
}
