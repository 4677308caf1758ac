import { eventCodes } from '../../shared/audit/events.ts';
import { property, rowsOf } from './metric-query.ts';

/**
 * A query that has a row with a `Value` over 0 for each thing that is wrong. 0 is critical, 4 informational
 * (learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview, "Severity").
 */
interface Alert {
  readonly name: string;
  readonly says: string;
  readonly severity: 0 | 1 | 2 | 3;
  /** ISO 8601, of those that Azure takes. */
  readonly every: 'PT5M' | 'PT15M' | 'PT30M' | 'PT1H';
  readonly window: 'PT5M' | 'PT15M' | 'PT30M' | 'PT1H' | 'PT6H';
  /** The columns that tell one alert from another. */
  readonly dimensions: readonly string[];
  readonly query: string;
}

/** Stands for the gateway's own object id, which Terraform knows. */
export const GATEWAY = 'GATEWAY_PRINCIPAL_ID';

const codes = (...names: readonly (keyof typeof eventCodes)[]): string =>
  names.map((name) => `"${eventCodes[name]}"`).join(', ');

const by = (label: string, column: string, aggregate: string): string =>
  `| summarize Value = ${aggregate} by ${column} = ${property(label)}`;

const over = (limit: number): string => `| where Value > ${limit}`;

/** Of the gateway itself. */
const ofGateway: readonly Alert[] = [
  {
    name: 'audit-unavailable',
    says: 'An audit event could not be written, so commands are refused',
    severity: 0,
    every: 'PT5M',
    window: 'PT5M',
    dimensions: [],
    query: [rowsOf('aksgw.audit.duration', { result: 'failed' }), '| summarize Value = sum(ItemCount)', over(0)].join(
      '\n',
    ),
  },
  {
    name: 'unknown-outcomes',
    says: 'Commands may or may not have run: Azure never said how they ended',
    severity: 2,
    every: 'PT15M',
    window: 'PT15M',
    dimensions: ['Cluster'],
    query: [rowsOf('aksgw.commands', { outcome: 'unknown' }), by('cluster', 'Cluster', 'sum(Sum)'), over(0)].join('\n'),
  },
  {
    name: 'denials-spike',
    says: 'Somebody is denied again and again',
    severity: 2,
    every: 'PT15M',
    window: 'PT15M',
    dimensions: ['PrincipalId'],
    query: [
      'AksGatewayAudit_CL',
      `| where Code in (${codes('command.denied', 'principal.denied', 'command.refused')})`,
      '| summarize Value = count() by PrincipalId',
      over(20),
    ].join('\n'),
  },
  {
    name: 'azure-throttles',
    says: 'Azure throttles the subscription (429): commands wait, results come late',
    severity: 2,
    every: 'PT15M',
    window: 'PT15M',
    dimensions: ['Cluster'],
    query: [
      rowsOf('aksgw.azure.requests', { answer: 'throttled' }),
      by('cluster', 'Cluster', 'sum(Sum)'),
      over(10),
    ].join('\n'),
  },
  {
    name: 'jobs-failing',
    says: 'A scheduled job failed, could not start, or is suspended',
    severity: 2,
    every: 'PT15M',
    window: 'PT30M',
    dimensions: ['Job'],
    query: [
      rowsOf('aksgw.job.runs', { status: ['nonzero', 'failed', 'unknown', 'not-started', 'suspended'] }),
      by('job', 'Job', 'sum(Sum)'),
      over(0),
    ].join('\n'),
  },
  {
    name: 'run-command-around-gateway',
    says: 'Somebody used run command directly, past the gateway and its trail',
    severity: 1,
    every: 'PT15M',
    // The Activity Log comes late: what came in since the last look counts, whenever it happened.
    window: 'PT1H',
    dimensions: ['Caller', 'ClusterId'],
    query: [
      'AzureActivity',
      '| where ingestion_time() > ago(15m)',
      '| where OperationNameValue =~ "MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/RUNCOMMAND/ACTION"',
      `| where Caller !~ "${GATEWAY}"`,
      '| summarize Value = dcount(CorrelationId) by Caller, ClusterId = tolower(_ResourceId)',
      over(0),
    ].join('\n'),
  },
];

type What = Parameters<typeof rowsOf<'aksgw.cluster.findings'>>[1] extends { what?: infer W } | undefined
  ? NonNullable<W>
  : never;

const found = (what: What): string =>
  [rowsOf('aksgw.cluster.findings', { what }), by('cluster', 'Cluster', 'max(Max)'), over(0)].join('\n');

/** Of the clusters: over the numbers of jobs with `health: true`. */
const ofClusters: readonly Alert[] = [
  {
    name: 'cluster-unreachable',
    says: 'No command reaches the cluster',
    severity: 1,
    every: 'PT15M',
    window: 'PT30M',
    dimensions: ['Cluster'],
    query: [
      rowsOf('aksgw.cluster.status', { aspect: 'reachability' }),
      by('cluster', 'Cluster', 'max(Max) - 1'),
      over(0),
    ].join('\n'),
  },
  {
    name: 'cluster-not-looked-at',
    says: 'There was no look at the cluster for an hour: its health job does not run',
    severity: 2,
    every: 'PT15M',
    // What was looked at before, and no longer.
    window: 'PT6H',
    dimensions: ['Cluster'],
    query: [
      rowsOf('aksgw.cluster.age'),
      by('cluster', 'Cluster', 'datetime_diff("minute", now(), max(TimeGenerated))'),
      over(60),
    ].join('\n'),
  },
  {
    name: 'nodes-not-ready',
    says: 'Nodes are not ready',
    severity: 1,
    every: 'PT15M',
    window: 'PT30M',
    dimensions: ['Cluster'],
    query: [rowsOf('aksgw.cluster.nodes', { node: 'notReady' }), by('cluster', 'Cluster', 'max(Max)'), over(0)].join(
      '\n',
    ),
  },
  {
    name: 'crash-loops',
    says: 'Pods crash again and again, or their images cannot be pulled',
    severity: 2,
    every: 'PT15M',
    window: 'PT30M',
    dimensions: ['Cluster'],
    query: found(['crash-loop', 'image-pull']),
  },
  {
    name: 'unbound-claims',
    says: 'Claims have no volume, or lost it',
    severity: 2,
    every: 'PT15M',
    window: 'PT30M',
    dimensions: ['Cluster'],
    query: found(['claim-unbound', 'claim-lost']),
  },
  {
    name: 'version-out-of-support',
    says: "The cluster's version is out of support, or will be within 30 days",
    severity: 3,
    every: 'PT1H',
    window: 'PT6H',
    dimensions: ['Cluster'],
    query: [rowsOf('aksgw.cluster.support'), by('cluster', 'Cluster', '30 - min(Min)'), over(0)].join('\n'),
  },
];

export const alerts: readonly Alert[] = [...ofGateway, ...ofClusters];
