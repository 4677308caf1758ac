import helmJson from './helm.json' with { type: 'json' };
import kubectlJson from './kubectl.json' with { type: 'json' };

/**
 * Types as pflag reads them: `csv` is a StringSlice (commas split, CSV quotes), `map` a StringToString; `vmodule` is klog's own.
 * A StringArray is a `string` here: repeated, never split. `switch` is a boolean that a next major version takes words for too.
 */
export type FlagType = 'bool' | 'switch' | 'string' | 'int' | 'float' | 'duration' | 'csv' | 'map' | 'vmodule';

export interface FlagGrammar {
  readonly type: FlagType;
  /** One letter. */
  readonly short?: string;
  /** The flag may stand without a value (pflag's NoOptDefVal); the text is what it then means, where the help tells. */
  readonly optional?: string | true;
  /** First of the versions read from which on all read it like this; absent when all do. */
  readonly since?: string;
  /** The next major version that lacks it or reads it otherwise. */
  readonly gone?: string;
  /** Of a `switch`: the next major version that takes words for it. */
  readonly words?: string;
}

export interface CommandGrammar {
  readonly aliases?: readonly string[];
  /** It has sub-commands. */
  readonly parent?: true;
  readonly flags: Readonly<Record<string, FlagGrammar>>;
  readonly since?: string;
  readonly gone?: string;
}

export interface ToolGrammar {
  readonly tool: 'kubectl' | 'helm';
  /** The versions that were read, old to new. */
  readonly versions: readonly string[];
  /** The next major versions that were compared. */
  readonly next?: readonly string[];
  readonly globals: Readonly<Record<string, FlagGrammar>>;
  /** By path, words joined by a space. */
  readonly commands: Readonly<Record<string, CommandGrammar>>;
}

const grammars: Readonly<Record<ToolGrammar['tool'], ToolGrammar>> = {
  kubectl: kubectlJson as ToolGrammar,
  helm: helmJson as ToolGrammar,
};

/**
 * What kubectl's optional-value flags mean when they stand bare. Its help does not tell; measured with 1.29 to 1.33 (a bare
 * --dry-run is "unchanged", which kubectl takes for client and warns).
 */
const bareMeaning: Readonly<Record<string, string>> = {
  cascade: 'background',
  'dry-run': 'client',
  validate: 'strict',
};

/**
 * Flags of kubectl that its help hides, and flags of the gateway's own: read as what they are, and never sent. By path, a parent standing for
 * all below it.
 */
const unsentFlags: Readonly<Record<string, readonly string[]>> = {
  // Deprecated since 1.22, hidden, and still typed (kubectl's pkg/cmd/util, AddRecordFlag is "record").
  record: [
    'annotate',
    'apply',
    'autoscale',
    'create',
    'delete',
    'expose',
    'label',
    'patch',
    'replace',
    'rollout',
    'run',
    'scale',
    'set',
    'taint',
  ],
  // Kubernetes is asked, and not the gateway.
  'in-cluster': ['auth can-i', 'auth whoami'],
};

function unsentFlagsOf(tool: ToolGrammar['tool'], path: readonly string[]): readonly Flag[] {
  if (tool !== 'kubectl') return [];
  const all = path.join(' ');
  return Object.entries(unsentFlags).flatMap(([name, commands]): Flag[] =>
    commands.some((one) => all === one || all.startsWith(`${one} `))
      ? [
          {
            name,
            type: 'bool',
            short: undefined,
            bare: 'true',
            own: true,
            since: undefined,
            gone: undefined,
            words: undefined,
          },
        ]
      : [],
  );
}

/** A flag as a command has it. */
export interface Flag {
  /** Long and canonical. */
  readonly name: string;
  readonly type: FlagType;
  readonly short: string | undefined;
  /** What it means without a value; undefined when it needs one. */
  readonly bare: string | undefined;
  /** Of this command itself, not one of the tool's global flags. */
  readonly own: boolean;
  readonly since: string | undefined;
  readonly gone: string | undefined;
  readonly words: string | undefined;
}

export interface Command {
  /** Canonical: aliases resolved. Empty for the tool itself. */
  readonly path: readonly string[];
  /** The same in one: `rollout restart`. */
  readonly name: string;
  readonly parent: boolean;
  /** Its sub-commands, by name and by alias. */
  readonly children: ReadonlyMap<string, Command>;
  readonly since: string | undefined;
  readonly gone: string | undefined;
  /** By name as it was written, `_` for `-` included where the tool takes that (kubectl does, helm does not). */
  long(name: string): Flag | undefined;
  short(letter: string): Flag | undefined;
}

/** The tool itself, with its global flags: the parent of all its commands. */
export const rootOf = (tool: ToolGrammar['tool']): Command => roots[tool];

/** The command of this path, aliases resolved; `[]` is the tool itself. Undefined when there is none. */
export function commandOf(tool: ToolGrammar['tool'], path: readonly string[]): Command | undefined {
  let command: Command | undefined = roots[tool];
  for (const word of path) command = command?.children.get(word);
  return command;
}

/** Every version that was read, old to new, the next major ones last. */
export const versionsOf = (tool: ToolGrammar['tool']): readonly string[] => [
  ...grammars[tool].versions,
  ...(grammars[tool].next ?? []),
];

/** Every command with a path, as the grammar spells it. */
export const allCommands = (tool: ToolGrammar['tool']): readonly Command[] => below(roots[tool]);

const below = (command: Command): readonly Command[] =>
  subcommandsOf(command).flatMap((child) => [child, ...below(child)]);

/** The commands right below one, each once. */
export const subcommandsOf = ({ children }: Command): readonly Command[] => [...new Set(children.values())];

/** Every flag of a command, the global ones too. */
export function flagsOf(tool: ToolGrammar['tool'], path: readonly string[]): readonly Flag[] {
  const { globals, commands: all } = grammars[tool];
  const own = all[path.join(' ')]?.flags ?? {};
  return Object.entries({ ...globals, ...own }).map(([name, flag]) => toFlag(name, flag, Object.hasOwn(own, name)));
}

export const normalizeFlag = (tool: ToolGrammar['tool'], name: string): string =>
  tool === 'kubectl' ? name.replaceAll('_', '-') : name;

function toFlag(name: string, { type, short, optional, since, gone, words }: FlagGrammar, own: boolean): Flag {
  const bare = type === 'bool' || type === 'switch' ? 'true' : optional === true ? bareMeaning[name] : optional;
  if (optional === true && bare === undefined) throw new Error(`The grammar does not say what a bare --${name} means`);
  return { name, type, short, bare, own, since, gone, words };
}

function toCommand(tool: ToolGrammar['tool'], path: readonly string[]): Command {
  const flags = flagsOf(tool, path);
  const byName = new Map([...unsentFlagsOf(tool, path), ...flags].map((flag) => [flag.name, flag]));
  const byLetter = new Map(flags.flatMap((flag) => (flag.short === undefined ? [] : [[flag.short, flag] as const])));
  const name = path.join(' ');
  const grammar = grammars[tool].commands[name];
  return {
    path,
    name,
    parent: grammar?.parent === true,
    children: childrenOf(tool, path),
    since: grammar?.since,
    gone: grammar?.gone,
    long: (name) => byName.get(name) ?? byName.get(normalizeFlag(tool, name)),
    short: (letter) => byLetter.get(letter),
  };
}

function childrenOf(tool: ToolGrammar['tool'], path: readonly string[]): ReadonlyMap<string, Command> {
  const { commands } = grammars[tool];
  const paths = Object.keys(commands)
    .toSorted()
    .map((name) => name.split(' '));
  const below = paths.filter((one) => one.length === path.length + 1 && path.every((word, at) => one[at] === word));
  return new Map(
    below.flatMap((one) => {
      const command = toCommand(tool, one);
      const { aliases = [] } = commands[command.name] ?? {};
      return [one.at(-1) ?? '', ...aliases].map((word) => [word, command] as const);
    }),
  );
}

const roots = { kubectl: toCommand('kubectl', []), helm: toCommand('helm', []) };
