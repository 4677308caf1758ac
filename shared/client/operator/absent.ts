import { NotRun } from '../exits.ts';
import { helpOf } from '../help.ts';
import { answer, type Host } from '../host.ts';

/**
 * Stands in the installed wrapper where the clone has the operator's commands: they bring the gateway's rooms with them, and Azure's
 * SDKs. Throws NotRun.
 */
export async function operator(words: readonly string[], host: Host): Promise<number> {
  const [noun = '', verb = ''] = words;
  const asked = `aksgw ${noun} ${verb.replace(/^-.*/, '')}`.trim();
  const where = `${asked} is not in the installed wrapper: clone the gateway's repository, npm ci there, and type npx ${asked} …`;
  if (words.includes('--help') || words.includes('-h')) return answer(host, `${helpOf(noun)}\n${where}`);
  throw new NotRun(where);
}
