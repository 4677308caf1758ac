import { RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { series, variable } from '../metric-query.ts';
import { lines, overMetrics, values } from './panels.ts';

const cluster = variable('cluster');
const rate = (of: string, by: string): string => `sum by (${by}) (rate(${of}[$__rate_interval]))`;
const increase = (of: string, by: string): string => `sum by (${by}) (increase(${of}[$__rate_interval]))`;
const quantile = (q: number, of: string, by: string): string =>
  `histogram_quantile(${q}, ${rate(of, ['le', by].filter(Boolean).join(', '))})`;

/** What the gateway does, and how long it takes. */
export const gatewayDashboard = overMetrics(
  'aksgw-gateway',
  'AKS access gateway',
  'Traffic, outcomes, lag against Azure, budget, denials, audit and jobs of the gateway',
)
  .withRow(new RowBuilder('Traffic'))
  .withPanel(
    lines('Requests', 'By status', 'reqps', {
      expr: rate(series('http.server.request.duration', {}, '_count'), 'http_response_status_code'),
      legend: '{{http_response_status_code}}',
    }),
  )
  .withPanel(
    lines('Time of requests', 'The slowest in twenty, by route', 's', {
      expr: quantile(0.95, series('http.server.request.duration', {}, '_bucket'), 'http_route'),
      legend: '{{http_route}}',
    }),
  )
  .withPanel(
    lines('Commands by outcome', 'unknown: nobody knows whether it ran', 'short', {
      expr: increase(series('aksgw.commands', { cluster }), 'outcome'),
      legend: '{{outcome}}',
    }),
  )
  .withPanel(
    values(
      'Now',
      'Commands that are carried, and that wait',
      'short',
      { expr: `sum(${series('aksgw.commands.carried')})`, legend: 'carried' },
      { expr: `sum(${series('aksgw.queue.waiting')})`, legend: 'waiting' },
    ),
  )
  .withRow(new RowBuilder('Azure'))
  .withPanel(
    lines(
      'Lag behind Azure',
      'From the end of a command, as Azure tells it, until the gateway saw it; az aks command invoke lags 3.8 s on average',
      's',
      { expr: quantile(0.5, series('aksgw.relay.lag', { cluster }, '_bucket'), ''), legend: 'half' },
      { expr: quantile(0.95, series('aksgw.relay.lag', { cluster }, '_bucket'), ''), legend: 'one in twenty' },
    ),
  )
  .withPanel(
    lines('Budget: requests to Azure', 'About one a second and subscription is all there is', 'reqps', {
      expr: rate(series('aksgw.azure.requests', { cluster }), 'operation, answer'),
      legend: '{{operation}} {{answer}}',
    }),
  )
  .withPanel(
    lines("Where a command's time goes", 'The slowest in twenty', 's', {
      expr: quantile(0.95, series('aksgw.command.time', {}, '_bucket'), 'part'),
      legend: '{{part}}',
    }),
  )
  .withPanel(
    lines('Wait for a slot', 'The slowest in twenty', 's', {
      expr: quantile(0.95, series('aksgw.queue.duration', { cluster }, '_bucket'), 'cluster'),
      legend: '{{cluster}}',
    }),
  )
  .withRow(new RowBuilder('Denials'))
  .withPanel(
    lines('Denied', 'By policy, or as a caller', 'short', {
      expr: increase(series('aksgw.denials'), 'by, cluster'),
      legend: '{{by}} {{cluster}}',
    }),
  )
  .withPanel(
    lines(
      'Refused, unauthenticated, limited',
      'What never came to a decision',
      'short',
      { expr: increase(series('aksgw.refusals'), 'code'), legend: '{{code}}' },
      { expr: increase(series('aksgw.unauthenticated'), 'code'), legend: '{{code}}' },
      { expr: `sum(increase(${series('aksgw.limited')}[$__rate_interval]))`, legend: 'limited' },
    ),
  )
  .withRow(new RowBuilder('Audit, store, jobs'))
  .withPanel(
    lines('Until an audit event is durable', 'The slowest in a hundred; a failed one stops commands', 's', {
      expr: quantile(0.99, series('aksgw.audit.duration', {}, '_bucket'), 'result'),
      legend: '{{result}}',
    }),
  )
  .withPanel(
    lines('Store', 'The slowest in twenty', 's', {
      expr: quantile(0.95, series('aksgw.store.duration', {}, '_bucket'), 'store'),
      legend: '{{store}}',
    }),
  )
  .withPanel(
    lines('Jobs', 'Slots by what came of them', 'short', {
      expr: increase(series('aksgw.job.runs'), 'job, status'),
      legend: '{{job}} {{status}}',
    }),
  )
  .withPanel(
    lines(
      'Process',
      'How busy the event loop is, and what failed to be told',
      'percentunit',
      { expr: `max(${series('aksgw.eventloop.utilization')})`, legend: 'event loop' },
      { expr: `sum(increase(${series('aksgw.telemetry.failures')}[$__rate_interval]))`, legend: 'failed exports' },
      {
        expr: increase(series('aksgw.telemetry.dropped'), 'why'),
        legend: 'spans: {{why}}',
      },
    ),
  );
