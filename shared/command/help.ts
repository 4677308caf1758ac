import { flagsOf, rootOf, subcommandsOf, type Command, type Flag } from './grammar/grammar.ts';
import { whyRefused } from './grammar/refused-flags.ts';
import { flagTables } from './helm/flags.ts';
import { refusedVerbs, verbs } from './kubectl/verbs.ts';

type Tool = 'kubectl' | 'helm';

/**
 * The text for a command that asks for help (`--help`, `-h`, `kubectl help get`, `kubectl options`): what the gateway relays of it. Undefined for
 * any other command. Nothing else of the words is looked at, and nothing runs.
 */
export function helpFor(argv: readonly string[]): string | undefined {
  const [tool, first] = argv;
  if (tool !== 'kubectl' && tool !== 'helm') return undefined;
  const named = first === 'help' || (tool === 'kubectl' && first === 'options');
  if (first !== undefined && !named && !hasHelpFlag(argv)) return undefined;
  let command = rootOf(tool);
  for (const word of argv.slice(named ? 2 : 1)) {
    const child = command.children.get(word);
    if (!child) break;
    command = child;
  }
  return textOf(tool, command);
}

/** Among the tool's own words: not behind `--`, where a container's command is. */
function hasHelpFlag(argv: readonly string[]): boolean {
  for (const word of argv) {
    if (word === '--') return false;
    if (word === '--help' || word === '-h') return true;
  }
  return false;
}

function textOf(tool: Tool, command: Command): string {
  const name = `${tool} ${command.name}`.trimEnd();
  const below = subcommandsOf(command);
  const [relayed, refused] = split(below, (one) => relaysCommand(tool, one));
  const flags = flagsOf(tool, command.path);
  const [sent, not] = split(flags, (flag) => relaysFlag(tool, command, flag));
  return [
    `What the gateway relays of ${name}; the tool's own help is on your machine.`,
    ...section(
      'Commands',
      relayed.map(({ name: one }) => one),
    ),
    ...section(
      'Commands that are refused',
      refused.map(({ name: one }) => one),
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

const section = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.toSorted().map((line) => `  ${line}`)];

function split<T>(all: readonly T[], is: (one: T) => boolean): readonly [T[], T[]] {
  return [all.filter(is), all.filter((one) => !is(one))];
}

function relaysCommand(tool: Tool, command: Command): boolean {
  const { name } = command;
  if (command.parent) return !refusedVerbs.has(name) && subcommandsOf(command).some((one) => relaysCommand(tool, one));
  return tool === 'kubectl' ? verbs.has(name) : Object.hasOwn(flagTables, name);
}

function relaysFlag(tool: Tool, command: Command, { name, own }: Flag): boolean {
  if (whyRefused(tool, name, own) !== undefined) return false;
  const table: Readonly<Record<string, { readonly kind: string }>> | undefined =
    tool === 'kubectl'
      ? verbs.get(command.name)?.flags
      : Object.hasOwn(flagTables, command.name)
        ? flagTables[command.name as keyof typeof flagTables]
        : undefined;
  return name === 'namespace' || (table !== undefined && Object.hasOwn(table, name) && table[name]?.kind !== 'refused');
}

const spell = ({ name, short, type, bare }: Flag): string =>
  `--${name}${bare === undefined ? `=${type}` : ''}${short === undefined ? '' : `, -${short}`}`;
