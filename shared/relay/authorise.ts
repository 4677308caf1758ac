import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { ClusterView } from './arm-answers.ts';
import type { Credential } from './credential.ts';
import { AKS_SCOPE, type OnBehalfOf } from './on-behalf-of.ts';
import type { Caller } from '../identity/principal.ts';
import type { ClusterAuthority } from './relay.ts';
import { untilAborted } from '../lib/abort.ts';

/**
 * As whom the command runs in the cluster; without a caller it is one of the gateway's own. `runAs` is held against what the cluster is, and where the two do not fit the answer is
 * no: falling back to the gateway's own rights would make it a confused deputy.
 */
export async function authorise(
  cluster: Cluster,
  view: ClusterView,
  caller: Caller | undefined,
  { onBehalfOf, credential }: { readonly onBehalfOf: OnBehalfOf; readonly credential: Credential },
  signal?: AbortSignal,
): Promise<ClusterAuthority> {
  if (cluster.runAs === 'gateway') {
    // Without Entra integration run command works with a service account of its own for every caller.
    if (!view.entra) return {};
    return { clusterToken: await untilAborted(ownToken(credential), signal) };
  }
  if (!view.entra)
    throw new Problem(
      'azure-refused',
      `The cluster ${cluster.name} is set to run commands as the caller, but it has no Entra integration: they would run as cluster-admin. Nothing ran; the operator has to correct runAs or the cluster.`,
    );
  if (caller?.principal.kind !== 'user' || !caller.token)
    throw new Problem(
      'user-required',
      `The cluster ${cluster.name} runs commands as the user who calls, and Entra's on-behalf-of flow is for users only. Nothing ran.`,
    );
  return { clusterToken: await untilAborted(onBehalfOf(caller.principal, caller.token), signal) };
}

async function ownToken(credential: Credential) {
  try {
    return await credential(AKS_SCOPE);
  } catch (error) {
    throw new Problem(
      'identity-unavailable',
      `The gateway could not get its own token for the cluster (${error instanceof Error ? error.name : 'unknown error'}). Nothing ran.`,
      { retryAfter: 5 },
    );
  }
}
