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
  readonly parent: boolean;
  readonly since: string | undefined;
  readonly gone: string | undefined;
  /** By name as it was written, `_` for `-` included where the tool takes that (kubectl does, helm does not). */
  long(name: string): Flag | undefined;
  short(letter: string): Flag | undefined;
}

/** The command of this path, aliases resolved; `[]` is the tool with its global flags. Undefined when there is none. */
export function commandOf(tool: ToolGrammar['tool'], path: readonly string[]): Command | undefined {
  // One word `create configmap` is not two.
  return path.some((word) => word === '' || word.includes(' ')) ? undefined : commands[tool].get(path.join(' '));
}

/** Every version that was read, old to new, the next major ones last. */
export const versionsOf = (tool: ToolGrammar['tool']): readonly string[] => [
  ...grammars[tool].versions,
  ...(grammars[tool].next ?? []),
];

/** Every command with a path, as the grammar spells it. */
export function allCommands(tool: ToolGrammar['tool']): readonly Command[] {
  return [...new Set(commands[tool].values())].filter(({ path }) => path.length > 0);
}

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

const commands = { kubectl: index('kubectl'), helm: index('helm') };

function index(tool: ToolGrammar['tool']): ReadonlyMap<string, Command> {
  const found = new Map<string, Command>([['', toCommand(tool, [])]]);
  // Parents come before their children, since a prefix sorts first.
  for (const [path, { aliases = [] }] of Object.entries(grammars[tool].commands).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    const words = path.split(' ');
    const command = toCommand(tool, words);
    const parent = words.slice(0, -1).join(' ');
    const parents = [...found].filter(([, { path: other }]) => other.join(' ') === parent).map(([spelt]) => spelt);
    for (const prefix of parents) {
      for (const word of [words.at(-1) ?? '', ...aliases])
        found.set(prefix === '' ? word : `${prefix} ${word}`, command);
    }
  }
  return found;
}

function toCommand(tool: ToolGrammar['tool'], path: readonly string[]): Command {
  const flags = flagsOf(tool, path);
  const byName = new Map([...unsentFlagsOf(tool, path), ...flags].map((flag) => [flag.name, flag]));
  const byLetter = new Map(flags.flatMap((flag) => (flag.short === undefined ? [] : [[flag.short, flag] as const])));
  const grammar = grammars[tool].commands[path.join(' ')];
  return {
    path,
    parent: grammar?.parent === true,
    since: grammar?.since,
    gone: grammar?.gone,
    long: (name) => byName.get(normalizeFlag(tool, name)),
    short: (letter) => byLetter.get(letter),
  };
}
