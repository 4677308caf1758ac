import { UsageError } from '../exits.ts';
import { answer, type Host } from '../host.ts';
import { table } from '../table.ts';
import { changeContexts, named, readContexts } from './contexts.ts';

/** `aksgw config get-contexts | use-context | current-context | set | delete-context`, as kubectl's. Throws UsageError. */
export async function contextCommand(argv: readonly string[], host: Host): Promise<number> {
  const [verb = '', ...words] = argv;
  const contexts = await readContexts(host);
  const { current, items } = contexts;
  const takes = (count: number, form: string): readonly string[] => {
    if (words.length === count) return words;
    throw new UsageError(`aksgw config ${verb} ${form}`.trim());
  };
  switch (verb) {
    case 'get-contexts': {
      takes(0, '');
      const rows = items.map(({ name, url, cluster, signIn }) => [
        name === current ? '*' : '',
        name,
        url,
        cluster ?? '',
        signIn.method,
        signIn.application,
      ]);
      return answer(host, table(['CURRENT', 'NAME', 'URL', 'CLUSTER', 'SIGN-IN', 'APPLICATION'], rows));
    }
    case 'current-context':
      takes(0, '');
      if (current === undefined) throw new UsageError('there is no current context: aksgw login URL makes one');
      return answer(host, current);
    case 'use-context': {
      const [name = ''] = takes(1, 'NAME');
      await changeContexts(host, (now) => ({ ...now, current: named(now, name).name }));
      return answer(host, `Switched to context "${name}".`);
    }
    case 'delete-context': {
      const [name = ''] = takes(1, 'NAME');
      const gone = named(contexts, name);
      const { forget } = await import('../sign-in/token-cache.ts');
      await forget(gone, host);
      await changeContexts(host, (now) => ({
        current: now.current === name ? undefined : now.current,
        items: now.items.filter((context) => context.name !== name),
      }));
      return answer(host, `Deleted context "${name}".`);
    }
    case 'set': {
      const [key = '', value = ''] = takes(2, 'cluster|reason VALUE');
      if (key !== 'cluster' && key !== 'reason')
        throw new UsageError(`set takes cluster or reason, not ${JSON.stringify(key)}: the rest comes by aksgw login`);
      if (current === undefined) throw new UsageError('there is no current context: aksgw login URL makes one');
      const changed = value === '' ? undefined : value;
      await changeContexts(host, (now) => ({
        ...now,
        items: now.items.map((one) => (one.name === current ? { ...one, [key]: changed } : one)),
      }));
      return answer(host, `Set ${key} of context "${current}".`);
    }
    default:
      throw new UsageError(`aksgw config has get-contexts, use-context, current-context, set and delete-context`);
  }
}
