import { Problem } from '../../shared/errors.ts';
import type { ProblemCode } from '../../shared/errors.ts';

export interface Refused {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly challenge: string | undefined;
  readonly problem: Problem;
}

/** The Problem that a call ends with; anything else, success included, fails the test. */
export async function problemOf(call: Promise<unknown>): Promise<Refused> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return {
      code: error.code,
      detail: error.message,
      challenge: error.options.headers?.['www-authenticate'],
      problem: error,
    };
  }
  throw new Error('expected a Problem, and the call succeeded');
}
