/**
 * Reads the grammar of kubectl and helm from the real programs and writes kubectl.json and helm.json beside this file.
 *
 *     node shared/command/grammar/generate.ts kubectl FOLDER/kubectl.1.27 … FOLDER/kubectl.1.37
 *     node shared/command/grammar/generate.ts helm FOLDER/helm-3.12 … FOLDER/helm-3.22 -- FOLDER/helm-4.3
 *
 * Old to new: the newest before `--` is the grammar, older ones give `since`. A program after `--` is a next major version: commands
 * that it lacks and flags that it does not take (hidden ones are tried) are marked `gone`, flags that are new in it are added with `since`, and
 * booleans for which it takes words become a `switch`. helm is built by
 * `GOBIN=FOLDER go install helm.sh/helm/v3/cmd/helm@v3.22.0` and `…/helm/v4/cmd/helm@v4.3.1`; test/conformance/record/build.sh
 * builds every version of both.
 *
 * How it reads: help lists commands, aliases, flags and short forms. The rest is told by pflag's parse errors, since all flags
 * are parsed before anything runs: a value that no type but text takes names the type, and `--flag --zz1 --zz2` names the word that
 * `--flag` did not swallow. Every probe ends in a flag that does not exist, so nothing is ever run. A flag whose help is to the letter that of
 * a version read before is not probed again. A flag that the version before had and that help no longer lists is tried: it may be hidden
 * and still be taken, as `autoscale --cpu-percent` is.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CommandGrammar, FlagGrammar, FlagType, ToolGrammar } from './grammar.ts';

type Tool = ToolGrammar['tool'];
type Flags = Readonly<Record<string, FlagGrammar>>;
type Run = (argv: readonly string[]) => Promise<string>;

/** One program's grammar, before versions are merged. */
export interface HelpReading {
  readonly version: string;
  readonly globals: Readonly<Record<string, FlagGrammar>>;
  readonly commands: Readonly<Record<string, CommandGrammar>>;
}

/** Kept small: the machine is shared, and each probe is a process of some 50 ms. */
const PARALLEL = 2;
const UNPARSABLE = '\u0001"';

/** What was read of the versions before. */
export interface Earlier {
  /** The types of flags by their command and help. */
  readonly types: Map<string, FlagGrammar>;
  last?: HelpReading;
}

/**
 * Reads one program. `only` limits it to the commands that begin with one of these words, which is what a test of one slice
 * needs; `like` to the commands and flags of another version, of which only the presence is read (hidden ones are tried too).
 * `next`: a next major version, whose global flags are read by name alone. Throws when an answer is not understood: an unclassified flag would be a hole in the grammar.
 */
export async function readTool(
  tool: Tool,
  binary: string,
  options: {
    readonly only?: readonly string[];
    readonly like?: HelpReading;
    readonly earlier?: Earlier;
    readonly next?: true;
  } = {},
): Promise<HelpReading> {
  const { only, like, next } = options;
  const earlier: Earlier = options.earlier ?? { types: new Map() };
  const home = await mkdtemp(join(tmpdir(), 'aksgw-grammar-'));
  try {
    const run = runner(binary, home);
    const version = await readVersion(tool, run);
    const listed = await readGlobals(tool, run);
    const globals = next
      ? Object.fromEntries(listed.map(({ name }) => [name, { type: 'string' as const }]))
      : await classify(run, [only?.[0] ?? (tool === 'kubectl' ? 'get' : 'list')], asIn(listed, like?.globals), earlier);
    const commands: Record<string, CommandGrammar> = {};
    const visit = async (path: readonly string[]): Promise<void> => {
      const help = await run([...path, '--help']);
      const children = section(help, /^(?:.*[Cc]ommands.*):$/u)
        .map((line) => /^ {2}([a-z][\w-]*) /u.exec(`${line} `)?.[1])
        .filter((name) => name !== undefined);
      if (path.length > 0) {
        const others = like?.commands[path.join(' ')]?.flags;
        commands[path.join(' ')] = await readCommand(tool, run, path, help, children, { globals, others, earlier });
      }
      for (const child of children) {
        const wanted = path.length > 0 || only === undefined || only.includes(child);
        const known = like === undefined || like.commands[[...path, child].join(' ')] !== undefined;
        if (wanted && known) await visit([...path, child]);
      }
    };
    await visit([]);
    const reading = { version, globals, commands };
    if (like === undefined) earlier.last = reading;
    return reading;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Old to new; `next` are newer major versions that only mark what is gone. */
export function merge(tool: Tool, readings: readonly HelpReading[], next: readonly HelpReading[] = []): ToolGrammar {
  const newest = readings.at(-1);
  if (newest === undefined) throw new Error('No program was read');
  const mark = <T extends FlagGrammar | CommandGrammar>(find: (reading: HelpReading) => T | undefined, own: T): T => {
    // The first from which on every version reads it alike.
    const differs = readings.findLastIndex((reading) => !alike(find(reading), own));
    const first = readings[differs + 1] ?? newest;
    // The first from which on none has it: 4.0 lacked `install --atomic`, which 4.3 has again.
    const gone = next[next.findLastIndex((reading) => find(reading) !== undefined) + 1];
    return {
      ...own,
      ...(first === readings[0] ? {} : { since: first.version }),
      ...(gone === undefined ? {} : { gone: gone.version }),
    };
  };
  const flags = (find: (reading: HelpReading) => Readonly<Record<string, FlagGrammar>> | undefined) =>
    sorted(find(newest) ?? {}, (name, own) => mark((reading) => find(reading)?.[name], own));

  return {
    tool,
    versions: readings.map(({ version }) => version),
    ...(next.length > 0 && { next: next.map(({ version }) => version) }),
    globals: flags(({ globals }) => globals),
    commands: sorted(newest.commands, (path, own) => ({
      ...mark(({ commands }) => commands[path], own),
      flags: flags(({ commands }) => commands[path]?.flags),
    })),
  };
}

/** With what a next major version, read whole, has besides: flags that are new in it, and words where there was a boolean. */
export function withNext(grammar: ToolGrammar, { version, commands }: HelpReading): ToolGrammar {
  const extend = (path: string, flags: Flags): Flags => {
    const theirs = commands[path]?.flags ?? {};
    const added = Object.entries(theirs).flatMap(([name, flag]) =>
      Object.hasOwn(flags, name) ? [] : [[name, { ...flag, since: version }] as const],
    );
    const own = Object.entries(flags).map(([name, flag]) => {
      const { type, optional } = theirs[name] ?? flag;
      const worded = flag.type === 'bool' && type === 'string' && optional !== undefined;
      return [name, worded ? { ...flag, type: 'switch' as const, words: version } : flag] as const;
    });
    return sorted(Object.fromEntries([...own, ...added]), (_, flag) => flag);
  };
  const extended = sorted(grammar.commands, (path, own) => ({ ...own, flags: extend(path, own.flags) }));
  return { ...grammar, commands: extended };
}

function alike(other: FlagGrammar | CommandGrammar | undefined, own: FlagGrammar | CommandGrammar): boolean {
  if (other === undefined) return false;
  if (!('type' in own) || !('type' in other)) return true;
  return own.type === other.type && own.short === other.short && own.optional === other.optional;
}

/** One line a command, so that a change of version reads well as a diff. */
export function render(grammar: ToolGrammar): string {
  const lines = (entries: Readonly<Record<string, unknown>>): string =>
    Object.entries(entries)
      .map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
      .join(',\n');
  return [
    '{',
    '  "generated": "by shared/command/grammar/generate.ts from the programs themselves; do not edit",',
    `  "tool": ${JSON.stringify(grammar.tool)},`,
    `  "versions": ${JSON.stringify(grammar.versions)},`,
    ...(grammar.next === undefined ? [] : [`  "next": ${JSON.stringify(grammar.next)},`]),
    `  "globals": {\n${lines(grammar.globals)}\n  },`,
    `  "commands": {\n${lines(grammar.commands)}\n  }`,
    '}\n',
  ].join('\n');
}

function runner(binary: string, home: string): Run {
  // An empty PATH: no plugin is found and no program started.
  const env = {
    HOME: home,
    PATH: '/nonexistent',
    LANG: 'C',
    KUBECONFIG: '/dev/null',
    HELM_PLUGINS: '/nonexistent',
    HELM_CACHE_HOME: home,
    HELM_CONFIG_HOME: home,
    HELM_DATA_HOME: home,
  };
  return (argv) =>
    new Promise((resolve, reject) => {
      execFile(binary, [...argv], { env, cwd: home, timeout: 20_000, maxBuffer: 1 << 22 }, (error, stdout, stderr) => {
        if (error !== null && (error.killed === true || typeof error.code === 'string')) reject(error);
        else resolve(stdout + stderr);
      });
    });
}

async function readVersion(tool: Tool, run: Run): Promise<string> {
  const text = await run(tool === 'kubectl' ? ['version', '--client'] : ['version', '--short']);
  const found = (tool === 'kubectl' ? /v(1\.\d+)/u : /v(\d+\.\d+)/u).exec(text)?.[1];
  if (found === undefined) throw new Error(`No version in: ${text}`);
  return found;
}

async function readGlobals(tool: Tool, run: Run): Promise<ListedFlag[]> {
  if (tool === 'kubectl') return listedFlags(section(await run(['options']), /can be passed to any command:$/u));
  return listedFlags(section(await run(['list', '--help']), /^Global Flags:$/u));
}

async function readCommand(
  tool: Tool,
  run: Run,
  path: readonly string[],
  help: string,
  children: readonly string[],
  {
    globals,
    others,
    earlier,
  }: { readonly globals: Flags; readonly others: Flags | undefined; readonly earlier: Earlier },
): Promise<CommandGrammar> {
  // pflag can be told to stop at the first word that is not a flag. None of these commands does, and parse.ts relies on it.
  const behind = await run([...path, 'word', '--zz1']);
  if (!behind.includes('unknown flag: --zz1')) throw new Error(`${path.join(' ')} reads no flags behind a word`);
  const heading = tool === 'kubectl' ? /^Options:$/u : /^Flags:$/u;
  const listed = listedFlags(section(help, heading)).filter(({ name }) => name !== 'help');
  const own = tool === 'helm' ? listed.filter(({ name }) => globals[name] === undefined) : listed;
  const aliases = (/^Aliases:\n *(.+)$/mu.exec(help)?.[1] ?? '')
    .split(',')
    .map((alias) => alias.trim())
    .filter((alias) => alias !== '' && alias !== path.at(-1));
  return {
    ...(aliases.length > 0 && { aliases: aliases.toSorted() }),
    ...(children.length > 0 && { parent: true as const }),
    flags: sorted(
      await classify(run, path, asIn([...own, ...(await hiddenFlags(run, path, own, earlier))], others), earlier),
      (_, flag) => flag,
    ),
  };
}

/** Flags that the version before had, that help does not list and that are taken anyway. */
async function hiddenFlags(
  run: Run,
  path: readonly string[],
  listed: readonly ListedFlag[],
  { last }: Earlier,
): Promise<ListedFlag[]> {
  const found: ListedFlag[] = [];
  for (const [name, { short, optional }] of Object.entries(last?.commands[path.join(' ')]?.flags ?? {})) {
    if (listed.some((flag) => flag.name === name)) continue;
    const answer = await run([...path, `--${name}=${UNPARSABLE}`, '--zz1']);
    if (answer.includes(`unknown flag: --${name}`)) continue;
    found.push({
      name,
      ...(short !== undefined && { short }),
      ...(typeof optional === 'string' && { bare: optional }),
    });
  }
  return found;
}

interface ListedFlag {
  readonly name: string;
  /** Its lines of the help. */
  readonly help?: string;
  readonly short?: string;
  /** What the flag means without a value, where the help tells (`string[="client"]`). */
  readonly bare?: string;
  /** Only whether the program takes it is asked. */
  readonly presence?: true;
}

const asIn = (listed: readonly ListedFlag[], others: Flags | undefined): readonly ListedFlag[] =>
  others === undefined ? listed : Object.keys(others).map((name) => ({ name, presence: true }));

/** The lines under a heading, up to the next line that begins in the first column. */
function section(text: string, heading: RegExp): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  let inside = false;
  for (const line of lines) {
    if (heading.test(line)) inside = true;
    else if (inside && /^\S/u.test(line)) inside = false;
    else if (inside && line.trim() !== '') found.push(line);
  }
  return found;
}

function listedFlags(lines: readonly string[]): ListedFlag[] {
  const found: ListedFlag[] = [];
  for (const [at, line] of lines.entries()) {
    const match = /^ +(?:-(?<short>\w), )?--(?<name>[\w-]+)(?: ?\w*\[="?(?<bare>[^"\]]*)"?\])?/u.exec(line);
    const { short, name, bare } = match?.groups ?? {};
    if (name === undefined) continue;
    // kubectl describes a flag on the line below.
    const help = line.endsWith(':') ? `${line}${lines[at + 1] ?? ''}` : line;
    found.push({ name, help, ...(short !== undefined && { short }), ...(bare !== undefined && { bare }) });
  }
  return found;
}

async function classify(
  run: Run,
  path: readonly string[],
  listed: readonly ListedFlag[],
  { types }: Earlier,
): Promise<Record<string, FlagGrammar>> {
  const found: Record<string, FlagGrammar> = {};
  const queue = [...listed];
  const work = async (): Promise<void> => {
    for (let flag = queue.shift(); flag !== undefined; flag = queue.shift()) {
      if (flag.presence === true) {
        const answer = await run([...path, `--${flag.name}=${UNPARSABLE}`, '--zz1']);
        if (!answer.includes(`unknown flag: --${flag.name}`)) found[flag.name] = { type: 'string' };
        continue;
      }
      const key = `${path.join(' ')} ${flag.help ?? ''}`;
      const known = flag.help === undefined ? undefined : types.get(key);
      if (known !== undefined) {
        found[flag.name] = known;
        continue;
      }
      const type = await typeOf(run, path, flag.name);
      const read: FlagGrammar = {
        type: type.type,
        ...(flag.short !== undefined && { short: flag.short }),
        ...(type.optional && { optional: flag.bare ?? true }),
      };
      found[flag.name] = read;
      types.set(key, read);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return sorted(found, (_, flag) => flag);
}

async function typeOf(
  run: Run,
  path: readonly string[],
  name: string,
): Promise<{ readonly type: FlagType; readonly optional: boolean }> {
  const valued = await run([...path, `--${name}=${UNPARSABLE}`, '--zz1']);
  const type = typeFromError(valued);
  if (type === undefined) throw new Error(`${path.join(' ')} --${name}: not understood: ${valued.slice(0, 300)}`);
  if (type === 'bool') return { type, optional: false };
  const bare = await run([...path, `--${name}`, '--zz1', '--zz2']);
  if (bare.includes('unknown flag: --zz1')) return { type, optional: true };
  if (bare.includes('unknown flag: --zz2') || bare.includes('invalid argument "--zz1"') || bare.includes('open --zz1'))
    return { type, optional: false };
  throw new Error(`${path.join(' ')} --${name}: arity not understood: ${bare.slice(0, 300)}`);
}

function typeFromError(text: string): FlagType | undefined {
  const errors: readonly (readonly [string, FlagType])[] = [
    ['strconv.ParseBool', 'bool'],
    ['strconv.ParseInt', 'int'],
    ['strconv.ParseUint', 'int'],
    ['strconv.Atoi', 'int'],
    ['strconv.ParseFloat', 'float'],
    ['invalid duration', 'duration'],
    // klog's --log-flush-frequency is a flag of Go's own package, which says no more.
    ['flag: parse error\n', 'duration'],
    ['bare " in non-quoted', 'csv'],
    ['must be formatted as key=value', 'map'],
    ['malformed pair, expect string=string', 'map'],
    ['comma-separated list of filename=N', 'vmodule'],
    // helm's own kinds of text: -o and --post-renderer, which looks for the program while flags are read.
    ['invalid format type', 'string'],
    ['invalid wait input', 'string'],
    ['unable to find binary', 'string'],
    ['plugin: {Name:', 'string'],
    // --kuberc names a file that kubectl reads before the other flags.
    ['kuberc error kuberc: open ', 'string'],
    ['unknown flag: --zz1', 'string'],
  ];
  return errors.find(([mark]) => text.includes(mark))?.[1];
}

function sorted<T, U>(entries: Readonly<Record<string, T>>, map: (name: string, value: T) => U): Record<string, U> {
  return Object.fromEntries(
    Object.entries(entries)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, map(name, value)]),
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [tool, ...binaries] = process.argv.slice(2);
  if ((tool !== 'kubectl' && tool !== 'helm') || binaries.length === 0) {
    throw new Error('Usage: generate.ts kubectl|helm PROGRAM… [-- NEXT-MAJOR…]');
  }
  const split = binaries.includes('--') ? binaries.indexOf('--') : binaries.length;
  const readings: HelpReading[] = [];
  const earlier: Earlier = { types: new Map() };
  for (const [at, binary] of binaries.filter((word) => word !== '--').entries()) {
    const newest = at < split ? undefined : readings[split - 1];
    readings.push(await readTool(tool, binary, newest === undefined ? { earlier } : { like: newest }));
  }
  let grammar = merge(tool, readings.slice(0, split), readings.slice(split));
  for (const binary of binaries.slice(split + 1))
    grammar = withNext(grammar, await readTool(tool, binary, { next: true }));
  await writeFile(join(import.meta.dirname, `${tool}.json`), render(grammar));
}
