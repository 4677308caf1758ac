import type { ProblemDocument } from '../../http/schemas.ts';

/** A gateway's answer that is a problem: nothing was started, unless it came while a command was being waited for. */
export class GatewayProblem extends Error {
  override readonly name = 'GatewayProblem';
  readonly problem: ProblemDocument;
  /** Seconds, at least one; undefined when the gateway does not say. */
  readonly retryAfter: number | undefined;
  constructor(problem: ProblemDocument, retryAfter: number | undefined) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** No answer came to a command that may have arrived: it may or may not have run. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost';
}

/** No request arrived: the message has the address and the cause. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}
