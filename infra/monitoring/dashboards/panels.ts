import { LogsQueryBuilder, MonitorQueryBuilder, ResultFormat } from '@grafana/grafana-foundation-sdk/azuremonitor';
import {
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import { GATEWAY } from '../alerts.ts';

const prometheus = { type: 'prometheus', uid: '${prometheus}' };
const azureMonitor = { type: 'grafana-azure-monitor-datasource', uid: '${azure}' };

/** Grafana's names of units (grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options). */
type Unit = 'short' | 's' | 'percentunit' | 'd' | 'bytes' | 'reqps';

interface Line {
  readonly expr: string;
  /** `{{cluster}}` stands for a label. */
  readonly legend: string;
}

const query = ({ expr, legend }: Line, index: number, instant: boolean) => {
  const target = new DataqueryBuilder()
    .datasource(prometheus)
    .expr(expr)
    .legendFormat(legend)
    .refId(String.fromCharCode(65 + index));
  return instant ? target.instant() : target.range();
};

/** Lines over time. */
export function lines(title: string, says: string, unit: Unit, ...all: readonly Line[]) {
  const panel = new TimeseriesPanel()
    .title(title)
    .description(says)
    .datasource(prometheus)
    .unit(unit)
    .height(8)
    .span(12);
  return panel.targets(all.map((line, index) => query(line, index, false)));
}

/** The values of now. */
export function values(title: string, says: string, unit: Unit, ...all: readonly Line[]) {
  const panel = new StatPanel().title(title).description(says).datasource(prometheus).unit(unit).height(6).span(12);
  return panel.targets(all.map((line, index) => query(line, index, true)));
}

/** Rows out of Log Analytics. `subject` of the query's stand-in for the gateway is a variable of the dashboard. */
export function rows(title: string, says: string, kql: string, wide = true) {
  const logs = new LogsQueryBuilder()
    .query(kql.replaceAll(GATEWAY, '${gateway}'))
    .resources(['${workspace}'])
    .resultFormat(ResultFormat.Table)
    .dashboardTime(true)
    .timeColumn('TimeGenerated');
  const target = new MonitorQueryBuilder()
    .refId('A')
    .queryType('Azure Log Analytics')
    .datasource(azureMonitor)
    .azureLogAnalytics(logs);
  return new TablePanel()
    .title(title)
    .description(says)
    .datasource(azureMonitor)
    .height(9)
    .span(wide ? 24 : 12)
    .targets([target]);
}

/** A dashboard over Prometheus, with the clusters to choose from. */
export const overMetrics = (uid: string, title: string, says: string) =>
  dashboard(uid, title, says)
    .withVariable(new DatasourceVariableBuilder('prometheus').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('cluster')
        .label('Cluster')
        .datasource(prometheus)
        .query('label_values(aksgw_commands_intended_total, cluster)')
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue('.*'),
    );

/** A dashboard over Log Analytics. */
export const overLogs = (uid: string, title: string, says: string) =>
  dashboard(uid, title, says)
    .withVariable(
      new DatasourceVariableBuilder('azure').label('Azure Monitor').type('grafana-azure-monitor-datasource'),
    )
    .withVariable(new TextBoxVariableBuilder('workspace').label('ARM id of the workspace'))
    .withVariable(new TextBoxVariableBuilder('gateway').label("Object id of the gateway's identity"));

const dashboard = (uid: string, title: string, says: string) =>
  new DashboardBuilder(title)
    .uid(uid)
    .description(says)
    .tags(['aks-access-gateway', 'generated'])
    .time({ from: 'now-24h', to: 'now' })
    .refresh('1m')
    .timezone('browser')
    .readonly();
