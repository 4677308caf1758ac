import type { BatchId, CommandId } from '../lib/ids.ts';
import { Problem } from '../errors.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { MAX_NOTE, type Records } from '../store/records.ts';

/** What the records remember of a job: one note, written by compare-and-set, so that one instance alone takes each step. */
export interface JobState {
  /** The last slot that was dealt with, whatever came of it; at first the time of the first look. Epoch ms. */
  readonly lastSlot: number;
  /** Of the job and of its schedule, as they were last seen. */
  readonly digest: string;
  readonly schedule: string;
  /** A run that was decided and may not have started: it is tried until its command is found, or for long enough. */
  readonly starting?: Run | undefined;
  readonly running?: StartedRun | undefined;
  /** The slot that runs next: now, or after the run before it (`onOverlap: queue`). */
  readonly waiting?: Due | undefined;
  readonly suspended?: { readonly since: number; readonly why: string } | undefined;
  /** What a health job's webhook was last told is wrong, and which webhook that is. */
  readonly told?: { readonly webhook: string; readonly troubles: readonly string[] } | undefined;
  /** Newest first; runs by hand are not in it. */
  readonly history: readonly PastSlot[];
}

/** A slot that is due, and how many were missed up to it. */
export interface Due {
  readonly slot: number;
  readonly missed: number;
}

export interface Run extends Due {
  readonly firedAt: number;
}

export interface StartedRun extends Run {
  /** Of a batch: its first step's. */
  readonly commandId: CommandId;
  readonly batchId?: BatchId | undefined;
}

export interface PastSlot {
  readonly slot: number;
  readonly at: number;
  /** Of a job with one command. */
  readonly commandId?: CommandId | undefined;
  /** Of a job with steps. */
  readonly batchId?: BatchId | undefined;
  /** Of a run that came late: how many slots were missed up to it. */
  readonly missed?: number | undefined;
  readonly outcome: 'completed' | 'failed' | 'unknown' | 'missed' | 'overlapped' | 'suspended' | 'not-started';
  readonly exitCode?: number | undefined;
  /** Why, where it did not run well. */
  readonly why?: string | undefined;
}

export interface StoredState {
  readonly version: number;
  readonly state: JobState;
}

const HISTORY = 100;
/** A hundred lines of history fit into a note with this. */
const WHY = 120;

/** Another instance took the next step of this job; it goes on there. */
export class OtherInstance extends Error {
  override readonly name = 'OtherInstance';
}

const noteOf = (job: string): string => `job/${job}`;

export async function loadState(records: Pick<Records, 'getNote'>, job: string): Promise<StoredState | undefined> {
  const note = await records.getNote(noteOf(job));
  return note && { version: note.version, state: JSON.parse(note.text) };
}

/** Throws OtherInstance when what is stored is no longer `last`. Slots that are newly remembered are counted. */
export async function saveState(
  { records, telemetry }: { readonly records: Pick<Records, 'putNote'>; readonly telemetry: Telemetry },
  job: string,
  last: StoredState | undefined,
  state: JobState,
): Promise<StoredState> {
  const version = last?.version ?? 0;
  if (!(await records.putNote(noteOf(job), { version, text: fitting(state) }))) throw new OtherInstance(`job ${job}`);
  const known = new Set(last?.state.history);
  for (const past of state.history) {
    if (known.has(past)) break; // newest first
    if (past.outcome !== 'missed') telemetry.count('aksgw.job.runs', { job, status: statusOf(past) });
  }
  return { version: version + 1, state };
}

const statusOf = ({ outcome, exitCode }: PastSlot) =>
  outcome === 'completed' && exitCode !== 0 ? 'nonzero' : (outcome as Exclude<PastSlot['outcome'], 'missed'>);

/** The oldest lines of the history give way where a note cannot hold a hundred. */
function fitting(state: JobState): string {
  for (let kept = HISTORY; ; kept -= 10) {
    const text = JSON.stringify({ ...state, history: state.history.slice(0, kept) });
    if (text.length <= MAX_NOTE || kept <= 0) return text;
  }
}

/** The state with one more line of history. */
export const remember = (state: JobState, past: PastSlot): JobState => ({
  ...state,
  history: [{ ...past, ...(past.why !== undefined && { why: past.why.slice(0, WHY) }) }, ...state.history].slice(
    0,
    HISTORY,
  ),
});

/** What a line of history says about where a run's records are. */
export const placeOfRun = ({ commandId, batchId }: StartedRun): Pick<PastSlot, 'commandId' | 'batchId'> =>
  batchId === undefined ? { commandId } : { batchId };

/** The words of a problem, for history and trail; what is not a problem says nothing about itself. */
export const whyOf = (error: unknown): string =>
  error instanceof Problem ? `${error.code}: ${error.message}` : 'internal-error: the gateway made a mistake';
