import { REDACTED, redactText } from '../lib/redact.ts';
import { type Command, type Flag, commandOf, rootOf } from './grammar/grammar.ts';
import { splitUntilRefused } from './words.ts';

/** A word of a command as it may be recorded. */
export interface RedactedWord {
  /** With `[redacted]` where data stood. */
  readonly text: string;
  /** The data that was hidden. */
  readonly hidden?: string | undefined;
}

/**
 * The words of a command as they may be recorded, by their position: the grammar knows which words are names and which are data.
 * Verbs, kinds, names, the names of flags, the program after `--` and the character that was refused stay, since auditors look
 * for them; values of environment variables, patches, settings, literals and annotations, the words after the program, and whatever was
 * not understood are data and go. What stays passes the net of known secret shapes (lib/redact.ts). Takes argv, or a line that
 * may not even split; never throws.
 */
export function redactWords(command: readonly string[] | string): readonly RedactedWord[] {
  if (typeof command !== 'string') return readWords(command);
  const { words, refused } = splitUntilRefused(command);
  if (!refused) return readWords(words);
  const { operator, rest } = refused;
  return [
    ...readWords(words),
    ...(operator === undefined ? [] : [{ text: operator }]),
    ...(rest === '' ? [] : [hide(rest)]),
  ];
}

/** What may be shown of the words. */
export const shownWords = (command: readonly string[] | string): readonly string[] =>
  redactWords(command).map(({ text }) => text);

/** True when a word holds data: then the words travel in the context, not in the command text. */
export const holdsData = (words: readonly string[]): boolean =>
  redactWords(words).some(({ hidden }) => hidden !== undefined);

type Tool = 'kubectl' | 'helm';

interface WordReading {
  readonly tool: Tool;
  command: Command;
  /** The command's path is complete: further words are its arguments. */
  complete: boolean;
  /** How many of them were read. */
  read: number;
}

function readWords(words: readonly string[]): readonly RedactedWord[] {
  const [tool = '', ...rest] = words;
  if (words.length === 0) return [];
  if (tool !== 'kubectl' && tool !== 'helm') return [program(tool), ...rest.map(hide)];
  const reading: WordReading = { tool, command: rootOf(tool), complete: false, read: 0 };
  const read: RedactedWord[] = [{ text: tool }];
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? '';
    if (word === '--') {
      const [first, ...others] = rest.slice(at + 1);
      return [...read, { text: '--' }, ...(first === undefined ? [] : [program(first)]), ...others.map(hide)];
    }
    if (word.startsWith('-') && word !== '-') {
      const { shown, value } = readFlag(reading, word);
      read.push(shown);
      const next = rest[at + 1];
      if (value === undefined || next === undefined || (value === 'unknown' && next.startsWith('-'))) continue;
      at += 1;
      read.push(value === 'unknown' ? hide(next) : flagValue(value, next));
    } else read.push(readArgument(reading, word));
  }
  return read;
}

/** Flags whose values are data. */
const dataFlags = new Set([
  'annotation',
  'annotations',
  'auth-provider-arg',
  'docker-email',
  'docker-password',
  'docker-username',
  'env',
  'exec-arg',
  'exec-env',
  'from-literal',
  'override-json',
  'overrides',
  'password',
  'patch',
  'set',
  'set-json',
  'set-literal',
  'set-string',
  'token',
  'username',
]);
/** Of those, the ones that take `name=value`: the name stays. */
const pairFlags = new Set([
  'annotation',
  'annotations',
  'auth-provider-arg',
  'env',
  'exec-env',
  'from-literal',
  'set',
  'set-json',
  'set-literal',
  'set-string',
]);

interface ReadFlag {
  readonly shown: RedactedWord;
  /** The flag whose value is the next word; `unknown`: one that the grammar does not have, whose value may be. */
  readonly value?: Pick<Flag, 'name'> | 'unknown' | undefined;
}

function readFlag(reading: WordReading, word: string): ReadFlag {
  if (!word.startsWith('--')) return readShorts(reading.command, word);
  const equals = word.indexOf('=');
  const name = equals === -1 ? word.slice(2) : word.slice(2, equals);
  const flag = reading.command.long(name) ?? anyFlag(reading, name);
  if (flag && equals !== -1) {
    const { text, hidden } = flagValue(flag, word.slice(equals + 1));
    return { shown: { text: `--${name}=${text}`, hidden } };
  }
  if (flag) return { shown: { text: word }, value: flag.bare === undefined ? flag : undefined };
  if (!/^[A-Za-z][\w.-]{0,60}$/u.test(name)) return { shown: hide(word) };
  if (equals !== -1) return { shown: prefixed(`--${name}=`, word.slice(equals + 1)) };
  const data = name.replaceAll('_', '-');
  return { shown: { text: redactText(word) }, value: dataFlags.has(data) ? { name: data } : 'unknown' };
}

/** A flag before the word that names its command: any command's will do. */
function anyFlag({ tool, complete }: WordReading, name: string): Flag | undefined {
  return complete ? undefined : commandOf(tool, tool === 'kubectl' ? ['get'] : ['upgrade'])?.long(name);
}

/** `-it`, `-n shop`, `-nshop`, `-p{"a":1}`. */
function readShorts(command: Command, word: string): ReadFlag {
  for (let at = 1; at < word.length; at += 1) {
    const flag = command.short(word.charAt(at));
    if (!flag)
      return at === word.length - 1
        ? { shown: { text: word }, value: 'unknown' }
        : { shown: prefixed(word.slice(0, at), word.slice(at)) };
    if (flag.bare !== undefined) continue;
    const rest = word.slice(at + 1);
    if (rest === '') return { shown: { text: word }, value: flag };
    const equals = rest.startsWith('=') ? '=' : '';
    const { text, hidden } = flagValue(flag, rest.slice(equals.length));
    return { shown: { text: `${word.slice(0, at + 1)}${equals}${text}`, hidden } };
  }
  return { shown: { text: word } };
}

/** Flags whose values are expressions over names. */
const expressionFlags = new Set([
  'field-selector',
  'for',
  'label-columns',
  'output',
  'raw',
  'selector',
  'sort-by',
  'template',
]);

function flagValue({ name }: Pick<Flag, 'name'>, value: string): RedactedWord {
  if (pairFlags.has(name)) return pair(value);
  if (dataFlags.has(name)) return hide(value);
  return expressionFlags.has(name) ? net(value) : clear(value);
}

/** Commands whose arguments are `name=value` with data as value, and those whose values are labels, images and the like. */
const dataPairs = new Set(['annotate', 'set env']);
const namePairs = new Set(['label', 'taint', 'set image', 'set selector']);

/** Commands whose first argument names something, while the second is a program or a value, and the rest is data. */
const thenProgram = new Set(['create cronjob', 'create deployment', 'create job', 'debug', 'exec', 'run']);
const thenValue = new Set(['config set']);

function readArgument(reading: WordReading, word: string): RedactedWord {
  const { command, complete } = reading;
  const child = complete ? undefined : command.children.get(word);
  if (child) {
    reading.command = child;
    reading.complete = !child.parent;
    return { text: word };
  }
  // An unknown command: its name is what an auditor looks for, its arguments are anything.
  if (command.name === '') {
    const known = complete;
    reading.complete = true;
    return known ? hide(word) : program(word);
  }
  reading.complete = true;
  reading.read += 1;
  const path = command.name;
  if (reading.read > 1 && thenValue.has(path)) return hide(word);
  if (reading.read > 1 && thenProgram.has(path)) return reading.read === 2 ? program(word) : hide(word);
  if (dataPairs.has(path) && word.includes('=')) return pair(word);
  if (word.includes('=') && !namePairs.has(path)) return pair(word);
  return clear(word);
}

/** What a name, a kind, a path, a number or a list of them looks like. */
const nameLike = /^[\w.:/,@=+*%-]{0,1024}$/u;
const programPattern = /^[\w./+-]{1,200}$/u;

const hide = (text: string): RedactedWord => ({ text: REDACTED, hidden: text });
const prefixed = (prefix: string, data: string): RedactedWord => ({ text: `${prefix}${REDACTED}`, hidden: data });

/** A word that names something: shown, unless it has the looks of a secret. */
function clear(word: string): RedactedWord {
  return nameLike.test(word) ? net(word) : hide(word);
}

function net(word: string): RedactedWord {
  const text = redactText(word);
  return text === word ? { text } : { text, hidden: word };
}

const program = (word: string): RedactedWord => (programPattern.test(word) ? clear(word) : hide(word));

/** `user=hunter2` → `user=[redacted]`: an auditor sees what was set. */
function pair(word: string): RedactedWord {
  const name = /^[\w.[\]/-]{1,200}=/u.exec(word)?.[0];
  return name === undefined ? hide(word) : prefixed(name, word.slice(name.length));
}
