import { securityQueries } from '../security-queries.ts';
import { overLogs, rows } from './panels.ts';

/** Who did what, who was denied, and who went around the gateway: out of Log Analytics. */
export const securityDashboard = overLogs(
  'aksgw-security',
  'AKS access gateway: security',
  'Who did what, denials, and run commands that went around the gateway. The enforced trail is the truth, this is its index.',
)
  .withPanel(rows('Callers', 'Commands by caller', securityQueries.callers, false))
  .withPanel(rows('Denials over time', 'By code', securityQueries.denialsOverTime, false))
  .withPanel(rows('Who ran what', 'Every command with its reason and rule', securityQueries.commands))
  .withPanel(rows('Changes', 'Every verb but the reading ones', securityQueries.changes))
  .withPanel(rows('Denied and refused', 'What, to whom, and why', securityQueries.denials))
  .withPanel(rows('Around the gateway', 'Run commands of others, from the Activity Log', securityQueries.bypass));
