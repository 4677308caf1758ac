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
  const words: string[] = [];
  let word: string | undefined;
  /** Where the word begins that is being read. */
  let began = 0;
  let at = 0;
  let inQuotes = false;
  try {
    split();
    return { words };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const operator = command.charAt(at - 1);
    if (error.options.members?.['word'] !== operator || !unquoted.has(operator) || inQuotes)
      return { words, refused: { problem: error, operator: undefined, rest: command.slice(began) } };
    if (word) words.push(word);
    return { words, refused: { problem: error, operator, rest: command.slice(at) } };
  }

  function split(): void {
    if (command.length > MAX_COMMAND_LENGTH) {
      throw refuse('command', `is longer than ${MAX_COMMAND_LENGTH} characters`);
    }
    const next = (): string | undefined => command[at++];
    const forbidControl = (character: string): void => {
      if (character === '\0') throw refuse(character, 'is a NUL character, which no word can hold');
      if (character === '\r')
        throw refuse(character, 'is a carriage return, which no shell takes for the end of a line');
    };

    for (let character = next(); character !== undefined; character = next()) {
      forbidControl(character);
      if (character === ' ' || character === '\t') {
        if (word !== undefined) words.push(word);
        word = undefined;
        continue;
      }
      if (word === undefined) began = at - 1;
      word ??= '';
      if (character === "'" || character === '"') {
        inQuotes = true;
        word += character === '"' ? doubleQuoted() : singleQuoted();
        inQuotes = false;
      } else if (character === '\\') {
        word += escaped();
      } else {
        const meaning = unquoted.get(character);
        if (meaning !== undefined) {
          throw refuse(character, `is ${meaning} to a shell, and no shell reads this; quote it if it is meant as text`);
        }
        word += character;
      }
    }
    if (word !== undefined) words.push(word);

    function singleQuoted(): string {
      const end = command.indexOf("'", at);
      if (end === -1) throw refuse("'", 'is a quote that is not closed');
      const text = command.slice(at, end);
      at = end + 1;
      for (const character of text) forbidControl(character);
      return text;
    }

    function doubleQuoted(): string {
      let text = '';
      for (let character = next(); character !== undefined; character = next()) {
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
        const following = next();
        if (following === undefined) break;
        forbidControl(following);
        if (following === '\n') continue;
        text += '$`"\\'.includes(following) ? following : `\\${following}`;
      }
      throw refuse('"', 'is a quote that is not closed');
    }

    function escaped(): string {
      const following = next();
      if (following === undefined) throw refuse('\\', 'is the last character, and quotes nothing');
      forbidControl(following);
      if (following === '\n') throw refuse('\n', 'continues the line after a backslash; send one line');
      return following;
    }
  }
}
