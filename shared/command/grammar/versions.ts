import { refuse } from '../../lib/refuse.ts';
import type { Parsed } from '../parsed.ts';
import { compareVersions, type PodTools } from '../pod-tools.ts';
import { commandOf, versionsOf } from './grammar.ts';

/**
 * Holds a command against the version of the tool in the cluster's pod, which is neither the newest nor of our choosing. What that tool does
 * not know is refused, Problem `command-refused`; while the pod has not told its version, the caller is warned instead.
 */
export function checkVersions({ tool, path, flags }: Parsed, tools: PodTools | undefined): string[] {
  const pod = tools?.[tool];
  const command = commandOf(tool, path);
  const words = [
    { word: path.join(' '), since: command?.since, gone: command?.gone },
    ...[...flags].map(([name, values]) => {
      const flag = command?.long(name);
      const since = pod !== undefined && isAsEver(tool, name, values) ? undefined : flag?.since;
      return { word: `--${name}`, since, gone: flag?.gone };
    }),
    ...[...flags].flatMap(([name, values]) => {
      const since = command?.long(name)?.words;
      const word = values.find((value) => value !== 'true' && value !== 'false');
      return since === undefined || word === undefined || isAsEver(tool, name, values)
        ? []
        : [{ word: `--${name}=${word}`, since, gone: undefined }];
    }),
  ];
  if (pod === undefined) return words.flatMap((word) => warningsOf(tool, word));
  for (const word of words) checkWord(tool, pod, word);
  return outside(tool, pod);
}

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
