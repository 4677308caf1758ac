import type { Answer } from './arm-answers.ts';
import { withAzure } from './catalogue.ts';
import type { Ended } from './relay.ts';

/** A poll that brought no state of the run. */
type Failed = Exclude<Answer<unknown>, { kind: 'answer' }>;

/** What is known when a poll fails. Times are epoch ms, ages and spans ms. */
interface Standing {
  readonly now: number;
  /** When Azure last said that it has the run: the POST, or a poll. */
  readonly heardAt: number;
  /** When the polls began to fail; each success starts it again. */
  readonly failingSince: number;
  /** Polls in a row that failed, with this one. */
  readonly failures: number;
  /** When the command's own time limit is over. */
  readonly limitAt: number;
}

const MINUTE = 60_000;
/** The launcher ends a command at its time limit; the rest is for the pod to start and for Azure to notice. */
export const OVERDUE_MS = 10 * MINUTE;
/** As long as Azure cannot be reached at all, its answer may still come. */
const UNREACHABLE_MS = 60 * MINUTE;
/** A role assignment may take ten minutes to spread (learn.microsoft.com/azure/role-based-access-control/troubleshooting). */
const FORBIDDEN_MS = 15 * MINUTE;
/** A proxy's page, a redirect or a broken body may pass; a result that never fits does not. */
const UNREADABLE_MS = 5 * MINUTE;
/** Results were still readable six minutes after the end (assumption `result-reread`): until then "not found" is not the truth. */
const KEPT_MS = 6 * MINUTE;
/** One "not found" may be a replica that lags behind. */
const LEAST_NOT_FOUND = 3;

/**
 * How long a kind of failure is borne: the end it makes, or undefined while it may pass. Anything ends an hour after the command's
 * time limit, so no record runs for ever.
 */
export function giveUp(answer: Failed, standing: Standing): Ended | undefined {
  const { now, limitAt } = standing;
  if (now > limitAt + UNREACHABLE_MS)
    return answer.kind === 'refused' ? refusedForGood(answer) : unreachable(answer.code);
  return isOver(answer, standing) ? ended(answer) : undefined;
}

function isOver(answer: Failed, { now, heardAt, failingSince, failures }: Standing): boolean {
  const failing = now - failingSince;
  if (answer.kind === 'lost' && answer.code === 'UnreadableAnswer') return failing > UNREADABLE_MS;
  if (answer.kind !== 'refused') return false;
  switch (answer.status) {
    // The gateway's token, a slow network, Azure's throttle: these pass or are mended, and say nothing of the run.
    case 401:
    case 407:
    case 408:
    case 429:
      return false;
    case 403:
      return failing > FORBIDDEN_MS;
    case 404:
    case 410:
      return failures >= LEAST_NOT_FOUND && now - heardAt > KEPT_MS;
    default:
      return answer.status < 500 && failing > UNREADABLE_MS;
  }
}

const TROUBLE = 'The command was sent, and the gateway keeps asking for its result.';

/** Whether a warning of a record is one of these. */
export const isTrouble = (warning: string): boolean => warning.startsWith(TROUBLE);

/** Why there is no result yet, for callers who wait. */
export function troubleOf(answer: Failed): string {
  if (answer.kind !== 'refused') return `${TROUBLE} ${answer.message}`;
  if (answer.status === 403)
    return withAzure(
      `${TROUBLE} It may not read it so far: a role assignment may still be spreading, or its role lacks ${READ_RIGHT}.`,
      answer,
    );
  return withAzure(`${TROUBLE} Azure does not give it so far.`, answer);
}

/** The command is running by Azure's word, and long past its limit. */
export const overdue: Ended = {
  kind: 'unknown',
  code: 'NeverEnded',
  message:
    'Azure still calls the command running, long after its time limit; the gateway no longer asks. Look at the cluster (namespace aks-command) before sending a change again.',
};

const READ_RIGHT = 'Microsoft.ContainerService/managedClusters/commandResults/read';

const ended = (answer: Failed): Ended =>
  answer.kind === 'refused'
    ? refusedForGood(answer)
    : {
        kind: 'unknown',
        code: answer.code,
        message: `The command was started, and Azure's answers about it could not be read. ${answer.message} Look at the cluster before sending a change again.`,
      };

function refusedForGood(answer: Extract<Failed, { kind: 'refused' }>): Ended {
  const words =
    answer.status === 403
      ? `The command was started, but the gateway may not read its result: its role lacks ${READ_RIGHT}.`
      : answer.status === 404 || answer.status === 410
        ? 'The command was started, but Azure no longer has its result.'
        : 'The command was started, but Azure does not give its result.';
  return { kind: 'unknown', code: answer.code, message: withAzure(words, answer) };
}

const unreachable = (code: string): Ended => ({
  kind: 'unknown',
  code,
  message:
    'The command was started, and Azure gave no answer about it for an hour; it may have run. Look at the cluster before sending a change again.',
});
