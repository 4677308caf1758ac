import { allCommands, commandOf, flagsOf, type Command, type Flag } from './grammar/grammar.ts';
import { whyRefused } from './grammar/refused-flags.ts';
import { flagTables } from './helm/flags.ts';
import { refusedVerbs, verbs } from './kubectl/verbs.ts';

type Tool = 'kubectl' | 'helm';

/**
 * The text for a command that asks for help (`--help`, `-h`, `kubectl help get`, `kubectl options`): what the gateway relays of it. Undefined for
 * any other command. Nothing else of the words is looked at, and nothing runs.
 */
export function helpFor(argv: readonly string[]): string | undefined {
  const [tool, ...rest] = argv;
  if (tool !== 'kubectl' && tool !== 'helm') return undefined;
  const dash = rest.indexOf('--');
  const words = dash === -1 ? rest : rest.slice(0, dash);
  const named = words[0] === 'help' || (tool === 'kubectl' && words[0] === 'options');
  if (dash === 0) return undefined;
  if (words.length > 0 && !named && !words.some((word) => word === '--help' || word === '-h')) return undefined;
  let command = commandOf(tool, []);
  for (const word of named ? words.slice(1) : words) {
    const child = command && commandOf(tool, [...command.path, word]);
    if (!child || word.startsWith('-')) break;
    command = child;
  }
  return command && textOf(tool, command);
}

function textOf(tool: Tool, command: Command): string {
  const name = [tool, ...command.path].join(' ');
  const below = allCommands(tool).filter((one) => isBelow(one, command.path));
  const [relayed, refused] = split(below, (one) => relaysCommand(tool, one));
  const flags = flagsOf(tool, command.path);
  const [sent, not] = split(flags, (flag) => relaysFlag(tool, command, flag));
  return [
    `What the gateway relays of ${name}; the tool's own help is on your machine.`,
    ...section(
      'Commands',
      relayed.map(({ path }) => path.join(' ')),
    ),
    ...section(
      'Commands that are refused',
      refused.map(({ path }) => path.join(' ')),
    ),
    ...(below.length > 0 ? [] : section('Flags', sent.map(spell))),
    ...(below.length > 0
      ? []
      : section(
          'Flags that are refused',
          not.map(({ name: flag }) => `--${flag}`),
        )),
    '',
  ].join('\n');
}

const isBelow = ({ path }: Command, parent: readonly string[]): boolean =>
  path.length === parent.length + 1 && parent.every((word, at) => path[at] === word);

const section = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.toSorted().map((line) => `  ${line}`)];

function split<T>(all: readonly T[], is: (one: T) => boolean): readonly [T[], T[]] {
  return [all.filter(is), all.filter((one) => !is(one))];
}

function relaysCommand(tool: Tool, { path, parent }: Command): boolean {
  const name = path.join(' ');
  if (parent)
    return !refusedVerbs.has(name) && allCommands(tool).some((one) => isBelow(one, path) && relaysCommand(tool, one));
  return tool === 'kubectl' ? verbs.has(name) : Object.hasOwn(flagTables, name);
}

function relaysFlag(tool: Tool, { path }: Command, { name, own }: Flag): boolean {
  if (whyRefused(tool, name, own) !== undefined) return false;
  const table: Readonly<Record<string, { readonly kind: string }>> | undefined =
    tool === 'kubectl'
      ? verbs.get(path.join(' '))?.flags
      : Object.hasOwn(flagTables, path.join(' '))
        ? flagTables[path.join(' ') as keyof typeof flagTables]
        : undefined;
  return name === 'namespace' || (table !== undefined && Object.hasOwn(table, name) && table[name]?.kind !== 'refused');
}

const spell = ({ name, short, type, bare }: Flag): string =>
  `--${name}${bare === undefined ? `=${type}` : ''}${short === undefined ? '' : `, -${short}`}`;
