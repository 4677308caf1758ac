/** What /.well-known/oauth-protected-resource tells (RFC 9728). */
interface Metadata {
  readonly scope: string;
  readonly tenants: readonly string[];
}

/**
 * Where the wrapper's token comes from: AKSGW_TOKEN as it is; else the Azure sign-in that the machine has (Azure CLI, managed
 * identity, environment; @azure/identity's default chain), for the scope that the gateway itself names.
 */
export function tokenSource(url: string, env: NodeJS.ProcessEnv, send: typeof fetch = fetch): () => Promise<string> {
  const given = env['AKSGW_TOKEN'];
  if (given) return () => Promise.resolve(given);
  let credential: Promise<() => Promise<string>> | undefined;
  return async () => (await (credential ??= signIn(url, send)))();
}

async function signIn(url: string, send: typeof fetch): Promise<() => Promise<string>> {
  const response = await send(`${url.replace(/\/+$/, '')}/.well-known/oauth-protected-resource`);
  if (!response.ok) throw new Error(`${url} does not say where to get a token (${response.status}); set AKSGW_TOKEN`);
  const { scope, tenants } = (await response.json()) as Metadata;
  const { DefaultAzureCredential } = await import('@azure/identity');
  const [tenantId] = tenants;
  const credential = new DefaultAzureCredential(tenantId === undefined ? {} : { tenantId });
  return async () => (await credential.getToken(scope)).token;
}
