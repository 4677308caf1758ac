import { eventCodes } from '../../shared/audit/events.ts';
import { GATEWAY } from './alerts.ts';

const code = (name: keyof typeof eventCodes): string => `"${eventCodes[name]}"`;

/** Who did what, over the audit table: for the dashboard on security and the workbook. */
export const securityQueries = {
  commands: [
    'AksGatewayAudit_CL',
    `| where Code == ${code('command.intended')}`,
    '| project TimeGenerated, PrincipalId, PrincipalType, Cluster, Command = strcat_array(Event.argv, " "), Reason = tostring(Event.reason), Rule, CommandId',
    '| order by TimeGenerated desc',
  ].join('\n'),
  denials: [
    'AksGatewayAudit_CL',
    `| where Code in (${code('command.denied')}, ${code('principal.denied')}, ${code('command.refused')})`,
    '| project TimeGenerated, Code, PrincipalId, Cluster, Command = strcat_array(Event.argv, " "), Detail = tostring(Event.detail)',
    '| order by TimeGenerated desc',
  ].join('\n'),
  denialsOverTime: [
    'AksGatewayAudit_CL',
    `| where Code in (${code('command.denied')}, ${code('principal.denied')}, ${code('command.refused')}, ${code('auth.failed')})`,
    '| summarize Denials = count() by bin(TimeGenerated, 15m), Code',
    '| order by TimeGenerated asc',
  ].join('\n'),
  callers: [
    'AksGatewayAudit_CL',
    `| where Code == ${code('command.intended')}`,
    '| summarize Commands = count(), Clusters = make_set(Cluster, 20), Last = max(TimeGenerated) by PrincipalId, PrincipalType',
    '| top 50 by Commands',
  ].join('\n'),
  changes: [
    'AksGatewayAudit_CL',
    `| where Code == ${code('command.intended')}`,
    '| mv-expand Attribute = Event.attributes',
    '| extend Verb = tostring(Attribute.verb), Resource = tostring(Attribute.resource), Namespace = tostring(Attribute.namespace), Name = tostring(Attribute.name)',
    '| where Verb !in ("get", "list", "watch")',
    '| project TimeGenerated, PrincipalId, Cluster, Verb, Resource, Namespace, Name, CommandId',
    '| order by TimeGenerated desc',
  ].join('\n'),
  bypass: [
    'AzureActivity',
    '| where OperationNameValue =~ "MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/RUNCOMMAND/ACTION"',
    `| where Caller !~ "${GATEWAY}"`,
    '| summarize TimeGenerated = min(TimeGenerated), Status = make_set(ActivityStatusValue) by CorrelationId, Caller, CallerIpAddress, _ResourceId',
    '| order by TimeGenerated desc',
  ].join('\n'),
} as const;
