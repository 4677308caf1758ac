import type { IncomingMessage } from 'node:http';
import type { Answer } from './answers.ts';
import { armError } from './wire.ts';

/** What a cloud tells of itself, so that `az` and others find their way: its addresses, its tenants, its subscriptions. */
export interface Cloud {
  /** Entra's address; the host's own by default, where something before both tells them apart. */
  readonly authority?: string | undefined;
  readonly tenants: readonly string[];
  readonly subscriptions: readonly string[];
}

/** By the Host that was asked, since there may be something before this that speaks TLS. */
const addressOf = ({ headers }: IncomingMessage): string =>
  `${headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${headers.host ?? ''}`;

/** Where something that speaks TLS stands before this, a Location leads there too: az sends its token over nothing else. */
export function asAsked(
  request: IncomingMessage,
  headers: Readonly<Record<string, string>>,
  own: string,
): Readonly<Record<string, string>> {
  const { location } = headers;
  const asked = addressOf(request);
  if (!asked.startsWith('https:') || !location?.startsWith(own)) return headers;
  return { ...headers, location: asked + location.slice(own.length) };
}

/** The one version that answers with a list of clouds; the others, by which az and terraform ask, answer with one. */
const LISTS = '2019-05-01';

/** GET /metadata/endpoints, which nobody needs a token for. */
export function endpoints(request: IncomingMessage, url: URL, { authority, tenants }: Cloud): Answer {
  const own = addressOf(request);
  const login = own.startsWith('https:') ? own : (authority ?? own);
  const authentication = {
    loginEndpoint: login,
    audiences: [own],
    tenant: tenants[0] ?? 'common',
    identityProvider: 'AAD',
  };
  const cloud = {
    name: 'AksgwEmulated',
    portal: own,
    authentication,
    graphAudience: own,
    graph: own,
    gallery: own,
    media: own,
    batch: own,
    sqlManagement: own,
    resourceManager: own,
    suffixes: {},
  };
  return { status: 200, body: url.searchParams.get('api-version') === LISTS ? [cloud] : cloud };
}

export const tenantList = ({ tenants }: Cloud): Answer => ({
  status: 200,
  body: { value: tenants.map((tenantId) => ({ id: `/tenants/${tenantId}`, tenantId })) },
});

export const subscriptionList = (cloud: Cloud): Answer => ({
  status: 200,
  body: { value: cloud.subscriptions.map((id) => subscriptionView(id, cloud)) },
});

export function subscription(id: string, cloud: Cloud): Answer {
  const known = cloud.subscriptions.find((one) => one.toLowerCase() === id.toLowerCase());
  if (known !== undefined) return { status: 200, body: subscriptionView(known, cloud) };
  return { status: 404, body: armError('SubscriptionNotFound', `The subscription '${id}' could not be found.`) };
}

const subscriptionView = (id: string, { tenants }: Cloud) => ({
  id: `/subscriptions/${id}`,
  authorizationSource: 'RoleBased',
  managedByTenants: [],
  subscriptionId: id,
  tenantId: tenants[0],
  displayName: 'Emulated',
  state: 'Enabled',
  subscriptionPolicies: {
    locationPlacementId: 'Public_2014-09-01',
    quotaId: 'PayAsYouGo_2014-09-01',
    spendingLimit: 'Off',
  },
});
