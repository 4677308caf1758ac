import { readFrames, type FrameReading } from '../command/launcher/frames.ts';
import { readSteps } from '../command/launcher/step-frames.ts';
import type { RunState } from './arm-answers.ts';
import type { Ended } from './relay.ts';

type EndedState = Extract<RunState, { ended: true }>;
type Unknown = Extract<Ended, { kind: 'unknown' }>;

/** Reasons after which the container certainly never ran (kubernetes/pkg/kubelet/images: the waiting reasons of a container). */
const neverRan =
  /^(ImagePullBackOff|ErrImagePull|ErrImageNeverPull|InvalidImageName|ImageInspectError|RegistryUnavailable|CreateContainerConfigError|CreateContainerError)$/i;

interface Asked {
  readonly commandId: string;
  readonly nonce: string;
}

/**
 * What a run that Azure calls ended came to. HTTP 200 is not success, nor is exit code 0: `completed` is said only of what this
 * command's own frames say, or, without any frame, of a result with its id, its logs and an exit code.
 */
export function readOutcome(state: EndedState, { commandId, nonce }: Asked): Ended {
  return isForeign(state, commandId) ? foreign : outcomeOf(state, readFrames(state.logs ?? '', nonce));
}

/** The same for a pod with steps: one end for each, in their order. */
export function readStepOutcomes(state: EndedState, commandId: string, nonces: readonly string[]): readonly Ended[] {
  if (isForeign(state, commandId)) return nonces.map(() => foreign);
  const readings = readSteps(state.logs ?? '', nonces);
  // Azure's exit code is that of all steps together: it contradicts none of them.
  return readings.map((reading) => outcomeOf({ ...state, exitCode: reading.exitCode }, reading));
}

const isForeign = ({ id }: EndedState, commandId: string): boolean =>
  id !== undefined && id.replaceAll('-', '').toLowerCase() !== commandId;

function outcomeOf(state: EndedState, reading: FrameReading): Ended {
  if (reading.contradiction !== undefined)
    return {
      ...unknown(
        'InconsistentResult',
        `The command was started, but what came back cannot be believed: ${reading.contradiction}`,
      ),
      inconsistent: reading.contradiction,
    };
  switch (reading.frame) {
    case 'whole':
      return completed(state, reading, reading.exitCode ?? state.exitCode);
    case 'started':
      return ofStarted(state, reading);
    case 'raw':
      return ofRaw(state, reading);
    case 'foreign':
      return foreign;
    case 'not-reached':
      return notReached;
    case 'lost':
      return ofLost(state);
  }
}

/** Of a step nothing came back. */
function ofLost(state: EndedState): Ended {
  if (state.provisioningState !== 'succeeded') return notSucceeded(state, false);
  return unknown('NoFrame', `Nothing of this step is in what came back; it may or may not have run. ${LOOK}`);
}

const notReached: Ended = {
  kind: 'failed',
  code: 'not-reached',
  message: 'A step before this one failed or was ended, so this one was not started.',
};

/** A whole frame is the launcher's own word that the command ran to its end, whatever Azure says of the pod. */
function completed(state: EndedState, reading: FrameReading, exitCode: number | undefined): Ended {
  if (exitCode === undefined) return unknown('NoExitCode', `Azure says that the command ended, but not how. ${LOOK}`);
  const { stdout, stderr, streams, truncated, timedOut, warnings, tools } = reading;
  const disagree =
    reading.exitCode !== undefined && state.exitCode !== undefined && reading.exitCode !== state.exitCode;
  return {
    kind: 'completed',
    exitCode,
    stdout,
    stderr,
    streams,
    truncated,
    timedOut,
    ...timesOf(state),
    warnings,
    ...(tools && { tools }),
    ...(disagree && { inconsistent: `The frame says exit code ${reading.exitCode}, Azure says ${state.exitCode}.` }),
  };
}

/** The launcher's end is missing, so it was killed. It never ends with 0 without saying so in a frame. */
function ofStarted(state: EndedState, reading: FrameReading): Ended {
  if (state.provisioningState !== 'succeeded') return notSucceeded(state, true);
  if (state.exitCode === 0)
    return unknown('NoFrame', `The command was started, and its end is missing from what came back. ${LOOK}`);
  return completed(state, reading, state.exitCode);
}

/** Only Azure's word: it has to be about this command, and to be all there. */
function ofRaw(state: EndedState, reading: FrameReading): Ended {
  if (state.provisioningState !== 'succeeded') return notSucceeded(state, false);
  if (state.id === undefined)
    return unknown('NoIdentity', `Nothing in what came back shows that it is this command's. ${LOOK}`);
  if (state.logs === undefined)
    return unknown('NoLogs', `Azure says that the command ended, and gives no output of it. ${LOOK}`);
  return completed(state, reading, state.exitCode);
}

/** Times that contradict each other are left out. */
function timesOf({ startedAt, finishedAt }: EndedState) {
  return startedAt !== undefined && finishedAt !== undefined && finishedAt < startedAt ? {} : { startedAt, finishedAt };
}

const LOOK = 'Look at the cluster before sending a change again.';
const foreign: Ended = {
  kind: 'unknown',
  code: 'ForeignResult',
  message: 'Azure answered with the result of another command; this one may or may not have run.',
};
const unknown = (code: string, message: string): Unknown => ({ kind: 'unknown', code, message });

function notSucceeded({ provisioningState, reason, finishedAt }: EndedState, started: boolean): Ended {
  const said = reason === undefined || reason === '' ? 'without a reason' : `for the reason "${reason.slice(0, 500)}"`;
  if (!started && reason !== undefined && neverRan.test(reason))
    return {
      kind: 'failed',
      code: reason,
      message: `The pod could not be started: its image or configuration is not available (${reason}). Nothing ran. The cluster's nodes must reach mcr.microsoft.com.`,
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
