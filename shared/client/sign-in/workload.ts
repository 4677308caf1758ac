import { readFileSync } from 'node:fs';
import { NotRun } from '../exits.ts';
import type { Host } from '../host.ts';
import { readText, reasonOf, send as sendByNode, type Send } from '../transport.ts';
import { EntraError, postForm, tokensOf, type Tokens } from './entra.ts';
import { scopeOf, type Pin } from './pin.ts';

/**
 * Workload identity: the token of a Kubernetes service account (AZURE_FEDERATED_TOKEN_FILE) for one of Entra
 * (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, "federated credential"). It goes to the pinned tenant,
 * whatever AZURE_AUTHORITY_HOST says.
 */
export async function workloadIdentity(pin: Pin, { env, signal }: Host, send?: Send): Promise<Tokens> {
  const { AZURE_FEDERATED_TOKEN_FILE: file, AZURE_CLIENT_ID: clientId } = env;
  if (!file || !clientId) throw new NotRun('workload identity needs AZURE_FEDERATED_TOKEN_FILE and AZURE_CLIENT_ID');
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: readFileSync(file, 'utf8').trim(),
    scope: scopeOf(pin),
  };
  try {
    return tokensOf(await postForm(pin, 'token', form, { signal, send }));
  } catch (error) {
    if (error instanceof EntraError) throw new NotRun(`workload identity: ${error.code}: ${error.message}`);
    throw error;
  }
}

const IMDS = 'http://169.254.169.254/metadata/identity/oauth2/token';
const MOST_BYTES = 64 * 1024;

/**
 * Managed identity: of App Service and Functions by IDENTITY_ENDPOINT, of a virtual machine by its metadata service
 * (learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference";
 * learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
 */
export async function managedIdentity(
  pin: Pin,
  clientId: string | undefined,
  { env, signal }: Host,
  send: Send = sendByNode,
): Promise<Tokens> {
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: secret } = env;
  const service = endpoint !== undefined && secret !== undefined;
  const query = new URLSearchParams({
    'api-version': service ? '2019-08-01' : '2018-02-01',
    resource: pin.application,
    ...(clientId !== undefined && { client_id: clientId }),
  });
  const url = service ? endpoint : IMDS;
  try {
    const answer = await send(`${url}?${query.toString()}`, {
      method: 'GET',
      headers: service ? { 'x-identity-header': secret } : { metadata: 'true' },
      ...(signal && { signal }),
    });
    const text = await readText(answer, MOST_BYTES);
    if (answer.status !== 200) throw new Error(`answers ${answer.status}: ${text.slice(0, 300)}`);
    return tokensOf(JSON.parse(text) as Record<string, unknown>);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new NotRun(`managed identity: ${reasonOf(error, url)}`, { cause: error });
  }
}
