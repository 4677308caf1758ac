import { parseArgs } from 'node:util';
import { contextOf, type Options } from '../connect.ts';
import { changeContexts, methods, readContexts, type Context, type Method } from '../contexts/contexts.ts';
import { NotRun, UsageError } from '../exits.ts';
import { answer, tell, type Host } from '../host.ts';
import { findProgram } from '../programs.ts';
import { discover, gatewayAddress } from '../sign-in/discover.ts';
import { guid } from '../sign-in/pin.ts';
import { signIn } from '../sign-in/sign-in.ts';

/**
 * `aksgw login URL`: learns from the address what to sign in for, signs in, and makes it the current context. What a context was pinned to
 * at its first sign-in never changes. Throws NotRun, UsageError.
 */
export async function login(argv: readonly string[], options: Options, host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      method: { type: 'string', short: 'm' },
      tenant: { type: 'string' },
      'client-id': { type: 'string' },
      name: { type: 'string' },
    },
  });
  const known = positionals.length === 0 ? await contextOf(options, host) : undefined;
  const given = positionals[0] ?? options.url ?? known?.url;
  if (given === undefined || positionals.length > 1) throw new UsageError('aksgw login URL');
  const url = gatewayAddress(given);
  const contexts = await readContexts(host);
  const name = values.name ?? options.context ?? known?.name ?? nameOf(url, contexts.items);
  const before = contexts.items.find((context) => context.name === name);
  if (before && before.url !== url)
    throw new UsageError(`context ${name} is ${before.url}; give this one another --name`);

  const found = await discover(url, undefined, host.signal);
  const tenant = tenantOf(values.tenant ?? before?.signIn.tenant, found.tenants, url);
  const { application, authority } = found;
  for (const [what, was, is] of [
    ['application', before?.signIn.application, application],
    ['Entra', before?.signIn.authority, authority],
    ['tenant', before?.signIn.tenant, tenant],
  ] as const)
    if (was !== undefined && was !== is)
      throw new NotRun(
        `${url} now names another ${what}: ${is}, and was pinned to ${was}. If its operator says that this is right: aksgw config delete-context ${name}`,
      );

  const method = methodOf(values.method ?? before?.signIn.method, host);
  const clientId = values['client-id'] ?? before?.signIn.clientId;
  const context: Context = {
    name,
    url,
    cluster: options.cluster ?? before?.cluster,
    reason: before?.reason,
    signIn: { application, authority, tenant, method, ...(clientId !== undefined && { clientId }) },
  };
  tell(
    host,
    `signing in by ${method} for application ${application} of tenant ${tenant} (${authority}), and nothing else`,
  );
  const same = contexts.items.find((other) => other.signIn.application === application && other.url !== url);
  // Nothing in a token says which address it is for: who has it could use it at the other one.
  if (same)
    tell(
      host,
      `warning: ${same.url} is the same application: what signs you in here is good there too. Is this its operator's?`,
    );
  await signIn(context, host);
  await changeContexts(host, ({ items }) => ({
    current: name,
    items: [...items.filter((other) => other.name !== name), context],
  }));
  return answer(host, `Signed in to ${url}. Context "${name}" remembers that it is application ${application}.`);
}

/** `aksgw logout`: forgets the tokens. The context, and with it what the gateway was pinned to, stays. */
export async function logout(options: Options, host: Host): Promise<number> {
  const context = await contextOf(options, host);
  if (!context) throw new UsageError('nobody is signed in here');
  const { forget } = await import('../sign-in/token-cache.ts');
  await forget(context, host);
  return answer(host, `Signed out of ${context.url}.`);
}

function methodOf(given: string | undefined, { env, stderr }: Host): Method {
  if (given !== undefined) {
    const method = methods.find((known) => known === given);
    if (method) return method;
    throw new UsageError(`--method has to be one of ${methods.join(', ')}`);
  }
  if (env['AZURE_FEDERATED_TOKEN_FILE']) return 'workload-identity';
  if (env['IDENTITY_ENDPOINT'] && env['IDENTITY_HEADER']) return 'managed-identity';
  if (findProgram('az', env) !== undefined) return 'azure-cli';
  const screen = process.platform !== 'linux' || env['DISPLAY'] || env['WAYLAND_DISPLAY'] || env['BROWSER'];
  return stderr.isTTY && screen && !env['SSH_CONNECTION'] ? 'browser' : 'device-code';
}

function tenantOf(given: string | undefined, tenants: readonly string[], url: string): string {
  const [only = ''] = tenants;
  if (given === undefined && tenants.length === 1) return only;
  if (given !== undefined && guid.test(given) && tenants.includes(given)) return given;
  throw new UsageError(`${url} takes people of ${tenants.join(', ')}: give one of them as --tenant`);
}

/** The context of this address, or a new one named after its host. */
function nameOf(url: string, contexts: readonly Context[]): string {
  const same = contexts.find((context) => context.url === url);
  if (same) return same.name;
  const { host, pathname } = new URL(url);
  const plain = `${host}${pathname === '/' ? '' : pathname}`.replace(/[^\w.-]+/g, '-');
  return plain;
}
