import type { Clock, Entropy } from '../clock.ts';
import { compose } from '../command/launcher/compose.ts';
import { zipContext } from '../command/launcher/context-zip.ts';
import { readFrames } from '../command/launcher/frames.ts';
import type { ArmId } from '../config/config.ts';
import type { Secret } from '../secret.ts';
import type { Arm } from './arm.ts';
import type { Accepted, Answer, ClusterView, RunState } from './arm-answers.ts';
import { assumptions, type Assumption, type AssumptionId } from './azure-assumptions.ts';
import { execProgram, OUTPUT_PROGRAM, podProgram, readFindings, tools, OUTPUT_LINES } from './doctor-programs.ts';

/** The operator's look at a real cluster: a fixed set of harmless commands, on the operator's own rights. */
interface DoctorOptions {
  readonly arm: Arm;
  readonly cluster: ArmId;
  /** For clusters with Entra integration: whose token runs the probes. */
  readonly clusterToken?: (() => Promise<Secret>) | undefined;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly signal?: AbortSignal | undefined;
  /** Told of each probe as it begins. */
  readonly progress?: (message: string) => void;
}

export interface DoctorReport {
  readonly cluster: string;
  readonly checks: readonly Check[];
  /** What was found, whatever was assumed: tools and versions, folders, times. */
  readonly findings: Readonly<Record<string, string>>;
}

interface Check {
  readonly assumption: Assumption;
  /** `not-checked` where no probe tells, or its probe did not get through; the detail says which. */
  readonly verdict: 'confirmed' | 'refuted' | 'not-checked';
  readonly detail: string;
}

type Ended = Extract<RunState, { ended: true }>;

interface Probed {
  readonly accepted: Accepted;
  readonly state: Ended;
  /** ms: of the POST, from its answer to the end as seen, and by how much the last look came after Azure's own end. */
  readonly postMs: number;
  readonly runMs: number;
  readonly sawStartedAt: boolean;
}

const POLL_MS = 2_000;
const MOST_MS = 5 * 60_000;

/** What the probes work with. */
interface Examination extends DoctorOptions {
  readonly progress: (what: string) => void;
  /** A word that only this examination knows. */
  readonly mark: string;
  readonly token: Secret | undefined;
  readonly findings: Record<string, string>;
  readonly conclude: Conclude;
  /** By the probe's name: why it did not get through. */
  readonly failed: Map<string, string>;
}

/** Never throws for what Azure says: a probe that fails is part of the report. Rejects when `signal` aborts. */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { arm, cluster, entropy, signal, progress = () => undefined } = options;
  const verdicts = new Map<AssumptionId, Omit<Check, 'assumption'>>();
  const findings: Record<string, string> = {};
  const conclude: Conclude = (id, holds, detail) =>
    void verdicts.set(id, { verdict: holds ? 'confirmed' : 'refuted', detail });

  progress('Reading the cluster');
  const view = await arm.cluster(cluster, signal);
  signal?.throwIfAborted();
  if (view.kind !== 'answer') {
    findings['cluster'] = describe(view);
    return report(cluster, verdicts, findings, `the cluster could not be read: ${describe(view)}`);
  }
  readView(view.value, findings, conclude);
  const token = view.value.entra ? await options.clusterToken?.() : undefined;
  const failed = new Map<string, string>();
  const examination = { ...options, progress, mark: hex(entropy, 8), token, findings, conclude, failed };
  await lookAround(examination, view.value);
  await runLauncher(examination);
  await enterOwnPod(examination);
  await printMuch(examination);
  const why = [...failed].map(([name, reason]) => `probe "${name}" did not get through: ${reason}`).join('; ');
  return report(cluster, verdicts, findings, why);
}

async function lookAround(examination: Examination, { entra }: ClusterView): Promise<void> {
  const { mark, findings, conclude, failed } = examination;
  const bytes = Buffer.from(mark);
  const files = await zipContext([{ path: 'doctor/sub/file.txt', bytes }], [{ path: '.aksgw/probe', bytes }]);
  const pod = await probe(examination, 'Looking around in the pod', podProgram(mark), files);
  if (entra)
    conclude('entra-token', typeof pod !== 'string', typeof pod === 'string' ? pod : 'a command with the token ran');
  if (typeof pod === 'string') failed.set('pod', pod);
  else readPod(pod, mark, findings, conclude);
}

async function runLauncher(examination: Examination): Promise<void> {
  const { arm, cluster, entropy, signal, progress, findings, conclude, failed } = examination;
  const nonce = hex(entropy, 16);
  const { text } = await compose({
    sent: { words: ['sh', '-c', 'printf "out \\303\\274\\n"; printf "err\\n" >&2; exit 7'], files: [], secret: false },
    nonce,
    timeoutSeconds: 60,
  });
  const launched = await probe(examination, 'Running the launcher', text);
  if (typeof launched === 'string') {
    failed.set('launcher', launched);
    return;
  }
  readLaunched(launched, nonce, findings, conclude);
  progress('Reading a result again');
  const again = await arm.result(cluster, launched.accepted.commandId, signal);
  conclude(
    'result-reread',
    again.kind === 'answer' && JSON.stringify(again.value) === JSON.stringify(launched.state),
    again.kind === 'answer' ? 'read again at once, compared as a whole' : describe(again),
  );
}

async function enterOwnPod(examination: Examination): Promise<void> {
  const { mark, conclude, failed } = examination;
  const pods = await probe(examination, 'Going into its own pod', execProgram(mark));
  if (typeof pods === 'string') failed.set('exec', pods);
  else readExec(pods, mark, conclude);
}

async function printMuch(examination: Examination): Promise<void> {
  const { findings, conclude, failed } = examination;
  const output = await probe(examination, 'Printing more than 512 kB', OUTPUT_PROGRAM);
  if (typeof output === 'string') failed.set('cut', output);
  else readCut(output.state.logs ?? '', findings, conclude);
}

/** Runs a program to its end; why it did not get there, in words. */
async function probe(
  { arm, cluster, clock, signal, progress, token }: Examination,
  what: string,
  text: string,
  context?: Uint8Array,
): Promise<Probed | string> {
  progress(what);
  const begun = clock.monotonic();
  const accepted = await arm.run(cluster, { text, context, clusterToken: token, fence: () => undefined }, signal);
  const answered = clock.monotonic();
  if (accepted.kind !== 'answer') return describe(accepted);
  let sawStartedAt = false;
  for (;;) {
    const state = await arm.result(cluster, accepted.value.commandId, signal);
    signal?.throwIfAborted();
    if (state.kind === 'answer' && state.value.ended)
      return {
        accepted: accepted.value,
        state: state.value,
        postMs: answered - begun,
        runMs: clock.monotonic() - answered,
        sawStartedAt,
      };
    if (state.kind === 'answer') sawStartedAt ||= state.value.startedAt !== undefined;
    else if (state.kind === 'refused' && state.status !== 429 && state.status < 500) return describe(state);
    if (clock.monotonic() - answered > MOST_MS) return 'it did not end within five minutes';
    await clock.sleep(POLL_MS, { signal });
  }
}

type Conclude = (id: AssumptionId, holds: boolean, detail: string) => void;

function readView(view: ClusterView, findings: Record<string, string>, conclude: Conclude): void {
  const { powerState, provisioningState, runCommandDisabled, entra } = view;
  findings['cluster'] =
    `${powerState}, ${provisioningState}, run command ${runCommandDisabled ? 'disabled' : 'enabled'}, ${entra ? 'with' : 'without'} Entra integration`;
  conclude('cluster-view', true, findings['cluster']);
}

function readPod({ state }: Probed, mark: string, findings: Record<string, string>, conclude: Conclude): void {
  const found = readFindings(state.logs ?? '', mark);
  for (const [name, value] of found) findings[name] = value;
  const of = (name: string): string => found.get(name) ?? '';
  conclude(
    'shell-text',
    of('shell') !== '',
    of('shell') === '' ? 'the program printed nothing' : `run by ${of('shell')}`,
  );
  if (found.size === 0) return;
  conclude('no-arg-expansion', of('expansion') === '$(HOSTNAME) $$', `sent $(HOSTNAME) $$, arrived ${of('expansion')}`);
  const readable = of('file') === mark && of('hidden') === mark;
  conclude(
    'working-folder',
    readable,
    `working folder ${of('pwd')}, file ${of('file') || 'unreadable'}, dot file ${of('hidden') || 'unreadable'}`,
  );
  const missing = tools.filter((tool) => of(`tool ${tool}`) === '');
  conclude(
    'pod-tools',
    !missing.includes('kubectl') && !missing.includes('helm'),
    missing.length === 0 ? 'all there' : `missing: ${missing.join(', ')}`,
  );
  conclude('writable-folder', of('writable') !== '', of('writable') === '' ? 'none' : `writable: ${of('writable')}`);
  // A pod without a service account's files has no namespace to fall into.
  if (of('namespace') !== '')
    conclude('pod-namespace', of('namespace') === 'aks-command', `namespace ${of('namespace') || 'not to be found'}`);
}

function readLaunched(
  { accepted, state, postMs, runMs, sawStartedAt }: Probed,
  nonce: string,
  findings: Record<string, string>,
  conclude: Conclude,
): void {
  const reading = readFrames(state.logs ?? '', nonce);
  findings['POST answered after'] = `${Math.round(postMs)} ms`;
  findings['ended, as seen, after'] = `${Math.round(runMs)} ms`;
  findings['launcher'] =
    reading.frame === 'whole' ? (['all tools there', ...reading.warnings].at(-1) ?? '') : `frames: ${reading.frame}`;
  conclude('exit-code', state.exitCode === 7, `sent exit 7, Azure says ${state.exitCode}`);
  const whole =
    reading.frame === 'whole' && !reading.truncated && Buffer.from(reading.stdout).toString() === 'out \u00fc\n';
  conclude(
    'logs-are-utf8-text',
    whole,
    whole ? 'frames, lengths and digests agree' : `frames: ${reading.frame}; ${reading.warnings.join(' ')}`,
  );
  const { startedAt, finishedAt } = state;
  conclude(
    'time-stamps',
    startedAt !== undefined && finishedAt !== undefined && startedAt % 1000 === 0 && finishedAt >= startedAt,
    `${stamp(startedAt)} to ${stamp(finishedAt)}; startedAt ${sawStartedAt ? 'was' : 'was not'} in a 202`,
  );
  const requestId = accepted.requestId?.replaceAll('-', '').toLowerCase();
  if (requestId !== undefined)
    conclude(
      'command-id',
      requestId === accepted.commandId,
      `id ${accepted.commandId}, x-ms-request-id ${accepted.requestId}`,
    );
  conclude('post-blocks', postMs < 90_000, `${Math.round(postMs)} ms this time`);
}

function readExec({ accepted, state }: Probed, mark: string, conclude: Conclude): void {
  const found = readFindings(state.logs ?? '', mark);
  const pod = found.get('pod') ?? '';
  conclude(
    'pod-of-a-command',
    pod === `command-${accepted.commandId}`,
    `the pod is called ${pod || 'nothing that it knows'}`,
  );
  const pods = found.get('pods') ?? '';
  conclude('pods-stay', Number(pods) > 1, `${pods || 'no'} pods of commands are there, this one among them`);
  const signalled = found.get('signalled') === 'yes';
  conclude(
    'exec-into-pods',
    signalled,
    signalled ? 'a signal that was sent by kubectl exec arrived' : (state.logs ?? '').slice(-300),
  );
}

function readCut(logs: string, findings: Record<string, string>, conclude: Conclude): void {
  const lines = logs.split('\n').filter((line) => /^\d{7}$/.test(line));
  const [first, last] = [lines[0], lines.at(-1)];
  const head = first === '0000000';
  const tail = last === String(OUTPUT_LINES - 1).padStart(7, '0');
  const bytes = Buffer.byteLength(logs);
  findings['output cut'] =
    head && tail
      ? `not at all: ${bytes} bytes arrived`
      : `${head ? 'the end' : tail ? 'the start' : 'both ends'} lost, ${bytes} bytes arrived`;
  // The launcher keeps its frames below 512,000 bytes: that is what has to get through.
  conclude('output-limit', bytes >= 512_000, findings['output cut']);
}

function report(
  cluster: ArmId,
  verdicts: ReadonlyMap<string, Omit<Check, 'assumption'>>,
  findings: Readonly<Record<string, string>>,
  why: string,
): DoctorReport {
  return {
    cluster: cluster.id,
    findings,
    checks: assumptions.map((assumption) => ({
      assumption,
      ...(verdicts.get(assumption.id) ?? {
        verdict: 'not-checked' as const,
        detail: assumption.probe === 'none' ? 'no harmless probe can tell' : why || 'the probe did not show it',
      }),
    })),
  };
}

function describe(answer: Exclude<Answer<unknown>, { kind: 'answer' }>): string {
  return answer.kind === 'refused' ? `${answer.status} ${answer.code}: ${answer.message}` : answer.message;
}

const stamp = (time: number | undefined): string => (time === undefined ? 'none' : new Date(time).toISOString());
const hex = (entropy: Entropy, bytes: number): string => Buffer.from(entropy.bytes(bytes)).toString('hex');
