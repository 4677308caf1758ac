import { join } from 'node:path';
import { UsageError } from '../exits.ts';
import { helps } from '../help.ts';
import { homeOf, readPrivate, writePrivate } from '../home.ts';
import { answer, type Host } from '../host.ts';

/**
 * The word to complete has a = before it: PowerShell up to 7.2 passes no empty word to a program (about_Parsing,
 * "Passing arguments that contain quote characters").
 */
const PREFIXED = '--prefixed';

const scripts: Readonly<Record<string, string>> = {
  bash: `_aksgw() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(aksgw __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _aksgw aksgw
`,
  zsh: `#compdef aksgw
_aksgw() {
  local -a found
  found=("\${(@f)$(aksgw __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found || _files
}
compdef _aksgw aksgw
`,
  fish: `complete -c aksgw -a '(set -l words (commandline -opc) (commandline -ct); aksgw __complete $words[2..-1] 2>/dev/null)'
`,
  powershell: `Register-ArgumentCompleter -Native -CommandName aksgw -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $before = @($commandAst.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "$_" })
  aksgw __complete ${PREFIXED} @before "=$wordToComplete" 2>$null | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`,
};

/** `aksgw completion SHELL`: a script that asks \`aksgw __complete\`. */
export function completion(shell: string, host: Host): number {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script === undefined) throw new UsageError(`completion is for ${Object.keys(scripts).join(', ')}`);
  host.stdout.write(script);
  return 0;
}

/** Kinds that people type; the cluster may have more, which come with its answers. */
const kinds = [
  'pods', 'deployments', 'services', 'configmaps', 'secrets', 'nodes', 'namespaces', 'jobs', 'cronjobs', 'statefulsets', 'daemonsets',
  'replicasets', 'ingresses', 'events', 'persistentvolumeclaims', 'persistentvolumes', 'serviceaccounts', 'roles', 'rolebindings',
  'horizontalpodautoscalers', 'poddisruptionbudgets', 'networkpolicies', 'endpoints', 'storageclasses',
] as const; // prettier-ignore

/** Verbs that are about a kind or a name. */
const aboutCommands = new Set([
  'get',
  'describe',
  'delete',
  'edit',
  'patch',
  'label',
  'annotate',
  'scale',
  'rollout',
  'logs',
  'exec',
  'wait',
  'top',
  'explain',
]);

/** \`aksgw __complete WORD …\`: what may stand in place of the last word, one a line. Asks no gateway. */
export async function complete(words: readonly string[], host: Host): Promise<number> {
  const prefixed = words[0] === PREFIXED;
  const last = words.at(-1)?.slice(prefixed ? 1 : 0) ?? '';
  const found = await candidates(words.slice(prefixed ? 1 : 0, -1), last, host);
  return answer(
    host,
    [...new Set(found)]
      .filter((word) => word.startsWith(last))
      .map((word) => `${word}\n`)
      .join(''),
  );
}

async function candidates(before: readonly string[], last: string, host: Host): Promise<readonly string[]> {
  const own = before.filter((word) => !word.startsWith('-'));
  const at = before.findIndex((word) => word === 'kubectl' || word === 'helm');
  if (at === -1) {
    if (own[0] === 'config')
      return ['get-contexts', 'use-context', 'current-context', 'set', 'delete-context', 'check', 'sign'];
    if (own[0] === 'completion') return Object.keys(scripts);
    if (own[0] === 'jobs') return ['list', 'show', 'run'];
    if (own[0] !== undefined && own[0] !== 'explain') return [];
    return last.startsWith('-')
      ? ['--url', '--context', '--cluster', '--reason', '--timeout', '--allow-truncated', '-o', '--help', '--version']
      : Object.keys(helps);
  }
  const tool = before[at] === 'helm' ? 'helm' : 'kubectl';
  const { allCommands, flagsOf } = await import('../../command/grammar/grammar.ts');
  const path: string[] = [];
  for (const word of before.slice(at + 1)) {
    if (word.startsWith('-')) continue;
    if (!allCommands(tool).some((command) => [...path, word].every((part, index) => command.path[index] === part)))
      break;
    path.push(word);
  }
  if (last.startsWith('-')) return flagsOf(tool, path).map(({ name }) => `--${name}`);
  const sub = allCommands(tool)
    .filter((command) => command.path.length > path.length && path.every((part, index) => command.path[index] === part))
    .map((command) => command.path[path.length] ?? '');
  if (sub.length > 0) return sub;
  if (!aboutCommands.has(path[0] ?? '')) return [];
  const typed = before.slice(at + 1).filter((word) => !word.startsWith('-')).length - path.length;
  return typed === 0 && path[0] !== 'logs' && path[0] !== 'exec' ? [...kinds, ...lastNames(host)] : lastNames(host);
}

const MOST_NAMES = 500;
const pathOf = ({ env }: Pick<Host, 'env'>): string => join(homeOf(env), 'names.json');

/** The names that the last answers had. */
function lastNames(host: Pick<Host, 'env'>): readonly string[] {
  try {
    const text = readPrivate(pathOf(host));
    return text === undefined ? [] : (JSON.parse(text) as string[]);
  } catch {
    return [];
  }
}

/** Remembers the names in a table or list of names that a command printed, for completion. */
export function rememberNames(argv: readonly string[], stdout: string, host: Pick<Host, 'env'>): void {
  if (argv[0] !== 'kubectl' || !argv.includes('get') || stdout.length > 1_000_000) return;
  const lines = stdout.split('\n');
  const column = /^NAMESPACE +NAME\b/.test(lines[0] ?? '') ? 1 : 0;
  if (column === 0 && !/^NAME\b|^[\w.]+\/\S+$/.test(lines[0] ?? '')) return;
  const names = lines
    .map((line) => line.split(/ +/)[column] ?? '')
    .filter((name) => /^[a-z0-9][a-z0-9./-]{0,252}$/.test(name));
  try {
    const kept = [...new Set([...names, ...lastNames(host)])].slice(0, MOST_NAMES);
    writePrivate(pathOf(host), `${JSON.stringify(kept)}\n`);
  } catch {
    // a comfort, and no reason to end with anything but the command's own code
  }
}
