import type { CommandOutputBody } from '../../http/schemas.ts';
import { isFinal } from '../api/answers.ts';
import { connect, type Options } from '../connect.ts';
import { exits, UsageError } from '../exits.ts';
import { readHistory } from '../history.ts';
import { answer, answerJson, tell, type Host } from '../host.ts';
import { runToEnd } from '../run-to-end.ts';
import { showEnd } from '../show.ts';
import { table } from '../table.ts';

/** `aksgw ps`: the caller's own commands, newest first. */
export async function ps(options: Options, host: Host): Promise<number> {
  const { client } = await connect(options, host);
  const query = { limit: '50', ...(options.cluster !== undefined && { cluster: options.cluster }) };
  const found = await client.listCommands(query, host.signal);
  if (options.json) return answerJson(host, found);
  const rows = found.map((record) => [
    record.id,
    record.cluster,
    outcomeOf(record),
    record.submittedAt,
    record.argv.join(' ').slice(0, 100),
  ]);
  return answer(host, table(['ID', 'CLUSTER', 'STATUS', 'SINCE', 'COMMAND'], rows));
}

const outcomeOf = ({ status, exitCode, timedOut, cancelled }: CommandOutputBody): string =>
  status !== 'completed' ? status : cancelled ? 'cancelled' : timedOut ? 'timed out' : `exit ${exitCode}`;

/** `aksgw wait ID`: as if the command had been waited for from the start. */
export async function waitFor(id: string, options: Options, host: Host): Promise<number> {
  const { client } = await connectTo(id, options, host);
  // Before it is known that there is such a command, what goes wrong is no word on it.
  await client.getCommand(id, host.signal);
  return runToEnd(host, { client, id, idempotencyKey: '', start: (to) => client.awaitCommand(id, to) }, options);
}

/** `aksgw result ID`: what is known now, without waiting. */
export async function result(id: string, options: Options, host: Host): Promise<number> {
  const { client } = await connectTo(id, options, host);
  const record = await client.getCommand(id, host.signal);
  if (isFinal(record.status)) return showEnd(record, options, host);
  if (options.json) answerJson(host, record);
  tell(host, `${id} has not ended (${record.status}): aksgw wait ${id}`);
  return exits.unknown;
}

/** `aksgw cancel ID`. */
export async function cancel(id: string, options: Options, host: Host): Promise<number> {
  const { client } = await connectTo(id, options, host);
  const record = await client.cancel(id, host.signal);
  if (options.json) return answerJson(host, record);
  const { status } = record;
  const left = status === 'running' || status === 'submitting' ? 'it is being ended in its pod' : `it is ${status}`;
  return answer(host, `Cancelled ${id}: ${left}.`);
}

/** The gateway that a command of this history was sent to, unless told another. */
function connectTo(id: string, options: Options, host: Host) {
  if (!/^[\w.~-]{1,200}$/.test(id)) throw new UsageError(`${JSON.stringify(id)} is not the id of a command`);
  const told = options.url !== undefined || options.context !== undefined;
  const entry = told ? undefined : readHistory(host).find((one) => one.id === id);
  return connect(entry ? { ...options, url: entry.url } : options, host);
}
