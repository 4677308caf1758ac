import { armError, type ArmError, type ManagedClusterName } from './wire.ts';

/** A managed cluster as the emulated ARM knows it. */
export interface EmulatedCluster {
  readonly resourceId: string;
  /** Managed Entra integration: run command demands a clusterToken. */
  aad?: boolean;
  powerState?: 'Running' | 'Stopped';
  provisioningState?: string;
  disableRunCommand?: boolean;
  /** API server VNet integration. */
  vnetIntegration?: boolean;
}

/** The AKS Entra server application, the same in all clouds. */
export const AKS_SERVER_APP = '6dae42f8-4368-4678-94ff-3960e28e3630';

export const idOf = ({ subscription, resourceGroup, name }: ManagedClusterName): string =>
  `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerService/managedClusters/${name}`;

/** GET managedClusters: the members that the gateway or its operator look at, for a private cluster. */
export function clusterView(cluster: EmulatedCluster, { name, resourceGroup }: ManagedClusterName) {
  const suffix = `${name}-7f3c2a1b`;
  return {
    id: cluster.resourceId,
    location: 'westeurope',
    name,
    type: 'Microsoft.ContainerService/ManagedClusters',
    identity: { type: 'SystemAssigned' },
    sku: { name: 'Base', tier: 'Standard' },
    properties: {
      provisioningState: cluster.provisioningState ?? 'Succeeded',
      powerState: { code: cluster.powerState ?? 'Running' },
      kubernetesVersion: '1.35.2',
      currentKubernetesVersion: '1.35.2',
      agentPoolProfiles: [
        {
          name: 'nodepool1',
          count: 2,
          mode: 'System',
          orchestratorVersion: '1.35.2',
          currentOrchestratorVersion: '1.35.2',
          provisioningState: 'Succeeded',
          powerState: { code: 'Running' },
        },
      ],
      dnsPrefix: name,
      privateFQDN: `${suffix}.00000000-0000-0000-0000-000000000000.privatelink.westeurope.azmk8s.io`,
      nodeResourceGroup: `MC_${resourceGroup}_${name}_westeurope`,
      enableRBAC: true,
      disableLocalAccounts: cluster.aad ?? false,
      ...(cluster.aad && { aadProfile: { managed: true, enableAzureRBAC: false, adminGroupObjectIDs: [] } }),
      apiServerAccessProfile: {
        enablePrivateCluster: true,
        privateDNSZone: 'system',
        enablePrivateClusterPublicFQDN: false,
        ...(cluster.vnetIntegration && { enableVnetIntegration: true }),
        ...(cluster.disableRunCommand && { disableRunCommand: true }),
      },
    },
  };
}

/**
 * Why a cluster does not take a command. Only the first code is on record with its words; the HTTP statuses, and what a stopped
 * cluster or one without run command says, are guesses: Azure documents neither.
 */
export function refusal(cluster: EmulatedCluster, clusterToken: string, nowSeconds: number): ArmError | undefined {
  const provisioning = cluster.provisioningState ?? 'Succeeded';
  if (['Creating', 'Deleting', 'Failed', 'Canceled'].includes(provisioning))
    return armError('BadRequest', "The cluster is being deleted or hasn't been fully provisioned yet.");
  if (cluster.powerState === 'Stopped')
    return armError('OperationNotAllowed', 'Run command cannot be executed: the managed cluster is stopped.');
  if (cluster.disableRunCommand)
    return armError('OperationNotAllowed', 'Run command is disabled on this managed cluster.');
  if (!cluster.aad) return undefined;
  if (clusterToken === '')
    return armError(
      'MissingAADClusterToken',
      'This cluster have Azure Active Directory enabled, .clusterToken is required.',
    );
  const { aud, exp } = claimsOf(clusterToken);
  if (aud !== AKS_SERVER_APP || Number(exp) <= nowSeconds)
    return armError('InvalidAADClusterToken', 'The provided clusterToken is not valid for this cluster.');
  return undefined;
}

/** The signature is the API server's business, not ARM's. */
function claimsOf(token: string): Record<string, unknown> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    return typeof claims === 'object' && claims !== null ? { ...claims } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
