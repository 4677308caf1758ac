/** A column's type as Kusto has it. */
type Type = 'datetime' | 'dynamic' | 'int' | 'long' | 'real' | 'string';

/** The tables that queries here may name, with the columns that they may use. */
export const tables = {
  /** What shared/audit/sinks/siem.ts sends; the collection rule and the table are made from these columns. */
  AksGatewayAudit_CL: {
    TimeGenerated: 'datetime',
    Code: 'string',
    Stream: 'string',
    Seq: 'long',
    Hash: 'string',
    RequestId: 'string',
    CommandId: 'string',
    TenantId_: 'string',
    PrincipalId: 'string',
    PrincipalType: 'string',
    Cluster: 'string',
    Decision: 'string',
    Rule: 'string',
    ExitCode: 'int',
    Event: 'dynamic',
  },
  /** learn.microsoft.com/azure/azure-monitor/reference/tables/appmetrics: the metrics that Application Insights gets. */
  AppMetrics: {
    TimeGenerated: 'datetime',
    Name: 'string',
    ItemCount: 'int',
    Sum: 'real',
    Min: 'real',
    Max: 'real',
    Properties: 'dynamic',
    AppRoleInstance: 'string',
  },
  /** learn.microsoft.com/azure/azure-monitor/reference/tables/azureactivity. */
  AzureActivity: {
    TimeGenerated: 'datetime',
    OperationNameValue: 'string',
    ActivityStatusValue: 'string',
    CorrelationId: 'string',
    Caller: 'string',
    CallerIpAddress: 'string',
    _ResourceId: 'string',
  },
} as const satisfies Record<string, Record<string, Type>>;

/** The audit table's columns as Terraform takes them: the table spells a time `dateTime`, the rule `datetime`. */
export const auditColumns = Object.entries(tables.AksGatewayAudit_CL).map(([name, type]) => ({ name, type }));
