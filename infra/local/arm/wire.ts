/** How AKS writes its answers, as in the recordings of test/relay/recordings.test.ts. */

/** Go's encoding/json escapes what could end a script in HTML; the recordings show `\u003cnone\u003e`. */
export const goJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** UTC in whole seconds, as `startedAt` and `finishedAt` have it. */
export const wholeSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** The most output that a result holds (documented: 512 kB). */
export const OUTPUT_LIMIT = 512 * 1024;

/** Which end of an output that is too long is lost. Azure does not say; neither may be relied on. */
export type Cut = 'head' | 'tail';

/** Bytes, not characters: a character cut in two becomes U+FFFD, as Go's encoder does. */
export function cutOutput(logs: string, lost: Cut): string {
  const bytes = Buffer.from(logs, 'utf8');
  if (bytes.length <= OUTPUT_LIMIT) return logs;
  return (lost === 'tail' ? bytes.subarray(0, OUTPUT_LIMIT) : bytes.subarray(-OUTPUT_LIMIT)).toString('utf8');
}

export interface ArmError {
  readonly error: { readonly code: string; readonly message: string; readonly details?: readonly unknown[] };
}

export const armError = (code: string, message: string): ArmError => ({ error: { code, message } });

export interface ManagedClusterName {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly name: string;
}

/** What a path below the emulated ARM asks for. ARM compares paths without regard to case. */
export type Route =
  | { readonly kind: 'cluster' | 'runCommand'; readonly cluster: ManagedClusterName }
  | { readonly kind: 'commandResult'; readonly cluster: ManagedClusterName; readonly commandId: string }
  | { readonly kind: 'endpoints' | 'subscriptions' | 'tenants' }
  | { readonly kind: 'subscription'; readonly subscription: string }
  | { readonly kind: 'none' };

const clusterPath =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.ContainerService\/managedClusters\/([^/]+)(?:\/(runCommand)|\/commandResults\/([^/]+))?$/i;

export function routeOf(path: string): Route {
  const list = /^\/(metadata\/endpoints|subscriptions|tenants)\/?$/i.exec(path)?.[1]?.toLowerCase();
  if (list !== undefined) return { kind: list === 'subscriptions' || list === 'tenants' ? list : 'endpoints' };
  const [, one] = /^\/subscriptions\/([^/]+)\/?$/i.exec(path) ?? [];
  if (one !== undefined) return { kind: 'subscription', subscription: one };
  const match = clusterPath.exec(path);
  if (!match) return { kind: 'none' };
  const [, subscription = '', resourceGroup = '', name = '', run, commandId] = match;
  const cluster = { subscription, resourceGroup, name };
  if (commandId !== undefined) return { kind: 'commandResult', cluster, commandId };
  return { kind: run === undefined ? 'cluster' : 'runCommand', cluster };
}
