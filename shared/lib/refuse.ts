import { Problem } from '../errors.ts';
import { shown } from './safe-text.ts';

/** The one form of a refusal: which word, and why. Never called with a word that is a secret. */
export function refuse(word: string, why: string): Problem {
  return new Problem('command-refused', `${shown(word)}: ${why}`, { members: { word, why } });
}
