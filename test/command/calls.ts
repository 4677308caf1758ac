import { describeAttributes } from '../../shared/kubernetes/attributes.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation, RequestFile } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import type { CommandContext } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';

export const context: CommandContext = {
  defaultNamespace: 'shop',
  resources: [
    {
      group: 'example.com',
      version: 'v1',
      resource: 'widgets',
      kind: 'Widget',
      namespaced: true,
      shortNames: ['wd', 'deploy'],
    },
    { group: 'example.com', version: 'v1', resource: 'fleets', kind: 'Fleet', namespaced: false, shortNames: [] },
    { group: 'example.com', version: 'v1', resource: 'rulelists', kind: 'RuleList', namespaced: true, shortNames: [] },
  ],
};

export const file = (path: string, text: string): RequestFile => ({ path, bytes: new TextEncoder().encode(text) });

/** Interprets a command line with uploads (`path` to text) and stdin. */
export function call(command: string, uploads: Readonly<Record<string, string>> = {}, stdin?: string): Invocation {
  const files = Object.entries(uploads).map(([path, text]) => file(path, text));
  return interpret({ argv: splitWords(command), files, stdin }, context);
}

/** What Kubernetes is asked, a line each. */
export const asked = (invocation: Invocation): string[] => invocation.attributes.map(describeAttributes);

export const sentFile = (invocation: Invocation, path: string): string | undefined => {
  const found = invocation.sent.files.find((one) => one.path === path);
  return found && new TextDecoder().decode(found.bytes);
};

/** The refusal of a command, or what it wrongly became. */
export function refusal(run: () => Invocation): { word: unknown; why: unknown; detail: string } | string[] {
  try {
    return [...run().sent.words];
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'command-refused') throw error;
    return { word: error.options.members?.['word'], why: error.options.members?.['why'], detail: error.message };
  }
}
