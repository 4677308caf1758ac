import { join } from 'node:path';
import { NotRun, UsageError } from '../exits.ts';
import { homeOf, readPrivate, writePrivate } from '../home.ts';
import type { Host } from '../host.ts';
import { whileLocked } from '../lock.ts';
import { gatewayAddress, isEntra } from '../sign-in/discover.ts';
import { assertOwnApplication, guid as guidPattern, type Pin } from '../sign-in/pin.ts';

export const methods = ['azure-cli', 'device-code', 'browser', 'managed-identity', 'workload-identity'] as const;
export type Method = (typeof methods)[number];

interface SignIn extends Pin {
  readonly method: Method;
  readonly clientId?: string | undefined;
}

/** A gateway that the person has signed in to, and what they use there. */
export interface Context {
  readonly name: string;
  readonly url: string;
  readonly cluster?: string | undefined;
  readonly reason?: string | undefined;
  readonly signIn: SignIn;
}

/** `config.yaml`: its keys are those of a kubeconfig where there are such. */
interface Contexts {
  readonly current: string | undefined;
  readonly items: readonly Context[];
}

export const pathOf = ({ env }: Pick<Host, 'env'>): string => join(homeOf(env), 'config.yaml');

/**
 * Every context. Throws NotRun, with the path, for a file that is not understood, or that would send a token where `login` sends none: it may have
 * come with somebody else's folder.
 */
export async function readContexts(host: Pick<Host, 'env'>): Promise<Contexts> {
  const path = pathOf(host);
  const text = readPrivate(path);
  if (text === undefined) return { current: undefined, items: [] };
  const { parse } = await import('yaml');
  try {
    const file = membersOf(parse(text), ['current-context', 'contexts']);
    const items = Array.isArray(file['contexts']) ? file['contexts'].map(contextOf) : [];
    const current = file['current-context'];
    return { current: typeof current === 'string' && current !== '' ? current : undefined, items };
  } catch (error) {
    throw new NotRun(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Changes what there is, one process after the other. Throws as `readContexts` does, and NotRun where it cannot be written. */
export async function changeContexts(
  host: Pick<Host, 'env' | 'signal'>,
  change: (contexts: Contexts) => Contexts,
): Promise<void> {
  const path = pathOf(host);
  await whileLocked(path, host, async () => {
    const changed = change(await readContexts(host));
    try {
      await writeContexts(changed, host);
    } catch (error) {
      throw new NotRun(`${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
}

async function writeContexts({ current, items }: Contexts, host: Pick<Host, 'env'>): Promise<void> {
  const { stringify } = await import('yaml');
  const contexts = items.map(({ name, url, cluster, reason, signIn }) => ({
    name,
    url,
    ...(cluster !== undefined && { cluster }),
    ...(reason !== undefined && { reason }),
    'sign-in': {
      method: signIn.method,
      application: signIn.application,
      authority: signIn.authority,
      tenant: signIn.tenant,
      ...(signIn.clientId !== undefined && { 'client-id': signIn.clientId }),
    },
  }));
  writePrivate(pathOf(host), stringify({ 'current-context': current ?? '', contexts }));
}

/** The context of this name. Throws UsageError. */
export function named({ items }: Contexts, name: string): Context {
  const found = items.find((context) => context.name === name);
  if (found) return found;
  throw new UsageError(`there is no context ${JSON.stringify(name)}; aksgw config get-contexts shows them`);
}

function contextOf(value: unknown): Context {
  const { name, url, cluster, reason, ...rest } = membersOf(value, ['name', 'url', 'cluster', 'reason', 'sign-in']);
  const given = membersOf(rest['sign-in'], ['method', 'application', 'authority', 'tenant', 'client-id']);
  const method = methods.find((known) => known === given['method']);
  if (method === undefined) throw new Error(`sign-in.method has to be one of ${methods.join(', ')}`);
  const address = gatewayAddress(text(url, 'url'));
  const authority = text(given['authority'], 'authority');
  if (!isEntra(authority, address)) throw new Error(`sign-in.authority is ${authority}, which is not Entra's`);
  const application = guid(given['application'], 'application');
  assertOwnApplication(application);
  return {
    name: text(name, 'name'),
    url: address,
    cluster: optional(cluster, 'cluster'),
    reason: optional(reason, 'reason'),
    signIn: {
      method,
      application,
      authority,
      tenant: guid(given['tenant'], 'tenant'),
      clientId: optional(given['client-id'], 'client-id'),
    },
  };
}

function membersOf(value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('is not a mapping');
  for (const key of Object.keys(value)) if (!known.includes(key)) throw new Error(`does not know the key ${key}`);
  return Object.fromEntries(Object.entries(value));
}

function text(value: unknown, key: string): string {
  if (typeof value !== 'string' || value === '') throw new Error(`${key} has to be a string`);
  return value;
}

const optional = (value: unknown, key: string): string | undefined =>
  value === undefined || value === null ? undefined : text(value, key);

function guid(value: unknown, key: string): string {
  if (typeof value === 'string' && guidPattern.test(value)) return value;
  throw new Error(`sign-in.${key} has to be a GUID in lower case`);
}
