import { Problem } from '../../shared/errors.ts';

/** The word and the reason with which a command was refused; an error when it was not. */
export function refusalOf(run: () => unknown): { readonly word: unknown; readonly why: unknown } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'command-refused') throw error;
    return { word: error.options.members?.['word'], why: error.options.members?.['why'] };
  }
  throw new Error('Not refused');
}
