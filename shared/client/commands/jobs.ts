import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { JobOutput, JobWithRunsOutput } from '../../http/schemas.ts';
import { connect, type Options } from '../connect.ts';
import { UsageError } from '../exits.ts';
import { answer, answerJson, type Host } from '../host.ts';
import { runToEnd } from '../run-to-end.ts';
import { pairs, table } from '../table.ts';

const JOBS_USAGE = `aksgw [--url URL] jobs list [--json]
aksgw [--url URL] jobs show NAME [--json]
aksgw [--url URL] jobs run NAME [OPTION=VALUE …] [--reason TEXT] [--key KEY]

list    the jobs that you may see or run: schedule, next time, last run
show    one job: its command and options, its next three times, its last runs
run     runs it now; stdout, stderr and the exit code are the command's own, of several steps the first code that is not 0

--key KEY   the same key is the same run, for 24 hours: a script that is started again runs nothing twice
--json      as the gateway says it

Exit codes: as aksgw kubectl has them (see aksgw --help).
`;

/** `aksgw jobs`: what people do with scheduled jobs. Throws as the client does, and UsageError. */
export async function jobs(argv: readonly string[], options: Options, host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      reason: { type: 'string' },
      key: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [verb, name, ...words] = positionals;
  if (values.help || verb === 'help') {
    host.stdout.write(JOBS_USAGE);
    return 0;
  }
  if (options.timeoutSeconds !== undefined)
    throw new UsageError('a job has its own time limit: --timeout is for commands');
  const asked = { verb, name, words, ...values };
  switch (verb) {
    case 'list':
      assertFits(asked, { named: false, options: ['json'] });
      return list(options, asked, host);
    case 'show':
      assertFits(asked, { named: true, options: ['json'] });
      return show(options, asked, host);
    case 'run':
      assertFits(asked, { named: true, options: ['reason', 'key'], words: true });
      return run(options, asked, host);
    case undefined:
    default:
      throw new UsageError(`jobs has list, show and run${verb === undefined ? '' : `, not ${JSON.stringify(verb)}`}`);
  }
}

interface Asked {
  readonly verb: string | undefined;
  readonly name: string | undefined;
  readonly words: readonly string[];
  readonly json?: boolean | undefined;
  readonly reason?: string | undefined;
  readonly key?: string | undefined;
}

interface Form {
  readonly named: boolean;
  readonly options: readonly ('json' | 'reason' | 'key')[];
  readonly words?: boolean;
}

/** Nothing that is given is ignored. */
function assertFits(asked: Asked, { named, options, words = false }: Form): void {
  const { verb, name } = asked;
  if (named && name === undefined) throw new UsageError(`which job? aksgw jobs ${verb} NAME`);
  const surplus = named ? (words ? undefined : asked.words[0]) : name;
  if (surplus !== undefined) throw new UsageError(`aksgw jobs ${verb} takes no ${JSON.stringify(surplus)}`);
  for (const option of ['json', 'reason', 'key'] as const) {
    if (asked[option] !== undefined && !options.includes(option))
      throw new UsageError(`aksgw jobs ${verb} takes no --${option}`);
  }
}

async function list(options: Options, { json }: Asked, host: Host): Promise<number> {
  const found = await (await connect(options, host)).client.listJobs(host.signal);
  if (json || options.json) return answerJson(host, found);
  const rows = found.map((job) => [
    job.name,
    job.cluster,
    scheduleOf(job),
    job.next[0] ?? '-',
    job.suspended ? 'suspended' : job.lastRun ? outcomeOf(job.lastRun) : '-',
  ]);
  return answer(host, table(['NAME', 'CLUSTER', 'SCHEDULE', 'NEXT', 'LAST RUN'], rows));
}

async function show(options: Options, { name = '', json }: Asked, host: Host): Promise<number> {
  const job = await (await connect(options, host)).client.getJob(name, host.signal);
  return json || options.json ? answerJson(host, job) : answer(host, describe(job));
}

async function run(options: Options, { name = '', words, reason, key }: Asked, host: Host): Promise<number> {
  const values = valuesOf(words);
  if (key !== undefined && !/^[ !#-[\]-~]{1,255}$/.test(key))
    throw new UsageError('--key is of printable ASCII without quotes and backslashes');
  const { client, ...usual } = await connect(options, host);
  const why = reason ?? usual.reason;
  const input = { options: values, ...(why !== undefined && { reason: why }) };
  const start = (to: Parameters<typeof client.runJob>[2]) => client.runJob(name, input, to);
  return runToEnd(host, { client, idempotencyKey: key ?? randomUUID(), start }, options);
}

/** OPTION=VALUE, each once. */
function valuesOf(words: readonly string[]): Record<string, string> {
  const values = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 1) throw new UsageError(`${JSON.stringify(word)} is not OPTION=VALUE`);
    const option = word.slice(0, at);
    if (values.has(option)) throw new UsageError(`${option} is given twice`);
    values.set(option, word.slice(at + 1));
  }
  return Object.fromEntries(values);
}

const scheduleOf = ({ schedule, timeZone, enabled }: JobOutput): string =>
  schedule === null ? 'by hand' : `${schedule} ${timeZone ?? ''}${enabled ? '' : ' (disabled)'}`;

type Run = JobWithRunsOutput['runs'][number];

const outcomeOf = ({ outcome, exitCode, at }: Run): string =>
  `${outcome}${exitCode === null ? '' : ` (${exitCode})`} ${at}`;

function describe(job: JobWithRunsOutput): string {
  const commands = job.health ? [] : (job.steps ?? [{ argv: job.argv ?? [] }]);
  const lines: readonly (readonly [string, string])[] = [
    ['name', job.name],
    ['cluster', job.cluster],
    ['schedule', scheduleOf(job)],
    ...(job.health ? [['command', "a look at the cluster's health"] as const] : []),
    ...commands.map(({ argv }, step) => [job.steps ? `step ${step}` : 'command', argv.join(' ')] as const),
    ...(job.onError === null ? [] : [['on error', job.onError] as const]),
    ...Object.entries(job.options).map(([name, option]) => ['option', `${name}: ${optionText(option)}`] as const),
    ['missed', job.onMissed],
    ['overlap', job.onOverlap],
    ...job.next.map((at) => ['next', at] as const),
    ...(job.suspended ? [['suspended', `${job.suspended.since} ${job.suspended.why}`] as const] : []),
  ];
  const runs = job.runs.map((past) => [
    past.at,
    past.slot ?? 'by hand',
    past.outcome,
    past.exitCode === null ? '-' : String(past.exitCode),
    past.commandId ?? past.batchId ?? '-',
    past.why ?? '',
  ]);
  const head = pairs(lines);
  return runs.length === 0 ? head : `${head}\n${table(['AT', 'SLOT', 'OUTCOME', 'EXIT', 'RECORD', 'WHY'], runs)}`;
}

function optionText({ kind, values, min, max, default: usual }: JobOutput['options'][string]): string {
  const form = kind === 'enum' ? (values ?? []).join('|') : kind === 'integer' ? `${min}..${max}` : 'a name';
  return usual === null ? `${form}, to be given` : `${form}, else ${usual}`;
}
