import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { createExportLog } from '../../audit/read/export-log.ts';
import { exportCsv, exportLines } from '../../audit/read/export.ts';
import { readActivityLogFromApi } from '../../audit/verify/activity-log.ts';
import { type ActivityRun, readActivityLog, reconcile as compare } from '../../audit/verify/reconcile.ts';
import { renderReport } from '../../audit/verify/report.ts';
import { verifyTrail, type TrailState } from '../../audit/verify/verify.ts';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../config/config.ts';
import { createCredential } from '../../relay/credential.ts';
import type { Host } from '../main.ts';
import { readConfig } from './config.ts';
import { openTrail } from './log.ts';

/** What every one of them takes, and what those take that look at a time only. */
const common = { config: { type: 'string', short: 'c' }, help: { type: 'boolean' } } as const;
const range = { since: { type: 'string' }, until: { type: 'string' } } as const;

const usage = `aksgw audit verify [FOLDER | https://ACCOUNT.blob.core.windows.net/CONTAINER] [options]

Reads a whole audit trail and says what it proves and what not. Without a place: that of --config (AKSGW_CONFIG), else ./data/audit.

  --config FILE      gateway.yaml
  --state FILE       pins: what was there the last time must still be there; written anew when the trail is sound
  --root-key ID      the thumbprint of the signing key to believe (may be given several times)
  --receipt FILE     a file of receipts that callers kept, one a line (may be given several times)
  --copies FILE      a file of copied checkpoints, one a line (may be given several times)
  --export FILE      an export (aksgw audit export) in place of the trail itself: offline, and --partial
  --partial          this is an export by time: what is not in it is no finding
  --json             the report as JSON

Exits 0 when the trail is sound, 1 when it is suspect or broken.
`;

/** `aksgw audit verify`. */
export async function verify(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...common,
      state: { type: 'string' },
      'root-key': { type: 'string', multiple: true },
      receipt: { type: 'string', multiple: true },
      copies: { type: 'string', multiple: true },
      partial: { type: 'boolean' },
      export: { type: 'string' },
      json: { type: 'boolean' },
    },
  });
  if (values.help || positionals.length > 1) return explain(host, usage, values);
  const log =
    values.export === undefined
      ? await openTrail(positionals[0], values.config, host)
      : createExportLog(readFileSync(values.export, 'utf8'));
  const { state } = values;
  if ((await log.streams()).length === 0) throw new Error('there is no audit trail there: no stream was found');
  const report = await verifyTrail(log, {
    rootKeys: values['root-key'],
    receipts: values.receipt?.flatMap(linesOf),
    copies: values.copies?.flatMap(linesOf),
    ...(state !== undefined && existsSync(state) && { state: JSON.parse(readFileSync(state, 'utf8')) as TrailState }),
    partial: values.partial === true || values.export !== undefined,
  });
  host.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
  if (report.verdict !== 'sound') return 1;
  if (state !== undefined) writeFileSync(state, `${JSON.stringify(report.state, null, 2)}\n`, { mode: 0o600 });
  return 0;
}

const linesOf = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

const exportUsage = `aksgw audit export [FOLDER | https://…] [--since TIME] [--until TIME] [--format jsonl|csv] [--config FILE]

Writes events to standard output. jsonl holds the trail's own lines, which "aksgw audit verify --export" checks offline.
`;

/** `aksgw audit export`. */
export async function exportEvents(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { ...common, ...range, format: { type: 'string', default: 'jsonl' } },
  });
  const { format } = values;
  if (values.help || positionals.length > 1 || !['jsonl', 'csv'].includes(format))
    return explain(host, exportUsage, values);
  const log = await openTrail(positionals[0], values.config, host);
  const time = timesOf(values);
  for await (const line of format === 'csv' ? exportCsv(log, time) : exportLines(log, time))
    await written(host.stdout, line);
  return 0;
}

/** A reader slower than the trail is waited for: a million lines are not kept for it in memory. */
async function written(out: Host['stdout'], text: string): Promise<void> {
  if (out.write(text) === false && out instanceof Writable) await once(out, 'drain');
}

const reconcileUsage = `aksgw audit reconcile [ACTIVITY.json] [FOLDER | https://…] [--since TIME] [--until TIME] [--config FILE]

Compares the trail with Azure's own Activity Log: names the runs that went around the gateway, and commands that Azure does not know.
Without ACTIVITY.json it asks Azure Monitor about the subscriptions of --config's clusters, seven days back unless --since says else.
ACTIVITY.json is what "az monitor activity-log list --offset 7d --max-events 10000 -o json" prints. Exits 1 when there is any.
`;

/** `aksgw audit reconcile`. */
export async function reconcile(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { ...common, ...range },
  });
  const [activity, place] = positionals;
  const config = activity === undefined ? readConfig(values.config, host) : undefined;
  if (values.help || (activity === undefined && !config) || positionals.length > 2)
    return explain(host, reconcileUsage, values);
  const given = timesOf(values);
  const end = given.until ?? systemClock.now();
  const week = { since: given.since ?? end - 7 * 86_400_000, until: end };
  const asked = config ? week : given;
  const runs = config
    ? await runsOf(config, week, host)
    : readActivityLog(JSON.parse(readFileSync(activity ?? '', 'utf8')));
  const times = runs.map(({ time }) => time);
  // Without a range: what the Activity Log covers, so that older commands are not missed in it.
  const since = asked.since ?? Math.min(...times, Number.MAX_SAFE_INTEGER);
  const until = asked.until ?? Math.max(0, ...times) + 1;
  const { matched, aroundGateway, notInAzure } = await compare(await openTrail(place, values.config, host), runs, {
    since,
    until,
  });
  host.stdout.write(`${matched} runs are in both\n`);
  for (const { time, caller, armId, correlationId } of aroundGateway)
    host.stdout.write(
      `around the gateway: ${new Date(time).toISOString()} by ${caller} on ${armId} (correlation ${correlationId})\n`,
    );
  for (const { time, commandId, armId } of notInAzure)
    host.stdout.write(
      `not in the Activity Log (it may lag some minutes): ${new Date(time).toISOString()} command ${commandId} on ${armId}\n`,
    );
  return aroundGateway.length + notInAzure.length === 0 ? 0 : 1;
}

/** What Azure Monitor says of the configured clusters, with the operator's own sign-in (or the emulation's token). */
async function runsOf(
  config: Config,
  { since, until }: { readonly since: number; readonly until: number },
  { env }: Host,
): Promise<readonly ActivityRun[]> {
  const { azure, identity } = config;
  const own = azure.credential.kind === 'static' ? azure.credential : ({ kind: 'default' } as const);
  const credential = createCredential({
    azure: { ...azure, credential: own },
    authority: identity.authority,
    clock: systemClock,
    env,
  });
  const clusters = [...config.clusters.values()].map(({ arm }) => arm);
  const ids = new Set(clusters.map(({ id }) => id.toLowerCase()));
  const runs: ActivityRun[] = [];
  for (const subscription of new Set(clusters.map((cluster) => cluster.subscription)))
    runs.push(
      ...(await readActivityLogFromApi({
        resourceManager: azure.resourceManager,
        subscription,
        since,
        until,
        token: () => credential(`${azure.resourceManager}/.default`),
      })),
    );
  return runs.filter(({ armId }) => ids.has(armId));
}

/** What they can do, asked for or not: then the exit code says that something else was. */
function explain({ stderr }: Host, text: string, { help }: { readonly help?: boolean | undefined }): 0 | 2 {
  stderr.write(text);
  return help ? 0 : 2;
}

interface Times {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const timesOf = ({ since, until }: Times) => ({ since: timeOf('--since', since), until: timeOf('--until', until) });

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new Error(`${name} is a time such as 2026-01-31T08:00:00Z`);
  return ms;
}
