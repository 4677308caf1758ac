import { Problem } from '../errors.ts';

const LONGEST = 80;

/** A word as it may stand in an answer: quoted, without control characters, not longer than a line. */
export function shown(word: string): string {
  const text = JSON.stringify(word.length > LONGEST ? `${word.slice(0, LONGEST)}…` : word);
  // JSON leaves DEL, the C1 controls and the bidirectional overrides as they are; a terminal acts on them (CVE-2021-25743, CVE-2021-42574).
  return text.replaceAll(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** The one form of a refusal: which word, and why. Never called with a word that is a secret. */
export function refuse(word: string, why: string): Problem {
  return new Problem('command-refused', `${shown(word)}: ${why}`, { members: { word, why } });
}
