import { Problem } from '../errors.ts';
import { refuse } from '../lib/refuse.ts';

/** Longest `command` that is split, in UTF-16 units; argv has its own limits in parse.ts. */
const MAX_COMMAND_LENGTH = 256 * 1024;

/** What a shell would act on. The gateway acts on none of it, so none may be silently taken as plain text. */
const unquoted: ReadonlyMap<string, string> = new Map([
  ['|', 'a pipe'],
  ['&', 'a background or "and" operator'],
  [';', 'a command separator'],
  ['<', 'a redirection'],
  ['>', 'a redirection'],
  ['(', 'a subshell'],
  [')', 'a subshell'],
  ['$', 'an expansion'],
  ['`', 'a command substitution'],
  ['*', 'a file name pattern'],
  ['?', 'a file name pattern'],
  ['[', 'a file name pattern'],
  ['~', 'a home folder'],
  ['#', 'a comment'],
  ['\n', 'a newline'],
]);

/**
 * Splits a command line into words as a POSIX shell does (XCU 2.2 Quoting), with no expansion of any kind. What a shell would
 * expand or act on is refused rather than taken literally, so that a line means the same here and in a terminal.
 * Throws Problem `command-refused` with members `word` (the offending character) and `why`.
 */
export function splitWords(command: string): string[] {
  const { words, refused } = splitUntilRefused(command);
  if (refused) throw refused.problem;
  return words;
}

interface SplitLine {
  /** The whole words. */
  readonly words: string[];
  readonly refused?: RefusedRest | undefined;
}

/** Where splitting ended before the end of the line. */
interface RefusedRest {
  readonly problem: Problem;
  /** The character that a shell would have acted on; undefined for another reason. */
  readonly operator: string | undefined;
  /** What was not split. */
  readonly rest: string;
}

/** The same for a line that may be refused: its words up to there. */
export function splitUntilRefused(command: string): SplitLine {
  const line: Line = { command, at: 0, words: [], word: undefined, began: 0, inQuotes: false };
  try {
    readWords(line);
    return { words: line.words };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return refusedLine(line, error);
  }
}

/** A command line that is being split. */
interface Line {
  readonly command: string;
  /** The place behind the character that was read last. */
  at: number;
  readonly words: string[];
  /** The word that is being read, and where it begins; undefined between words. */
  word: string | undefined;
  began: number;
  inQuotes: boolean;
}

/** What is known of a line whose splitting ended with a problem. */
function refusedLine({ command, at, words, word, began, inQuotes }: Line, problem: Problem): SplitLine {
  const operator = command.charAt(at - 1);
  if (problem.options.members?.['word'] !== operator || !unquoted.has(operator) || inQuotes)
    return { words, refused: { problem, operator: undefined, rest: command.slice(began) } };
  if (word) words.push(word);
  return { words, refused: { problem, operator, rest: command.slice(at) } };
}

const next = (line: Line): string | undefined => line.command[line.at++];

function forbidControl(character: string): void {
  if (character === '\0') throw refuse(character, 'is a NUL character, which no word can hold');
  if (character === '\r') throw refuse(character, 'is a carriage return, which no shell takes for the end of a line');
}

function readWords(line: Line): void {
  if (line.command.length > MAX_COMMAND_LENGTH) {
    throw refuse('command', `is longer than ${MAX_COMMAND_LENGTH} characters`);
  }
  for (let character = next(line); character !== undefined; character = next(line)) {
    forbidControl(character);
    if (character === ' ' || character === '\t') {
      endWord(line);
      continue;
    }
    if (line.word === undefined) line.began = line.at - 1;
    line.word ??= '';
    line.word += readPart(line, character);
  }
  endWord(line);
}

function endWord(line: Line): void {
  if (line.word !== undefined) line.words.push(line.word);
  line.word = undefined;
}

/** The text that a character of a word stands for: itself, or with quotes or a backslash what follows. */
function readPart(line: Line, character: string): string {
  if (character === "'" || character === '"') {
    line.inQuotes = true;
    const text = character === '"' ? doubleQuoted(line) : singleQuoted(line);
    line.inQuotes = false;
    return text;
  }
  if (character === '\\') return escaped(line);
  const meaning = unquoted.get(character);
  if (meaning !== undefined) {
    throw refuse(character, `is ${meaning} to a shell, and no shell reads this; quote it if it is meant as text`);
  }
  return character;
}

function singleQuoted(line: Line): string {
  const end = line.command.indexOf("'", line.at);
  if (end === -1) throw refuse("'", 'is a quote that is not closed');
  const text = line.command.slice(line.at, end);
  line.at = end + 1;
  for (const character of text) forbidControl(character);
  return text;
}

function doubleQuoted(line: Line): string {
  let text = '';
  for (let character = next(line); character !== undefined; character = next(line)) {
    forbidControl(character);
    if (character === '"') return text;
    if (character === '$' || character === '`') {
      throw refuse(
        character,
        'is expanded by a shell inside double quotes, and nothing is expanded here; use single quotes',
      );
    }
    if (character !== '\\') {
      text += character;
      continue;
    }
    // XCU 2.2.3: inside double quotes a backslash quotes only these; before anything else it stays.
    const following = next(line);
    if (following === undefined) break;
    forbidControl(following);
    if (following === '\n') continue;
    text += '$`"\\'.includes(following) ? following : `\\${following}`;
  }
  throw refuse('"', 'is a quote that is not closed');
}

function escaped(line: Line): string {
  const following = next(line);
  if (following === undefined) throw refuse('\\', 'is the last character, and quotes nothing');
  forbidControl(following);
  if (following === '\n') throw refuse('\n', 'continues the line after a backslash; send one line');
  return following;
}
