/** Where the resources of a kind stand: the provider namespace and its types, one name after each. */
const resourcePaths: Readonly<Record<string, string>> = {
  AuthorizationRule: 'Microsoft.EventHub/namespaces/authorizationRules',
  DataCollectionEndpoint: 'Microsoft.Insights/dataCollectionEndpoints',
  DataCollectionRule: 'Microsoft.Insights/dataCollectionRules',
  DdosProtectionPlan: 'Microsoft.Network/ddosProtectionPlans',
  DiskEncryptionSet: 'Microsoft.Compute/diskEncryptionSets',
  DnsZone: 'Microsoft.Network/dnsZones',
  KeyVault: 'Microsoft.KeyVault/vaults',
  NatGateway: 'Microsoft.Network/natGateways',
  PrivateDnsZone: 'Microsoft.Network/privateDnsZones',
  PublicIPAddress: 'Microsoft.Network/publicIPAddresses',
  PublicIPPrefix: 'Microsoft.Network/publicIPPrefixes',
  Registry: 'Microsoft.ContainerRegistry/registries',
  RouteTable: 'Microsoft.Network/routeTables',
  StorageAccount: 'Microsoft.Storage/storageAccounts',
  StorageContainer: 'Microsoft.Storage/storageAccounts/blobServices/containers',
  Subnet: 'Microsoft.Network/virtualNetworks/subnets',
  UserAssignedIdentity: 'Microsoft.ManagedIdentity/userAssignedIdentities',
  VirtualNetwork: 'Microsoft.Network/virtualNetworks',
  Workspace: 'Microsoft.OperationalInsights/workspaces',
};

const NAME = '[^/]+';
const SUBSCRIPTION = `/subscriptions/${NAME}`;

/** Ids that are not those of a resource in a resource group. */
const otherIds: Readonly<Record<string, RegExp>> = {
  Application: /^\/applications\/[0-9a-f-]{36}$/,
  ManagementGroup: new RegExp(`^/providers/Microsoft.Management/managementGroups/${NAME}$`),
  ResourceGroup: new RegExp(`^${SUBSCRIPTION}/resourceGroups/${NAME}$`),
  Subscription: new RegExp(`^${SUBSCRIPTION}$`),
};

/** How an id of a kind is written, with the capitals that the provider's parser wants; undefined for a kind not listed here. */
export function idPattern(kind: string): RegExp | undefined {
  const path = resourcePaths[kind];
  if (path === undefined) return otherIds[kind];
  const [namespace = '', ...types] = path.split('/');
  const names = types.map((type) => `/${type}/${NAME}`).join('');
  return new RegExp(`^${SUBSCRIPTION}/resourceGroups/${NAME}/providers/${namespace}${names}$`);
}
