import type { Host } from '../../host.ts';

/** What every command about the trail takes, and what those take that look at a time only. */
export const common = { config: { type: 'string', short: 'c' }, help: { type: 'boolean' } } as const;
export const range = { since: { type: 'string' }, until: { type: 'string' } } as const;

/** What they can do, asked for or not: then the exit code says that something else was. */
export function explain(
  { stderr }: Pick<Host, 'stderr'>,
  text: string,
  { help }: { readonly help?: boolean | undefined },
): 0 | 2 {
  stderr.write(text);
  return help ? 0 : 2;
}

interface Times {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Epoch ms. Throws Error for what is not a time. */
export const timesOf = ({ since, until }: Times) => ({
  since: timeOf('--since', since),
  until: timeOf('--until', until),
});

/** Epoch ms. Throws Error for what is not a time. */
export function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new Error(`${name} has to be a time such as 2026-01-31T08:00:00Z`);
  return ms;
}
