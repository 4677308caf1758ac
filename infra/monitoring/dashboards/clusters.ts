import { RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { series, variable } from '../metric-query.ts';
import { lines, overMetrics, values } from './panels.ts';

const cluster = variable('cluster');
const newest = (of: string, by: string): string => `max by (${by}) (${of})`;

/** How the clusters are: the numbers of jobs with `health: true`, over time, by cluster and namespace. */
export const clustersDashboard = overMetrics(
  'aksgw-clusters',
  'AKS clusters',
  'What the health jobs of the gateway see: 0 ok, 1 degraded, 2 failing, 3 not seen',
)
  .withRow(new RowBuilder('Status'))
  .withPanel(
    values('Clusters', '0 ok, 1 degraded, 2 failing, 3 not seen', 'short', {
      expr: newest(series('aksgw.cluster.status', { cluster, aspect: 'whole' }), 'cluster'),
      legend: '{{cluster}}',
    }),
  )
  .withPanel(
    lines('Parts', '0 ok, 1 degraded, 2 failing, 3 not seen', 'short', {
      expr: newest(series('aksgw.cluster.status', { cluster }), 'cluster, aspect'),
      legend: '{{cluster}} {{aspect}}',
    }),
  )
  .withPanel(
    lines('What was found', 'By kind', 'short', {
      expr: newest(series('aksgw.cluster.findings', { cluster }), 'cluster, what'),
      legend: '{{cluster}} {{what}}',
    }),
  )
  .withPanel(
    lines(
      'Reachability',
      'How long a pod takes to start, and how old the last look is',
      's',
      { expr: newest(series('aksgw.cluster.start', { cluster }), 'cluster'), legend: '{{cluster}} start' },
      { expr: newest(series('aksgw.cluster.age', { cluster }), 'cluster'), legend: '{{cluster}} age' },
    ),
  )
  .withRow(new RowBuilder('Nodes'))
  .withPanel(
    lines('Nodes', 'ready, not ready, under pressure, cordoned', 'short', {
      expr: newest(series('aksgw.cluster.nodes', { cluster }), 'cluster, node'),
      legend: '{{cluster}} {{node}}',
    }),
  )
  .withPanel(
    lines('Used of what nodes can give', 'CPU and memory', 'percentunit', {
      expr: newest(series('aksgw.cluster.used', { cluster }), 'cluster, resource'),
      legend: '{{cluster}} {{resource}}',
    }),
  )
  .withRow(new RowBuilder('Workloads'))
  .withPanel(
    lines('Replicas', 'desired and ready', 'short', {
      expr: newest(series('aksgw.cluster.replicas', { cluster }), 'cluster, replica'),
      legend: '{{cluster}} {{replica}}',
    }),
  )
  .withPanel(
    lines('Pods with a problem', 'By namespace', 'short', {
      expr: newest(series('aksgw.cluster.pods', { cluster, pod: 'problem' }), 'cluster, namespace'),
      legend: '{{cluster}} {{namespace}}',
    }),
  )
  .withPanel(
    lines('Pods', 'By namespace', 'short', {
      expr: newest(series('aksgw.cluster.pods', { cluster, pod: 'all' }), 'cluster, namespace'),
      legend: '{{cluster}} {{namespace}}',
    }),
  )
  .withPanel(
    lines('Warnings', 'Events of the hour before each look', 'short', {
      expr: newest(series('aksgw.cluster.warnings', { cluster }), 'cluster'),
      legend: '{{cluster}}',
    }),
  )
  .withRow(new RowBuilder('Version'))
  .withPanel(
    values('Days of support left', 'Below 0: out of support', 'd', {
      expr: newest(series('aksgw.cluster.support', { cluster }), 'cluster'),
      legend: '{{cluster}}',
    }),
  );
