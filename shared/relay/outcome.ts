import { readFrames } from '../command/launcher/frames.ts';
import type { Refusal, RunState } from './arm-answers.ts';
import { withAzure } from './catalogue.ts';
import type { Ended } from './relay.ts';

type EndedState = Extract<RunState, { ended: true }>;

/** Reasons after which the container certainly never ran (kubernetes/pkg/kubelet/images: the waiting reasons of a container). */
const neverRan =
  /^(ImagePullBackOff|ErrImagePull|ErrImageNeverPull|InvalidImageName|ImageInspectError|RegistryUnavailable|CreateContainerConfigError|CreateContainerError)$/i;

/** What a run that Azure calls ended came to. HTTP 200 is not success: `provisioningState` first, then the exit code. */
export function readOutcome(state: EndedState, run: { readonly commandId: string; readonly nonce: string }): Ended {
  const { startedAt, finishedAt } = state;
  if (state.id !== undefined && state.id.replaceAll('-', '').toLowerCase() !== run.commandId)
    return {
      kind: 'unknown',
      code: 'ForeignResult',
      message: 'Azure answered with the result of another command; this one may or may not have run.',
    };
  const reading = readFrames(state.logs ?? '', run.nonce);
  if (reading.frame === 'foreign')
    return {
      kind: 'unknown',
      code: 'ForeignResult',
      message: 'Azure answered with the output of another command; this one may or may not have run.',
    };
  const exitCode = reading.exitCode ?? state.exitCode;

  // A whole frame is the launcher's own word that the command ran to its end, whatever Azure says of the pod.
  if (reading.frame !== 'whole' && state.provisioningState !== 'succeeded')
    return notSucceeded(state, reading.frame === 'started');
  if (exitCode === undefined)
    return {
      kind: 'unknown',
      code: 'NoExitCode',
      message: 'Azure says that the command ended, but not how. Look at the cluster before sending a change again.',
    };

  const disagree =
    reading.exitCode !== undefined && state.exitCode !== undefined && reading.exitCode !== state.exitCode;
  const { stdout, stderr, streams, truncated, timedOut, warnings } = reading;
  return {
    kind: 'completed',
    exitCode,
    stdout,
    stderr,
    streams,
    truncated,
    timedOut,
    startedAt,
    finishedAt,
    warnings,
    ...(disagree && { inconsistent: `The frame says exit code ${reading.exitCode}, Azure says ${state.exitCode}.` }),
  };
}

function notSucceeded({ provisioningState, reason, finishedAt }: EndedState, started: boolean): Ended {
  const said = reason === undefined || reason === '' ? 'without a reason' : `for the reason "${reason.slice(0, 500)}"`;
  if (!started && reason !== undefined && neverRan.test(reason))
    return {
      kind: 'failed',
      code: reason,
      message: `The pod could not be started: its image or configuration is not to be had (${reason}). Nothing ran. The cluster's nodes must reach mcr.microsoft.com.`,
      finishedAt,
    };
  return {
    kind: 'unknown',
    code: reason === undefined || !/^\w{1,60}$/.test(reason) ? 'Failed' : reason,
    message: started
      ? `The command was started, and Azure ended it as ${provisioningState} ${said}; what it did until then stands.`
      : `Azure ended the command as ${provisioningState} ${said}; it may or may not have run. Look at the cluster before sending a change again.`,
  };
}

/** Answers to a poll after which there is no use in asking again. */
export function readRefusedPoll(refusal: Refusal): Extract<Ended, { kind: 'unknown' }> {
  const words =
    refusal.status === 403
      ? 'The command was started, but the gateway may not read its result: its role lacks Microsoft.ContainerService/managedClusters/commandResults/read.'
      : refusal.status === 404
        ? 'The command was started, but Azure no longer has its result.'
        : 'The command was started, but Azure does not give its result.';
  return { kind: 'unknown', code: refusal.code, message: withAzure(words, refusal) };
}
