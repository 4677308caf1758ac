import type { Parsed } from '../parsed.ts';
import { commandOf } from './grammar.ts';

/** What the caller should know of versions: the tool in AKS' pod is neither the newest nor of our choosing. */
export function versionWarnings({ tool, path, flags }: Parsed): string[] {
  const command = commandOf(tool, path);
  const warnings: string[] = [];
  const since = (what: string, version: string): string =>
    `${what} is known to ${tool} ${version}, and not to every older one.`;
  if (command?.since !== undefined) warnings.push(since(path.join(' '), command.since));
  for (const name of flags.keys()) {
    const flag = command?.long(name);
    if (flag?.since !== undefined) warnings.push(since(`--${name}`, flag.since));
    if (flag?.gone !== undefined) warnings.push(`--${name} is not known to ${tool} ${flag.gone}.`);
  }
  return warnings;
}
