import { NotRun } from '../exits.ts';

/**
 * What a context remembers of the gateway since the first sign-in. Later answers of the gateway change none of it: a server never
 * chooses which credential it gets.
 */
export interface Pin {
  /** The gateway's own application in Entra: what every token must be for. */
  readonly application: string;
  /** Entra's address, such as https://login.microsoftonline.com. */
  readonly authority: string;
  readonly tenant: string;
}

export const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What to ask Entra for: whatever the gateway's own application grants, and nothing of another. */
export const scopeOf = ({ application }: Pin): string => `${application}/.default`;

/**
 * Microsoft's own services, by the ids that all tenants share (learn.microsoft.com/troubleshoot/entra/entra-id/governance/
 * verify-first-party-apps-sign-in): a token for one of them is never a gateway's.
 */
const microsoftServices: Readonly<Record<string, string>> = {
  '797f4846-ba00-4fd7-ba43-dac1f8f63013': 'Azure Resource Manager',
  'cfa8b339-82a2-471a-a3c9-0fc0be7a4093': 'Azure Key Vault',
  '00000003-0000-0000-c000-000000000000': 'Microsoft Graph',
  '00000002-0000-0000-c000-000000000000': 'Azure AD Graph',
  '6dae42f8-4368-4678-94ff-3960e28e3630': 'Azure Kubernetes Service',
  'e406a681-f3d4-42a8-90b6-c2b029497af1': 'Azure Storage',
  '022907d3-0f1b-48f7-badc-1ba6abab6d66': 'Azure SQL Database',
  '00000002-0000-0ff1-ce00-000000000000': 'Exchange Online',
  '00000003-0000-0ff1-ce00-000000000000': 'SharePoint Online',
  '499b84ac-1321-427f-aa17-267ca6975798': 'Azure DevOps',
  '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d': 'Azure Databricks',
  '1950a258-227b-4e31-a9cf-717495945fc2': 'Azure PowerShell',
  '04b07795-8ddb-461a-bbee-02f9e1bf7b46': 'Azure CLI',
};

/** Throws NotRun for an application that is Microsoft's own. */
export function assertOwnApplication(application: string): void {
  const service = microsoftServices[application];
  if (service !== undefined)
    throw new NotRun(`the gateway asks for a token of ${service} (${application}): none is sent to it`);
}

/**
 * The last look before a token leaves: it must be for the pinned application, by the pinned tenant, and of version 2, as gateways take
 * them and Azure's own services do not. Returns when it ends, in seconds since the epoch. Throws NotRun.
 */
export function assertForGateway(token: string, { application, tenant }: Pin): number {
  const { aud, tid, ver, exp } = claimsOf(token);
  const wrong =
    aud !== application
      ? `is for ${String(aud)}, and the gateway is ${application}`
      : tid !== tenant
        ? `is of tenant ${String(tid)}, and the gateway's is ${tenant}`
        : ver !== '2.0'
          ? `has version ${String(ver)} in place of 2.0`
          : typeof exp !== 'number'
            ? 'does not say when it ends'
            : undefined;
  if (wrong !== undefined || typeof exp !== 'number')
    throw new NotRun(`the token that the sign-in gave ${wrong}; it was not sent`);
  return exp;
}

/** What a token says of itself; the gateway checks its signature. Throws NotRun. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    if (typeof claims === 'object' && claims !== null) return Object.fromEntries(Object.entries(claims));
  } catch {
    // as below
  }
  throw new NotRun('the sign-in gave something other than an access token of Entra (a JWT); it was not sent');
}
