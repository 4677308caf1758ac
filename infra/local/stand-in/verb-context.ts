import type { Client } from './client.ts';
import type { Arguments } from './arguments.ts';

/** What a verb works with. */
export interface Surroundings {
  readonly client: Client;
  readonly label: string;
  /** The objects of a manifest. */
  readonly read: (path: string) => unknown[];
  readonly yaml: (value: unknown) => string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The same with the command line that is run. */
export interface VerbContext extends Surroundings, Arguments {
  /** '' for all of them. */
  readonly namespace: string;
  /** Whether a flag that needs no value is set. */
  readonly on: (name: string) => boolean;
}

export const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
export const MERGE = 'application/merge-patch+json';

export function contextOf(given: Arguments, around: Surroundings): VerbContext {
  const { flags } = given;
  const on = (name: string): boolean => flags.has(name) && flags.get(name) !== 'false';
  return { ...around, ...given, on, namespace: on('all-namespaces') ? '' : (flags.get('namespace') ?? 'default') };
}

/** Which objects are meant: parameters of a list. */
export function query({ flags }: VerbContext): string {
  const wanted = new URLSearchParams();
  if (flags.has('selector')) wanted.set('labelSelector', flags.get('selector') ?? '');
  if (flags.has('field-selector')) wanted.set('fieldSelector', flags.get('field-selector') ?? '');
  return wanted.size > 0 ? `?${wanted.toString()}` : '';
}

const validations: Readonly<Record<string, string>> = { strict: 'Strict', warn: 'Warn', ignore: 'Ignore' };

/** Who writes, and whether the API server takes a field that it does not know: parameters of a write. */
export function writing({ flags, on, verb }: VerbContext): string {
  const wanted = new URLSearchParams();
  const manager = flags.get('field-manager') ?? (on('server-side') ? 'kubectl' : undefined);
  if (manager !== undefined) wanted.set('fieldManager', manager);
  const validation = validations[flags.get('validate') ?? 'strict'];
  if (validation === undefined) throw new Error(`invalid - validate option ${flags.get('validate') ?? ''}`);
  if (verb === 'apply') wanted.set('fieldValidation', validation);
  return wanted.size > 0 ? `?${wanted.toString()}` : '';
}
