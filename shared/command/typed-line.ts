import { refuse } from '../lib/refuse.ts';
import { refusedVerbs, verbs as relayedVerbs } from './kubectl/verbs.ts';
import { unwrapSlack } from './slack-text.ts';
import { splitWords } from './words.ts';

interface TypedLine {
  readonly argv: readonly string[];
  /** What was put right. */
  readonly warnings: readonly string[];
}

/**
 * The words of a line that a person typed into a chat, where phones, word processors and the chat itself have a hand in it. What stands for
 * nothing else is put right; what could be meant otherwise is refused, with the spelling that would do. Text in straight quotes is left as
 * it is. `slack`: the line comes as Slack hands it over. Throws Problem `command-refused`.
 */
export function readTypedLine(line: string, { slack = false } = {}): TypedLine {
  const whole = (slack ? unwrapSlack(line) : line).replace(/\r?\n$/, '');
  const spaced = withSpaces(whole);
  refuseLookalikes(spaced);
  const argv = withTool(splitWords(spaced));
  return { argv, warnings: spaced === whole ? [] : [NBSP_REPLACED] };
}

const NBSP_REPLACED =
  'The command had no-break spaces (U+00A0), as phones and word processors write them: they were read as spaces.';

/** Parts of a line in straight quotes, and what a backslash takes literally. A quote that is not closed reaches to the end. */
const literal = /'[^']*(?:'|$)|"(?:[^"\\]|\\[^])*(?:"|\\?$)|\\[^]?/gu;

/** Changes what stands outside of straight quotes. */
function outsideQuotes(line: string, change: (text: string) => string): string {
  let changed = '';
  let at = 0;
  for (const { index, 0: text } of line.matchAll(literal)) {
    changed += change(line.slice(at, index)) + text;
    at = index + text.length;
  }
  return changed + change(line.slice(at));
}

const withSpaces = (line: string): string => outsideQuotes(line, (text) => text.replaceAll('\u00a0', ' '));

/** Characters that look like what kubectl reads, or like nothing: what each is called, and what was meant. */
const lookalikes: ReadonlyMap<string, readonly [name: string, meant: string]> = new Map([
  ...entries('\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02', 'a curly quote', '"'),
  ...entries('\u2018\u2019\u201a\u201b\u2039\u203a\uff07', 'a curly quote', "'"),
  ...entries('\u2010\u2011\u2043\uff0d\ufe63', 'a typographic hyphen', '-'),
  ...entries('\u2212', 'a minus sign', '-'),
  ...entries('\u2026', 'an ellipsis', '...'),
  ...entries('\uff1d', 'a full-width equals sign', '='),
  ...entries(
    '\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u1680',
    'a typographic space',
    ' ',
  ),
]);

function entries(characters: string, name: string, meant: string): [string, readonly [string, string]][] {
  return characters.split('').map((character) => [character, [name, meant]]);
}

/** Zero width, direction, soft hyphen and their like: seen by nobody (CVE-2021-42574). */
const invisible = /[\p{Cf}\u180b-\u180e\u115f\u1160\u3164\uffa0]/u;
const dash = /[\u2012-\u2015]/u;

/** All of them are one UTF-16 unit. */
const foreignIn = (word: string): string | undefined =>
  word.split('').find((one) => lookalikes.has(one) || dash.test(one));

function refuseLookalikes(line: string): void {
  const hidden = invisible.exec(line)?.[0];
  if (hidden !== undefined)
    throw refuse(
      hidden,
      `is an invisible character (${codeOf(hidden)}): write "${line.replaceAll(new RegExp(invisible, 'gu'), '').slice(0, 200)}"`,
    );
  outsideQuotes(line, (text) => {
    const word = text.split(/[ \t]+/).find((each) => foreignIn(each) !== undefined);
    if (word === undefined) return text;
    const character = foreignIn(word) ?? '';
    const [name] = lookalikes.get(character) ?? ['a dash'];
    throw refuse(
      word,
      `has ${name} (${codeOf(character)}), as phones and word processors write it: write ${asMeant(word)}`,
    );
  });
}

/** A dash before one letter stands for `-`, before a word for `--`, and inside of a word for a hyphen. */
const asMeant = (word: string): string =>
  word
    .replace(/^[\u2012-\u2015]+-?(?=[A-Za-z](?:$|=))/u, '-')
    .replace(/^-?[\u2012-\u2015]+-?/u, '--')
    .replaceAll(/[\u2012-\u2015]/gu, '-')
    .replaceAll(/[^]/gu, (character) => lookalikes.get(character)?.[1] ?? character);

const codeOf = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

const tools: readonly string[] = ['kubectl', 'helm'];
/** The first words of what kubectl can be asked. */
const verbs: ReadonlySet<string> = new Set(
  [...relayedVerbs.keys(), ...refusedVerbs.keys()].map((path) => path.split(' ')[0] ?? path),
);

/** `get pods` and `k get pods` mean kubectl. */
function withTool(argv: readonly string[]): readonly string[] {
  const [first = '', ...rest] = argv;
  if (tools.includes(first)) return argv;
  if (first === 'k' && verbs.has(rest[0] ?? '')) return ['kubectl', ...rest];
  if (verbs.has(first)) return ['kubectl', ...argv];
  const small = first.toLowerCase();
  if (first !== small && (tools.includes(small) || verbs.has(small)))
    throw refuse(first, `begins with a capital letter, as phones write it: write ${small}`);
  return argv;
}
