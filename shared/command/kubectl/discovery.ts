import { refuse } from '../refuse.ts';
import { checked, globalFlags, sent } from './flags.ts';
import type { FlagRule, FlagTable } from './flags.ts';
import type { Verb } from './verb.ts';

const oneOf = (...formats: readonly string[]): FlagRule =>
  checked((value, _call, flag) => {
    if (value !== '' && !formats.includes(value)) throw refuse(`${flag}=${value}`, `is none of ${formats.join(', ')}`);
  });

/** Verbs that ask for what every authenticated user may read (system:discovery): versions, resources, schemas. No attributes. */
function discovery(flags: FlagTable): Verb {
  return {
    flags: { ...globalFlags, ...flags },
    means: ({ parsed }) => {
      const [word] = parsed.args;
      if (word !== undefined) throw refuse(word, `kubectl ${parsed.path.join(' ')} takes no words`);
      return { args: [] };
    },
  };
}

export const discoveryVerbs: Readonly<Record<string, Verb>> = {
  version: discovery({ client: sent, output: oneOf('json', 'yaml') }),
  'api-versions': discovery({}),
};
