/** `*` stands for any run of characters, the empty one too; nothing else is special. */
export interface Glob {
  readonly pattern: string;
  /** Exactly `*`. */
  readonly all: boolean;
  /** Has no `*`: one name, spelled out. */
  readonly literal: boolean;
  matches(text: string): boolean;
}

/**
 * Compiles a glob into a matcher of linear time: callers choose the text, so a regular expression that backtracks would be
 * theirs to exploit.
 */
export function compileGlob(pattern: string): Glob {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  if (parts.length === 1) return { pattern, all: false, literal: true, matches: (text) => text === pattern };
  const last = parts.at(-1) ?? '';
  if (parts.length === 2 && last === '') {
    return { pattern, all: first === '', literal: false, matches: (text) => text.startsWith(first) };
  }
  const middle = parts.slice(1, -1).filter((part) => part !== '');
  return {
    pattern,
    all: false,
    literal: false,
    matches(text) {
      if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
      const end = text.length - last.length;
      let at = first.length;
      for (const part of middle) {
        const found = text.indexOf(part, at);
        if (found === -1 || found + part.length > end) return false;
        at = found + part.length;
      }
      return true;
    },
  };
}

/** Whether there is a text that both take in. For words of a configuration: its time is the product of their lengths. */
export function globsOverlap(one: string, other: string): boolean {
  // At place j: whether what is read of `one` so far and the first j characters of `other` have a text in common.
  let common = Array.from({ length: other.length + 1 }, (_no, place) => /^\**$/.test(other.slice(0, place)));
  for (const character of one) {
    const before = common;
    common = [character === '*' && before[0] === true];
    for (let place = 0; place < other.length; place += 1) {
      const met = other[place];
      const both = character === met && before[place] === true;
      // A star stands for nothing, or for one more character of the other.
      const star = (character === '*' || met === '*') && (before[place + 1] === true || common[place] === true);
      common.push(both || star);
    }
  }
  return common.at(-1) === true;
}
