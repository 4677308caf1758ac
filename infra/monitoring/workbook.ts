import { property, rowsOf } from './metric-query.ts';
import { securityQueries } from './security-queries.ts';

/** The workbook in Azure's own form (learn.microsoft.com/azure/azure-monitor/visualize/workbooks-overview). */
interface Item {
  readonly title: string;
  readonly query: string;
  readonly as: 'table' | 'linechart';
}

const overTime = (rows: string, value: string, by: string): string =>
  `${rows}\n| summarize Value = ${value} by bin(TimeGenerated, 5m), Series = ${property(by)}\n| order by TimeGenerated asc`;

const newest = (rows: string, ...labels: readonly string[]): string => {
  const columns = labels.map((label) => `${label[0]?.toUpperCase()}${label.slice(1)} = ${property(label)}`);
  return `${rows}\n| summarize arg_max(TimeGenerated, Max) by ${columns.join(', ')}\n| project-rename Value = Max\n| order by Value desc`;
};

export const workbookItems: readonly Item[] = [
  { title: 'Commands by outcome', query: overTime(rowsOf('aksgw.commands'), 'sum(Sum)', 'outcome'), as: 'linechart' },
  {
    title: 'Lag behind Azure, seconds',
    query: overTime(rowsOf('aksgw.relay.lag'), 'sum(Sum) / sum(ItemCount)', 'cluster'),
    as: 'linechart',
  },
  {
    title: 'Requests to Azure by answer',
    query: overTime(rowsOf('aksgw.azure.requests'), 'sum(Sum)', 'answer'),
    as: 'linechart',
  },
  { title: 'Denials', query: overTime(rowsOf('aksgw.denials'), 'sum(Sum)', 'by'), as: 'linechart' },
  {
    title: 'Time until an audit event is durable, seconds',
    query: overTime(rowsOf('aksgw.audit.duration'), 'sum(Sum) / sum(ItemCount)', 'result'),
    as: 'linechart',
  },
  {
    title: 'Jobs by what came of them',
    query: overTime(rowsOf('aksgw.job.runs'), 'sum(Sum)', 'status'),
    as: 'linechart',
  },
  {
    title: 'Clusters now: 0 ok, 1 degraded, 2 failing, 3 not seen',
    query: newest(rowsOf('aksgw.cluster.status'), 'cluster', 'aspect'),
    as: 'table',
  },
  { title: 'What was found', query: newest(rowsOf('aksgw.cluster.findings'), 'cluster', 'what'), as: 'table' },
  { title: 'Nodes', query: overTime(rowsOf('aksgw.cluster.nodes'), 'max(Max)', 'node'), as: 'linechart' },
  {
    title: 'Used of what nodes can give',
    query: overTime(rowsOf('aksgw.cluster.used'), 'max(Max)', 'resource'),
    as: 'linechart',
  },
  {
    title: 'Pods with a problem, by namespace',
    query: newest(rowsOf('aksgw.cluster.pods', { pod: 'problem' }), 'cluster', 'namespace'),
    as: 'table',
  },
  { title: 'Days of support left', query: newest(rowsOf('aksgw.cluster.support'), 'cluster'), as: 'table' },
  { title: 'Who ran what', query: securityQueries.commands, as: 'table' },
  { title: 'Denied and refused', query: securityQueries.denials, as: 'table' },
  { title: 'Run command around the gateway', query: securityQueries.bypass, as: 'table' },
];

const TIME = 'Range';

export const workbook = {
  version: 'Notebook/1.0',
  items: [
    {
      type: 9,
      name: 'parameters',
      content: {
        version: 'KqlParameterItem/1.0',
        parameters: [
          {
            id: '6f1a3a0e-9d53-4a0f-8b39-5d5f5f0f2a11',
            version: 'KqlParameterItem/1.0',
            name: TIME,
            type: 4,
            isRequired: true,
            value: { durationMs: 86_400_000 },
            typeSettings: {
              selectableValues: [3_600_000, 14_400_000, 86_400_000, 604_800_000].map((durationMs) => ({ durationMs })),
            },
          },
        ],
        style: 'pills',
        queryType: 0,
        resourceType: 'microsoft.operationalinsights/workspaces',
      },
    },
    ...workbookItems.map(({ title, query, as }, index) => ({
      type: 3,
      name: `query-${index}`,
      content: {
        version: 'KqlItem/1.0',
        query,
        size: 0,
        title,
        timeContextFromParameter: TIME,
        queryType: 0,
        resourceType: 'microsoft.operationalinsights/workspaces',
        visualization: as,
      },
    })),
  ],
  $schema: 'https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json',
} as const;
