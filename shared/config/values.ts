import type { ArmId } from './config.ts';

/** A checked value, or why it is refused. */
export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

export const ok = <T>(value: T): Checked<T> => ({ ok: true, value });
export const no = (problem: string): { readonly ok: false; readonly problem: string } => ({ ok: false, problem });

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lower-cased: Entra writes GUIDs so in tokens, portals and people do not always. */
export function readGuid(text: string): Checked<string> {
  return guid.test(text)
    ? ok(text.toLowerCase())
    : no(`"${text}" is not a GUID (00000000-0000-0000-0000-000000000000)`);
}

/** What Entra takes as the value of a scope or an app role, except that the first character is not a dot. */
const claimValue = /^(?!\.)[\w:!#$%&'()*+,\-./;<=>?@[\]^`{|}~]{1,120}$/;

/** Scopes of OpenID Connect itself (learn.microsoft.com/entra/identity-platform/scopes-oidc): in no access token for an API. */
const signInScopes = ['openid', 'profile', 'email', 'offline_access'];

/**
 * A delegated scope as it stands in the claim `scp`: its bare value (learn.microsoft.com/graph/api/resources/permissionscope,
 * "value"). One that no token can carry would shut out every user.
 */
export function readScope(text: string): Checked<string> {
  if (text.includes('://') || text.endsWith('/.default') || text === '.default')
    return no(`"${text}" is how a client asks for a scope; in a token stands its value alone, such as Commands.Run`);
  if (signInScopes.includes(text.toLowerCase()))
    return no(`"${text}" is a scope of signing in, and never in a token for the gateway`);
  return claimValue.test(text) ? ok(text) : no(`"${text}" cannot be a scope: no token can carry it`);
}

/** The value of an app role, as it stands in the claim `roles` (learn.microsoft.com/graph/api/resources/approle, "value"). */
export const readAppRole = (text: string): Checked<string> =>
  claimValue.test(text)
    ? ok(text)
    : no(
        `"${text}" cannot be an app role: its value has no spaces, no letters other than a to z, no dot first, and at most 120 characters`,
      );

/** This machine only, by the name itself: nothing is looked up (RFC 6761, 6.3 for localhost). */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);

/** An https URL, or a plain http one on loopback, without a secret in it. */
export function readUrl(text: string): Checked<URL> {
  if (!URL.canParse(text)) return no(`"${text}" is no URL`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return no('must be an https URL');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return no('plain http is for loopback only: everybody on the way could read and change it. Write https');
  }
  if (url.username !== '' || url.password !== '') return no('must not hold a user name or password');
  if (url.search !== '' || url.hash !== '') {
    return no('must not have a query or fragment (a SAS token is a secret and has no place here)');
  }
  return ok(url);
}

/** `https://host[:port]`, without a trailing slash: where Entra's authority or Azure Resource Manager is. */
export function readOrigin(text: string): Checked<string> {
  const url = readUrl(text);
  if (!url.ok) return url;
  return url.value.pathname === '/' ? ok(url.value.origin) : no(`must not have a path: ${url.value.origin}`);
}

const armId =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.ContainerService\/managedClusters\/([^/]+)\/?$/i;
// learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
const resourceGroupPattern = /^(?=.{1,90}$)[\p{L}\p{N}_().-]*[\p{L}\p{N}_()-]$/u;
const clusterName = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;

/** ARM compares ids without regard to case (learn.microsoft.com/azure/azure-resource-manager/management/overview, "Naming"). */
export const sameArmId = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** Takes the id apart and puts it together from its parts, so that no other address is ever called. */
export function readArmId(text: string): Checked<ArmId> {
  const [, subscriptionText = '', resourceGroup = '', name = ''] = armId.exec(text) ?? [];
  if (subscriptionText === '') {
    return no(
      'must be /subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.ContainerService/managedClusters/<name>',
    );
  }
  const subscription = readGuid(subscriptionText);
  if (!subscription.ok) return no(`subscription ${subscription.problem}`);
  if (!resourceGroupPattern.test(resourceGroup)) return no(`"${resourceGroup}" is not the name of a resource group`);
  if (!clusterName.test(name)) return no(`"${name}" is not the name of a managed cluster`);
  const id = `/subscriptions/${subscription.value}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerService/managedClusters/${name}`;
  return ok({ id, subscription: subscription.value, resourceGroup, name });
}

// RFC 1123 label, as Kubernetes names namespaces.
const dnsLabel = /^(?=.{1,63}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
export const isDnsLabel = (text: string): boolean => dnsLabel.test(text);

const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})$/;
/** Names that the file gives: clusters stand in URLs, roles in impersonated groups. */
export const isName = (text: string): boolean => namePattern.test(text);

export const isEnvName = (text: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
