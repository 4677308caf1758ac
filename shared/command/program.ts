import type { Program, SentCommand } from './invocation.ts';
import { quoteWords } from './quote.ts';

/**
 * What the launcher exports to a program: 16 hex digits that no other command has. What a program makes in the cluster bears it as a label, so
 * that it never takes another's object for its own.
 */
export const RUN_ID = 'AKSGW_ID';

/** The parts of a program: `` sh`k=1; ${['kubectl', 'get', 'pods']} | cat` ``. A plain text that is put in is a constant too. */
export function sh(texts: TemplateStringsArray, ...calls: readonly (readonly string[] | string)[]): Program {
  return texts.flatMap((text, at): Program => {
    const call = calls[at];
    const part = { sh: text };
    if (call === undefined) return [part];
    return [part, typeof call === 'string' ? { sh: call } : { words: call }];
  });
}

const render = (program: Program): string =>
  program.map((part) => ('sh' in part ? part.sh : quoteWords(part.words))).join('');

/** The words that run a program. */
export const programWords = (program: Program): readonly string[] => ['sh', '-c', render(program)];

/** The words that the pod runs: of a command with a guard both, as one program. */
export function wordsInPod({ words, program, guard }: SentCommand): readonly string[] {
  return guard === undefined ? words : programWords([...guard, ...(program ?? sh`exec ${words}`)]);
}

/** The same command with further global flags, in each of its calls those of the tool that is called. */
export function withGlobalFlags(sent: SentCommand, flagsOf: (tool: string) => readonly string[]): SentCommand {
  const add = ([tool = '', ...rest]: readonly string[]): readonly string[] => [tool, ...flagsOf(tool), ...rest];
  const inCalls = (program: Program): Program =>
    program.map((part) => ('sh' in part || part.words[0] !== 'kubectl' ? part : { words: add(part.words) }));
  const guarded = sent.guard === undefined ? sent : { ...sent, guard: inCalls(sent.guard) };
  if (sent.program === undefined) return { ...guarded, words: add(sent.words) };
  const program = inCalls(sent.program);
  return { ...guarded, program, words: programWords(program) };
}
