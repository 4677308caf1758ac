import { commandOf, type Command, type Flag } from '../../command/grammar/grammar.ts';

/** One use of a flag: which word of the argv has its value, from which letter on. */
export interface FlagUse {
  readonly flag: Flag;
  readonly value: string;
  readonly at: number;
  readonly from: number;
  /** The word that names the flag; `at` where the value is in the same word. */
  readonly nameAt: number;
}

export interface ReadArgv {
  readonly tool: 'kubectl' | 'helm';
  readonly path: readonly string[];
  readonly flags: readonly FlagUse[];
  /** Positional words by their place, those of the command's path left out; those behind `--` too. */
  readonly args: readonly number[];
}

/**
 * An argv as the tool would read it (cobra, pflag), as far as files go. What it does not understand it leaves alone: the gateway refuses it
 * by name. Undefined for words that are not a command.
 */
export function readArgv(argv: readonly string[]): ReadArgv | undefined {
  const tool = argv[0] === 'helm' ? 'helm' : argv[0] === 'kubectl' ? 'kubectl' : undefined;
  let command = tool && commandOf(tool, []);
  if (!tool || !command) return undefined;
  const pathWords = new Set<number>();
  // cobra looks for the sub-command before any flag is read, by what it knows so far.
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') break;
    if (word.startsWith('-') && word.length > 1) {
      if (swallowsNext(command, word)) at++;
      continue;
    }
    const child: Command | undefined = commandOf(tool, [...command.path, word]);
    if (!child) break;
    pathWords.add(at);
    command = child;
  }
  return { tool, path: command.path, ...readFlags(command, argv, pathWords) };
}

function swallowsNext(command: Command, word: string): boolean {
  if (word.includes('=')) return false;
  if (word.startsWith('--')) return command.long(word.slice(2))?.bare === undefined;
  return word.length === 2 && command.short(word.slice(1))?.bare === undefined;
}

function readFlags(command: Command, argv: readonly string[], pathWords: ReadonlySet<number>) {
  const flags: FlagUse[] = [];
  const args: number[] = [];
  let at = 1;
  for (; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') break;
    if (word.startsWith('--')) long(word);
    else if (word.startsWith('-') && word.length > 1) cluster(word);
    else if (!pathWords.has(at)) args.push(at);
  }
  for (at++; at < argv.length; at++) args.push(at);
  return { flags, args };

  function long(word: string): void {
    const equals = word.indexOf('=');
    const flag = command.long(word.slice(2, equals === -1 ? undefined : equals));
    const nameAt = at;
    if (!flag) return;
    if (equals !== -1) flags.push({ flag, value: word.slice(equals + 1), at, from: equals + 1, nameAt });
    else if (flag.bare !== undefined) flags.push({ flag, value: flag.bare, at, from: word.length, nameAt });
    else flags.push({ flag, value: argv[++at] ?? '', at, from: 0, nameAt });
  }

  function cluster(word: string): void {
    for (let from = 1; from < word.length; from++) {
      const flag = command.short(word[from] ?? '');
      const nameAt = at;
      if (!flag) return;
      if (word[from + 1] === '=' && word.length > from + 2) {
        flags.push({ flag, value: word.slice(from + 2), at, from: from + 2, nameAt });
        return;
      }
      if (flag.bare === undefined) {
        if (from + 1 < word.length) flags.push({ flag, value: word.slice(from + 1), at, from: from + 1, nameAt });
        else flags.push({ flag, value: argv[++at] ?? '', at, from: 0, nameAt });
        return;
      }
      flags.push({ flag, value: flag.bare, at, from: word.length, nameAt });
    }
  }
}
