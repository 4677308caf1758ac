import { Problem } from '../../errors.ts';

const MAX_SHOWN = 200;

/** The gateway does not relay this word, and why. Clients read both from the problem's members. */
export function refused(word: string, why: string): Problem {
  const shown = word.length > MAX_SHOWN ? `${word.slice(0, MAX_SHOWN)}…` : word;
  return new Problem('command-refused', `${shown}: ${why}`, { members: { word: shown, why } });
}
