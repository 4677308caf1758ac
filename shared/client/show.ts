import type { BatchOutputBody, CommandOutputBody } from '../http/schemas.ts';
import { printable } from '../lib/safe-text.ts';
import type { Options } from './connect.ts';
import { exits } from './exits.ts';
import { answerJson, oneLine, tell, type Host } from './host.ts';

export type Shown = Pick<Options, 'json' | 'allowTruncated'>;

/** Shows how something ended, as a shell would: its stdout and stderr, and its exit code as the answer. */
export function showEnd(run: CommandOutputBody | BatchOutputBody, options: Shown, host: Host): number {
  if (options.json) answerJson(host, run);
  return 'items' in run ? exitCodeOf(run.items.map((step) => show(step, options, host))) : show(run, options, host);
}

/** Of a batch the first that is not 0; a step that did not run says so only where no other failed. */
const exitCodeOf = (codes: readonly number[]): number =>
  codes.find((code) => code !== 0 && code !== exits.notRun) ?? codes.find((code) => code !== 0) ?? 0;

/** Prints one command's end. Returns its exit code: 0 only when it ran, ended with 0, and all of its output is here. */
function show(record: CommandOutputBody, { json, allowTruncated }: Shown, host: Host): number {
  for (const warning of record.warnings ?? []) tell(host, `warning: ${oneLine(warning)}`);
  if (!json) {
    write(host.stdout, record.stdout, record.stdoutBase64);
    write(host.stderr, record.stderr, record.stderrBase64);
  }
  const { status, failure, truncated, timedOut, exitCode } = record;
  if (truncated) tell(host, 'the output was cut at a limit: this is not all of it');
  if (status === 'completed' && !failure) {
    if (timedOut) {
      tell(
        host,
        `timed out: it was ended in the cluster before it was done (command ${record.id}); --timeout gives more`,
      );
      return exitCode || exits.timedOut;
    }
    if (record.cancelled) tell(host, `it was cancelled (command ${record.id})`);
    return (exitCode ?? exits.unknown) || (truncated && !allowTruncated ? exits.truncated : 0);
  }
  tell(host, `${status}: ${oneLine(failure?.message ?? '')} (command ${record.id})`);
  return status === 'failed' ? exits.notRun : exits.unknown;
}

/** A terminal gets what it can show safely (CVE-2021-25743); a pipe gets the bytes. */
function write(stream: Host['stdout'], text: string, base64: string | undefined): void {
  if (stream.isTTY) stream.write(printable(text));
  else stream.write(base64 === undefined ? text : Buffer.from(base64, 'base64'));
}
