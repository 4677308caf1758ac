/** A command line taken apart: flags by their long names, with `--` honoured. */
export interface Arguments {
  readonly verb: string;
  readonly args: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
}

const short: Readonly<Record<string, string>> = {
  A: 'all-namespaces',
  c: 'container',
  f: 'filename',
  l: 'selector',
  n: 'namespace',
  o: 'output',
};

/**
 * Flags of each verb; those with a `!` stand alone or take =true or =false. What is not here is refused, never ignored. The stand-in waits for
 * no pod and no deletion, so that it keeps within whatever time those may take.
 */
const verbs: Readonly<Record<string, string>> = {
  exec: 'namespace container pod-running-timeout',
  get: 'namespace all-namespaces! selector field-selector output no-headers! ignore-not-found! raw',
  describe: 'namespace selector',
  logs: 'namespace container selector tail since-seconds timestamps! pod-running-timeout',
  apply: 'namespace filename server-side! field-manager validate',
  delete: 'namespace selector filename ignore-not-found! wait! timeout cascade',
  scale: 'namespace replicas',
  'rollout restart': 'namespace field-manager',
  'rollout status': 'namespace timeout',
  version: 'namespace output',
};

/** Throws Error for a verb or a flag that the stand-in does not know. */
export function parseArguments(words: readonly string[], label: string): Arguments {
  const args: string[] = [];
  const given: [name: string, value: string | undefined, next: string | undefined, word: string][] = [];
  const swallowed = new Set<number>();
  const verb = words[0] === 'rollout' ? words.slice(0, 2).join(' ') : (words[0] ?? '');
  const flagsOf = verbs[verb];
  if (flagsOf === undefined) throw new Error(`the ${label} does not know "${verb}"; install kubectl to use it`);
  const alone = new Set(flagsOf.split(' ').flatMap((flag) => (flag.endsWith('!') ? flag.slice(0, -1) : [])));
  const known = new Set(flagsOf.split(' ').map((flag) => flag.replace('!', '')));
  const from = verb.split(' ').length;
  for (let index = from; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (swallowed.has(index)) continue;
    if (word === '--') {
      args.push(...words.slice(index + 1));
      break;
    }
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? /^-([A-Za-z])=?(.+)?$/s.exec(word);
    if (!match) {
      args.push(word);
      continue;
    }
    const [, spelt = '', value] = match;
    const name = word.startsWith('--') ? spelt.replaceAll('_', '-') : (short[spelt] ?? spelt);
    const takesNext = value === undefined && !alone.has(name);
    if (takesNext) swallowed.add(index + 1);
    given.push([name, alone.has(name) ? (value ?? 'true') : value, takesNext ? words[index + 1] : undefined, word]);
  }
  const flags = new Map<string, string>();
  for (const [name, value, next, word] of given) {
    if (!known.has(name))
      throw new Error(`the ${label} does not know the flag ${word} of ${verb}; install kubectl to use it`);
    const chosen = value ?? next;
    if (chosen === undefined) throw new Error(`flag needs an argument: ${word}`);
    flags.set(name, chosen);
  }
  return { verb, args, flags };
}
