import { systemClock, systemEntropy } from '../../../shared/clock.ts';
import type { Cluster } from '../../../shared/config/config.ts';
import { createRelay, type RelayOptions } from '../../../shared/relay/create.ts';
import { Secret } from '../../../shared/secret.ts';

export const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
export const RESOURCE = `/subscriptions/${SUBSCRIPTION}/resourceGroups/clitest000001/providers/Microsoft.ContainerService/managedClusters/cmdtest000002`;
export const ID = '476c56420763494ca19c24e67f15f66e';
export const NONCE = '0123456789abcdef0123456789abcdef';

export const cluster: Cluster = {
  name: 'demo',
  arm: { id: RESOURCE, subscription: SUBSCRIPTION, resourceGroup: 'clitest000001', name: 'cmdtest000002' },
  runAs: 'gateway',
  impersonate: false,
  defaultNamespace: 'default',
  resources: [],
};

/** R1: 202 Accepted, empty body, lower-case "managedclusters", no Retry-After, no Azure-AsyncOperation. */
export const accepted = {
  status: 202,
  headers: {
    'cache-control': 'no-cache',
    'content-length': '0',
    expires: '-1',
    location: `https://management.azure.com/subscriptions/${SUBSCRIPTION}/resourceGroups/clitest000001/providers/Microsoft.ContainerService/managedclusters/cmdtest000002/commandResults/${ID}?api-version=2022-04-01`,
    pragma: 'no-cache',
    server: 'nginx',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-ms-ratelimit-remaining-subscription-writes': '1199',
  },
};
export const json = { 'content-type': 'application/json' };
/** R1: 104 bytes, which this body is when it is indented by two. */
export const running = {
  status: 202,
  headers: { ...json, location: accepted.headers.location },
  body: JSON.stringify({ id: ID, properties: { provisioningState: 'Running' } }, undefined, 2),
};
export const ended = (properties: string) => ({
  status: 200,
  headers: json,
  body: `{"id":"${ID}","properties":{${properties}}}`,
});

/** A relay to that address, with a credential that always has a token; anything can be replaced. */
export const relayTo = (url: string, options: Partial<RelayOptions> = {}) =>
  createRelay({
    config: () => ({
      azure: { resourceManager: url, credential: { kind: 'default' } },
      identity: { authority: 'https://login.microsoftonline.com', tenants: [], audience: '', scopes: [] },
    }),
    credential: () => Promise.resolve(new Secret('arm-token')),
    clock: systemClock,
    entropy: systemEntropy,
    holder: 'test',
    ...options,
  });

/** Nothing stands in the way of the POST. */
export const unfenced = {
  authorise: () => Promise.resolve({}),
  permit: () => Promise.resolve(),
  fence: () => undefined,
};

export const submission = (...words: string[]) => ({
  cluster,
  ...unfenced,
  sent: { words, files: [], secret: false },
  nonce: NONCE,
  timeoutSeconds: 30,
  owner: 'user:t:o',
});
export const run = () => ({
  cluster,
  commandId: ID,
  nonce: NONCE,
  owner: 'user:t:o',
  timeoutSeconds: 30,
  submittedAt: Date.now(),
});
