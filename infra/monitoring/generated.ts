import { alerts } from './alerts.ts';
import { clustersDashboard } from './dashboards/clusters.ts';
import { gatewayDashboard } from './dashboards/gateway.ts';
import { securityDashboard } from './dashboards/security.ts';
import { auditColumns } from './tables.ts';
import { workbook } from './workbook.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const MODULE = 'infra/terraform/modules/monitoring';

/** Every file that is made from the code here, by its path from the root, and its text. */
export const generated = (): Readonly<Record<string, string>> => ({
  'infra/grafana/gateway.json': json(gatewayDashboard.build()),
  'infra/grafana/clusters.json': json(clustersDashboard.build()),
  'infra/grafana/security.json': json(securityDashboard.build()),
  [`${MODULE}/alerts.json`]: json(alerts),
  [`${MODULE}/workbook.json`]: json(workbook),
  [`${MODULE}/audit-columns.json`]: json(auditColumns),
});
