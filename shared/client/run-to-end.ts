import type { BatchOutputBody, CommandOutputBody } from '../http/schemas.ts';
import { printable } from '../lib/safe-text.ts';
import { AnswerLost, type RunOptions } from './client.ts';
import { exits } from './exits.ts';
import type { Host } from './host.ts';

/**
 * Runs something and shows it as a shell would: its stdout and stderr, and its exit code as the answer. Throws what the client throws where
 * nothing was started; once something may have been, the exit code says what is known.
 */
export async function runToEnd(
  host: Host,
  idempotencyKey: string,
  start: (options: RunOptions) => Promise<CommandOutputBody | BatchOutputBody>,
): Promise<number> {
  let accepted: string | undefined;
  try {
    const run = await start({
      idempotencyKey,
      onAccepted: (_id, path) => (accepted = path),
      onRefused: ({ code, detail }, seconds) =>
        host.stderr.write(printable(`aksgw: ${code}: ${detail} Sending it again in ${seconds} s.\n`)),
      ...(host.signal && { signal: host.signal }),
    });
    return exitCodeOf('items' in run ? run.items.map((step) => show(step, host)) : [show(run, host)]);
  } catch (error) {
    if (host.signal?.aborted) {
      const where = accepted === undefined ? 'it may have been sent' : `it goes on as ${accepted}`;
      host.stderr.write(`aksgw: stopped waiting; ${where}: nothing was cancelled\n`);
      return exits.interrupted;
    }
    if (accepted === undefined && !(error instanceof AnswerLost)) throw error;
    // The gateway has it, or may have it: it may have run, even if the connection broke since.
    const message = error instanceof Error ? error.message : String(error);
    host.stderr.write(printable(`aksgw: the end was not learnt (${message}); look at ${accepted ?? '/v1/commands'}\n`));
    return exits.unknown;
  }
}

/** Of a batch the first that is not 0; a step that did not run says so only where no other failed. */
const exitCodeOf = (codes: readonly number[]): number =>
  codes.find((code) => code !== 0 && code !== exits.notRun) ?? codes.find((code) => code !== 0) ?? 0;

/** Prints one command's end. Returns its exit code. */
function show(record: CommandOutputBody, host: Host): number {
  for (const warning of record.warnings) host.stderr.write(printable(`aksgw: warning: ${warning}\n`));
  write(host.stdout, record.stdout, record.stdoutBase64);
  write(host.stderr, record.stderr, record.stderrBase64);
  if (record.truncated) host.stderr.write('aksgw: warning: the output was cut at a limit\n');
  if (record.status === 'completed' && !record.failure) return record.exitCode ?? exits.unknown;
  host.stderr.write(printable(`aksgw: ${record.status}: ${record.failure?.message ?? ''} (command ${record.id})\n`));
  return record.status === 'failed' ? exits.notRun : exits.unknown;
}

/** A terminal gets what it can show safely (CVE-2021-25743); a pipe gets the bytes. */
function write(stream: Host['stdout'], text: string, base64: string | undefined): void {
  if (stream.isTTY) stream.write(printable(text));
  else stream.write(base64 === undefined ? text : Buffer.from(base64, 'base64'));
}
