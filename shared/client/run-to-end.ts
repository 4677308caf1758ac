import type { BatchOutputBody, CommandOutputBody } from '../http/schemas.ts';
import { isFinal } from './api/answers.ts';
import type { RunOptions } from './api/await-end.ts';
import { AnswerLost } from './api/failures.ts';
import type { Client } from './connect.ts';
import { exits, NotRun } from './exits.ts';
import { oneLine, tell, type Host } from './host.ts';
import { progressOn } from './progress.ts';
import { showEnd, type Shown } from './show.ts';

interface Run {
  readonly client: Client;
  readonly idempotencyKey: string;
  readonly start: (options: RunOptions) => Promise<CommandOutputBody | BatchOutputBody>;
  /** Told once the gateway has it. */
  readonly onAccepted?: ((id: string) => void) | undefined;
  /** Of what was started before: known from the beginning. */
  readonly id?: string | undefined;
}

const SECOND_MS = 2_000;
/** Who presses Ctrl-C twice does not wait longer for an answer. */
const CANCEL_MS = 10_000;

/**
 * Runs something to its end and shows it. Throws what the client throws where nothing was started; once something may have been, the exit
 * code says what is known.
 */
export async function runToEnd(host: Host, run: Run, options: Shown): Promise<number> {
  const progress = progressOn(host);
  let id = run.id;
  let away = false;
  const told = new Set<string>();
  try {
    progress.say('sending');
    const ended = await run.start({
      idempotencyKey: run.idempotencyKey,
      onAccepted: (accepted) => {
        id = accepted;
        run.onAccepted?.(accepted);
      },
      onRefused: ({ code, detail }, seconds) => {
        progress.clear();
        tell(host, `${oneLine(code)}: ${oneLine(detail)} Sending it again in ${seconds} s.`);
      },
      onLook: (status) => void sayWhere(status).catch(() => undefined),
      onAway: (message) => {
        away = true;
        progress.say(`the gateway does not answer (${message}); still asking after ${id ?? 'it'}`);
      },
      watched: host.stderr.isTTY === true,
      ...(host.signal && { signal: host.signal }),
    });
    progress.stop();
    return showEnd(ended, options, host);
  } catch (error) {
    progress.stop();
    if (host.signal?.aborted) return await interrupted(host, run.client, id);
    if (id === undefined && !(error instanceof AnswerLost)) throw error;
    // The gateway has it, or may have it: it may have run, even if the connection broke since.
    const message = error instanceof Error ? error.message : String(error);
    tell(
      host,
      `the end was not learnt (${message})\n       ${id === undefined ? `it may or may not run: aksgw ps` : `it goes on: aksgw wait ${id}`}`,
    );
    return exits.unknown;
  }

  async function sayWhere(status: string): Promise<void> {
    if (away) away = false;
    if (status === 'running') progress.say(`${id} is running in its pod`);
    else if (status === 'submitting') progress.say(`${id}: Azure is starting a pod`);
    else if (status !== 'accepted') sayOther(status);
    else if (host.stderr.isTTY) progress.say(`${id} waits in line${await behind(run.client, id, host)}`);
  }

  /** What it waits for may take long, and is not in anybody's sight: said where there is no line of progress too. */
  function sayOther(status: string): void {
    if (host.stderr.isTTY) progress.say(`${id} is ${status}`);
    else if (!told.has(status)) tell(host, `${id} is ${status}, which is not its end: waiting on`);
    told.add(status);
  }
}

/** How many of the caller's own commands come first. */
async function behind(client: Client, id: string | undefined, { signal }: Host): Promise<string> {
  const own = await client.listCommands({ limit: '50' }, signal);
  const mine = own.find((record) => record.id === id);
  const before = own.filter(
    ({ status, submittedAt, id: other }) =>
      other !== id && !isFinal(status) && mine !== undefined && submittedAt <= mine.submittedAt,
  );
  return before.length === 0 ? '' : ` behind ${before.length} of yours`;
}

/** Ctrl-C leaves it running and says how to come back; a second one cancels it. */
async function interrupted(host: Host, client: Client, id: string | undefined): Promise<number> {
  if (id === undefined) {
    tell(host, 'stopped waiting; it may have been sent, nothing was cancelled: aksgw ps');
    return exits.interrupted;
  }
  const second = host.secondInterrupt && host.stderr.isTTY;
  tell(
    host,
    `stopped waiting; nothing was cancelled, it goes on: aksgw wait ${id}${second ? '\n       Ctrl-C again now cancels it' : ''}`,
  );
  if (!second || !(await host.secondInterrupt(SECOND_MS))) return exits.interrupted;
  try {
    const { status } = await client.cancel(id, AbortSignal.timeout(CANCEL_MS));
    tell(
      host,
      `cancelled ${id}${status === 'running' || status === 'submitting' ? ': it is being ended in its pod' : ''}`,
    );
  } catch (error) {
    const hint = error instanceof NotRun ? '' : `; aksgw cancel ${id}`;
    tell(host, `not cancelled: ${error instanceof Error ? error.message : String(error)}${hint}`);
  }
  return exits.interrupted;
}
