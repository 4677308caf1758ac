import { normalizeFlag, rootOf, type Command, type Flag } from './grammar/grammar.ts';
import { whyRefused } from './grammar/refused-flags.ts';
import { readValue } from './grammar/values.ts';
import type { Parsed } from './parsed.ts';
import { refuse } from '../lib/refuse.ts';

/** More than a command typed by hand or built by a bot needs; the kernel would take far more. */
export const MAX_WORDS = 1000;
export const MAX_WORD_BYTES = 64 * 1024;
/** UTF-16 units of all words, as many as launcher/compose.ts sends at most. */
const MAX_LENGTH = 1024 * 1024;

type Tool = Parsed['tool'];
const tools: readonly Tool[] = ['kubectl', 'helm'];

/**
 * Reads an argv as the real tool would: cobra finds the command, pflag its flags. What the tool would refuse, and what is
 * refused for every command (grammar/refused-flags.ts), throws Problem `command-refused` with members `word` and `why`.
 */
export function parse(argv: readonly string[]): Parsed {
  checkWords(argv);
  const [first = '', ...words] = argv;
  const tool = tools.find((name) => name === first);
  // Of COLOR=red kubectl … the name alone: the value may be a secret.
  if (tool === undefined)
    throw refuse(first.replace(/=.*/s, '='), 'the first word is kubectl or helm; nothing else is run');
  const { command, rest } = findCommand(tool, words);
  const read = readFlags(tool, command, rest);
  const [surplus] = read.args;
  if (command.parent && surplus !== undefined) {
    throw refuse(surplus, `${tool} ${command.name} has no such sub-command`);
  }
  return { tool, command, path: command.path, ...read };
}

function checkWords(argv: readonly string[]): void {
  const [first = ''] = argv;
  if (argv.length === 0) throw refuse('argv', 'there is no command; the first word is kubectl or helm');
  if (argv.length > MAX_WORDS) throw refuse(first, `the command has more than ${MAX_WORDS} words`);
  const length = argv.reduce((sum, word) => sum + word.length + 1, 0);
  if (length > MAX_LENGTH) throw refuse(first, `the command has more than ${MAX_LENGTH} characters`);
  for (const word of argv) {
    // No character of UTF-16 takes more than three bytes.
    if (word.length * 3 > MAX_WORD_BYTES && Buffer.byteLength(word) > MAX_WORD_BYTES)
      throw refuse(word.slice(0, 100), `is longer than ${MAX_WORD_BYTES} bytes`);
    if (word.includes('\0')) throw refuse(word, 'has a NUL character');
    if (!word.isWellFormed()) throw refuse(word.toWellFormed(), 'is not well-formed Unicode');
  }
}

interface Found {
  readonly command: Command;
  /** The words without those of the command's path. */
  readonly rest: readonly string[];
}

/**
 * cobra's Find (spf13/cobra command.go): before flags are read, it guesses which words are flag values with the flags of the
 * command found so far, and takes the next word as a sub-command. So `kubectl -A get pods` names no command: -A is not one of
 * kubectl's own flags, and is taken to swallow `get`.
 */
function findCommand(tool: Tool, words: readonly string[]): Found {
  const root = rootOf(tool);
  let command = root;
  let rest = words;
  for (;;) {
    const at = nextCommandWord(command, rest);
    const word = rest[at];
    const child = word === undefined ? undefined : command.children.get(word);
    if (child !== undefined) {
      rest = rest.toSpliced(at, 1);
      command = child;
    } else if (command !== root) {
      return { command, rest };
    } else if (word !== undefined) {
      throw refuse(word, `${tool} has no such command that the gateway knows, and plugins are not run`);
    } else {
      throw refuse(words[0] ?? tool, `no ${tool} command was found; only ${tool}'s global flags may stand before it`);
    }
  }
}

/** cobra's stripFlags: where the first word is that it takes for neither a flag nor a flag's value; beyond the end without one. */
function nextCommandWord(command: Command, words: readonly string[]): number {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') break;
    if (swallowsNext(command, word)) at++;
    else if (word !== '' && !word.startsWith('-')) return at;
  }
  return words.length;
}

function swallowsNext(command: Command, word: string): boolean {
  if (word.includes('=')) return false;
  if (word.startsWith('--')) return command.long(word.slice(2))?.bare === undefined;
  return word.startsWith('-') && word.length === 2 && command.short(word.slice(1))?.bare === undefined;
}

/** pflag's Parse: flags and positionals in any order until `--`. */
function readFlags(tool: Tool, command: Command, words: readonly string[]): Pick<Parsed, 'args' | 'dash' | 'flags'> {
  const args: string[] = [];
  const flags = new Map<string, string[]>();
  let dash: number | undefined;
  let at = 0;

  while (at < words.length) {
    const word = words[at++] ?? '';
    if (word === '--') {
      dash = args.length;
      args.push(...words.slice(at));
      break;
    }
    if (word.startsWith('--')) readLong(word);
    else if (word.startsWith('-') && word.length > 1) readCluster(word.slice(1));
    else args.push(word);
  }
  return { args, dash, flags };

  function readLong(word: string): void {
    const equals = word.indexOf('=');
    const spelt = equals === -1 ? word : word.slice(0, equals);
    const name = spelt.slice(2);
    if (name === '' || name.startsWith('-')) throw refuse(word, 'is not how a flag is spelt');
    const flag = command.long(name) ?? unknown(spelt, normalizeFlag(tool, name));
    set(flag, spelt, equals === -1 ? (flag.bare ?? nextWord(spelt)) : word.slice(equals + 1));
  }

  /** `-Rf x`, `-nshop`, `-n=shop`: letters until one takes a value, which is the rest of the word or the next word. */
  function readCluster(cluster: string): void {
    for (let letters = cluster; letters !== '';) {
      const letter = String.fromCodePoint(letters.codePointAt(0) ?? 0);
      const spelt = `-${letter}`;
      const flag = command.short(letter) ?? unknown(spelt, letter);
      letters = letters.slice(letter.length);
      if (letters.length > 1 && letters.startsWith('=')) {
        set(flag, spelt, letters.slice(1));
        return;
      }
      if (flag.bare === undefined) {
        set(flag, spelt, letters === '' ? nextWord(spelt) : letters);
        return;
      }
      set(flag, spelt, flag.bare);
    }
  }

  function nextWord(spelt: string): string {
    const value = words[at++];
    if (value === undefined) throw refuse(spelt, 'needs a value');
    return value;
  }

  function set({ name, type, own }: Flag, spelt: string, value: string): void {
    const why = whyRefused(tool, name, own);
    if (why !== undefined) throw refuse(spelt, why);
    const values = flags.get(name) ?? [];
    values.push(...readValue(type, spelt, value));
    flags.set(name, values);
  }

  function unknown(spelt: string, name: string): never {
    const why = whyRefused(tool, name, false);
    throw refuse(spelt, why ?? `${tool} ${command.name} has no such flag that the gateway knows`);
  }
}
