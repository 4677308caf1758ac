import { refuse } from '../../lib/refuse.ts';
import type { Parsed } from '../parsed.ts';
import { compareVersions, type PodTools } from '../pod-tools.ts';
import { versionsOf, type Flag } from './grammar.ts';

/**
 * Holds a command against the version of the tool in the cluster's pod, which is neither the newest nor of our choosing. What that tool does
 * not know is refused, Problem `command-refused`; while the pod has not told its version, the caller is warned instead.
 */
export function checkVersions(parsed: Parsed, tools: PodTools | undefined): readonly string[] {
  const { tool } = parsed;
  const pod = tools?.[tool];
  const words = versionedWords(parsed, pod);
  if (pod === undefined) return words.flatMap((word) => warningsOf(tool, word));
  for (const word of words) checkWord(tool, pod, word);
  return outside(tool, pod);
}

/** What not every version knows of a command: most commands have nothing of it. */
function versionedWords({ tool, command, flags }: Parsed, pod: string | undefined): readonly VersionedWord[] {
  const words: VersionedWord[] = [];
  const valued: VersionedWord[] = [];
  if (isVersioned(command)) words.push({ word: command.name, since: command.since, gone: command.gone });
  for (const [name, values] of flags) {
    const flag = command.long(name);
    if (flag === undefined) continue;
    const asEver = isAsEver(tool, name, values);
    if (isVersioned(flag))
      words.push({ word: `--${name}`, since: pod !== undefined && asEver ? undefined : flag.since, gone: flag.gone });
    const value =
      flag.words === undefined || asEver ? undefined : values.find((one) => one !== 'true' && one !== 'false');
    if (value !== undefined) valued.push({ word: `--${name}=${value}`, since: flag.words, gone: undefined });
  }
  return [...words, ...valued];
}

const isVersioned = ({ since, gone }: Pick<Flag, 'since' | 'gone'>): boolean =>
  since !== undefined || gone !== undefined;

/** helm's --dry-run was a boolean, and is sent as one to those that know no other (helm/flags.ts); to ask the server is newer. */
const isAsEver = (tool: Parsed['tool'], name: string, values: readonly string[]): boolean =>
  tool === 'helm' && name === 'dry-run' && !values.includes('server');

interface VersionedWord {
  readonly word: string;
  /** The first version that knows it, where not all do. */
  readonly since: string | undefined;
  /** The next major version that does not know it. */
  readonly gone: string | undefined;
}

function warningsOf(tool: Parsed['tool'], { word, since, gone }: VersionedWord): string[] {
  return [
    ...(since === undefined ? [] : [`${word} is known to ${tool} ${since}, and not to every older one.`]),
    ...(gone === undefined ? [] : [`${word} is not known to ${tool} ${gone}.`]),
  ];
}

function checkWord(tool: Parsed['tool'], pod: string, { word, since, gone }: VersionedWord): void {
  const theirs = `the pod of this cluster has ${tool} ${pod}`;
  if (since !== undefined && compareVersions(pod, since) < 0)
    throw refuse(word, `is known to ${tool} ${since} and later; ${theirs}`);
  if (gone !== undefined && compareVersions(pod, gone) >= 0)
    throw refuse(word, `is not known to ${tool} ${gone} and later; ${theirs}`);
}

/** Outside the versions that were read, a command may mean something else than what was judged. */
function outside(tool: Parsed['tool'], pod: string): string[] {
  const versions = versionsOf(tool);
  const [oldest = pod] = versions;
  const newest = versions.at(-1) ?? pod;
  if (compareVersions(pod, oldest) >= 0 && compareVersions(pod, newest) <= 0) return [];
  return [`The pod of this cluster has ${tool} ${pod}; the gateway knows ${oldest} to ${newest}.`];
}
