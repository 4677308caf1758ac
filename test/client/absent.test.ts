import { expect, test } from '@jest/globals';
import { operator } from '../../shared/client/operator/absent.ts';
import { NotRun } from '../../shared/client/exits.ts';
import type { Host } from '../../shared/client/host.ts';

/** What stands in the installed wrapper where the clone has the operator's commands. */

function hostThatKeeps(): { readonly host: Host; readonly printed: string[] } {
  const printed: string[] = [];
  const output = { write: (chunk: Uint8Array | string) => printed.push(String(chunk)) };
  const host = { env: {}, stdin: (async function* () {})(), stdout: output, stderr: output, cwd: () => '/' };
  return { host, printed };
}

test('an operator command is refused by its name, with where it is', async () => {
  const { host } = hostThatKeeps();
  const refused = operator(['audit', 'verify', '--root-key', 'F'], host);
  await expect(refused).rejects.toThrow(NotRun);
  await expect(refused).rejects.toThrow(/^aksgw audit verify is not in the installed wrapper/);
});

test('its help is here all the same', async () => {
  const { host, printed } = hostThatKeeps();
  expect(await operator(['doctor', '--help'], host)).toBe(0);
  expect(printed.join('')).toContain('doctor');
});
