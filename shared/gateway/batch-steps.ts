import { setImmediate as nextTurn } from 'node:timers/promises';
import { yamlBudget } from '../command/yaml.ts';
import type { Config } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { inForce, type GatewayContext } from './context.ts';
import { refuseCommand } from './deny.ts';
import type { AuthenticatedRequest, RequestedBatch, RequestedCommand } from './request.ts';

/**
 * The steps as commands, each with its own time. All share the batch's, which is at most what one command may have: what the steps leave
 * open is an equal part of what is left. Throws Problem `request-invalid`, which the trail has by then.
 */
export async function stepsOf(
  context: GatewayContext,
  { facts }: AuthenticatedRequest,
  { steps, onError: _onError, ...shared }: RequestedBatch,
): Promise<readonly RequestedCommand[]> {
  const { config } = await inForce(context);
  const open = timeForOpen(config.limits.timeoutSeconds, steps);
  if (open < 1) {
    const { max } = config.limits.timeoutSeconds;
    const problem = new Problem('request-invalid', `The steps of a batch may take at most ${max} seconds in all here.`);
    return refuseCommand(context.trail, { ...facts, argv: [] }, problem);
  }
  const budget = yamlBudget();
  return steps.map((step) => ({ ...shared, ...step, budget, timeoutSeconds: step.timeoutSeconds ?? open }));
}

/** Seconds for each step that names none; less than 1 where there are not enough. */
function timeForOpen(limits: Config['limits']['timeoutSeconds'], steps: RequestedBatch['steps']): number {
  const named = steps.reduce((sum, { timeoutSeconds = 0 }) => sum + timeoutSeconds, 0);
  const left = limits.max - named;
  const open = steps.filter(({ timeoutSeconds }) => timeoutSeconds === undefined).length;
  if (open === 0) return left < 0 ? 0 : limits.default;
  return Math.min(limits.default, Math.floor(left / open));
}

/** What is said of one step says which. Numbers count from 0. Between two steps others have their turn. */
export async function atStep<T>(step: number, doing: () => Promise<T>): Promise<T> {
  if (step > 0) await nextTurn();
  try {
    return await doing();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { options } = error;
    throw new Problem(error.code, error.message, {
      ...options,
      members: { ...options.members, step },
      cause: error,
    });
  }
}
