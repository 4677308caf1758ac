import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createStreamIndex } from '../../../audit/read/stream-index.ts';
import { readActivityLogFromApi } from '../../../audit/verify/activity-log.ts';
import { type ActivityRun, readActivityLog } from '../../../audit/verify/activity-run.ts';
import { type Reconciliation, reconcile as compare } from '../../../audit/verify/reconcile.ts';
import { systemClock } from '../../../clock.ts';
import type { Config } from '../../../config/config.ts';
import { createCredential } from '../../../relay/credential.ts';
import type { Host } from '../../host.ts';
import { readConfig } from '../config.ts';
import { openTrail } from '../log.ts';
import { common, explain, range, timesOf } from './arguments.ts';

const USAGE = `aksgw audit reconcile [ACTIVITY.json] [FOLDER | https://…] [--since TIME] [--until TIME] [--identity ID] [--config FILE]

Compares the trail with Azure's own Activity Log: names the runs that went around the gateway, and commands that Azure does not know.
Without ACTIVITY.json it asks Azure Monitor about the subscriptions of --config's clusters, seven days back unless --since says else.
ACTIVITY.json is what "az monitor activity-log list --offset 7d --max-events 10000 -o json" prints.

  --identity ID      the gateway's identity in Azure: its object id, its client id, or its name in the log (may be given several
                     times). Without it: the configuration's managed identity, else the one caller of all runs that the trail knows

Exits 0 when both agree, 1 when they differ, and 3 when there was nothing to compare, or nobody knows who the gateway is.
`;

/** `aksgw audit reconcile`. */
export async function reconcile(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { ...common, ...range, identity: { type: 'string', multiple: true } },
  });
  const [activity, place] = positionals;
  const config = readConfig(values.config, host);
  if (values.help || (activity === undefined && !config) || positionals.length > 2) return explain(host, USAGE, values);
  const given = timesOf(values);
  const until = given.until ?? systemClock.now();
  const week = { since: given.since ?? until - 7 * 86_400_000, until };
  const runs =
    activity === undefined && config
      ? await runsOf(config, week, host)
      : readActivityLog(JSON.parse(readFileSync(activity ?? '', 'utf8')));
  const index = createStreamIndex(await openTrail(place, values.config, host));
  const result = await compare(index, runs, {
    ...(activity === undefined ? week : covered(runs, given)),
    identities: values.identity ?? configuredIdentity(config),
  });
  host.stdout.write(render(result));
  return exitCode(result);
}

/** Between an intent and its run, and between two clocks. */
const EDGE_MS = 2 * 60_000;

/** Without a range: what the Activity Log covers, so that older commands are not missed in it. */
function covered(runs: readonly ActivityRun[], { since, until }: ReturnType<typeof timesOf>) {
  const times = runs.map(({ time }) => time);
  return {
    since: since ?? times.reduce((a, b) => Math.min(a, b), Number.MAX_SAFE_INTEGER) - EDGE_MS,
    until: until ?? times.reduce((a, b) => Math.max(a, b), 0) + EDGE_MS,
  };
}

function configuredIdentity(config: Config | undefined): readonly string[] {
  const credential = config?.azure.credential;
  return credential?.kind === 'managedIdentity' && credential.clientId !== undefined ? [credential.clientId] : [];
}

function exitCode({ aroundGateway, notInAzure, empty, identity }: Reconciliation): number {
  if (aroundGateway.length + notInAzure.length > 0) return 1;
  return empty.length > 0 || identity.names.length === 0 ? 3 : 0;
}

function render(result: Reconciliation): string {
  const { matched, aroundGateway, possiblyOurs, notInAzure, failed, identity, idsCarried, empty } = result;
  const run = ({ time, caller, armId, operationId }: ActivityRun): string =>
    `${new Date(time).toISOString()} by ${caller || 'nobody that the log names'} on ${armId} (operation ${operationId})`;
  const names = { azure: 'The Activity Log has no run', trail: 'The trail has no command' } as const;
  return [
    `${matched} runs are in both`,
    ...empty.map((side) => `${names[side]} in this time: nothing was compared`),
    identity.names.length === 0
      ? 'nobody said who the gateway is in Azure, and the log does not show it: give --identity'
      : `the gateway is ${identity.names.join(', ')}${identity.told ? '' : ', as the log suggests: give --identity to be certain'}`,
    ...aroundGateway.map((one) => `around the gateway: ${run(one)}`),
    ...possiblyOurs.map(
      ({ run: one, commandId }) => `possibly ours, command ${commandId}, whose answer was lost: ${run(one)}`,
    ),
    ...notInAzure.map(
      ({ time, commandId, armId }) =>
        `not in the Activity Log (it may lag some minutes): ${new Date(time).toISOString()} command ${commandId} on ${armId}`,
    ),
    ...failed.map((one) => `failed or turned away by Azure, so nothing says that it ran: ${run(one)}`),
    ...(idsCarried === false
      ? [
          'the Activity Log carries no id that the trail knows: the assumption activity-log-id is false here, and no run can be matched',
        ]
      : []),
    '',
  ].join('\n');
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
