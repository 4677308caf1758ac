import { afterAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rememberNames } from '../../shared/client/commands/completion.ts';
import { helps } from '../../shared/client/help.ts';
import { main } from '../../shared/client/main.ts';
import { describeWith } from '../support/programs.ts';

const home = mkdtempSync(join(tmpdir(), 'aksgw-completion-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const env = { AKSGW_HOME: home };

async function aksgw(...argv: string[]) {
  let out = '';
  const host = {
    env,
    stdin: (async function* () {})(),
    stdout: { write: (chunk: Uint8Array | string) => (out += Buffer.from(chunk as string).toString()) },
    stderr: { write: () => undefined },
    cwd: () => home,
  };
  return { code: await main(argv, host), out };
}
const completed = async (...words: string[]) => (await aksgw('__complete', ...words)).out.trimEnd().split('\n');

describe('words are completed', () => {
  test('of the wrapper, of the tools by their grammar, and of names that the last answers had; no gateway is asked', async () => {
    expect(await completed('log')).toEqual(['login', 'logout']);
    expect(await completed('kubectl', 'rollout', 're')).toEqual(['restart', 'resume']);
    expect(await completed('kubectl', '-n', 'desc')).toEqual(['describe']);
    expect(await completed('kubectl', 'get', '--show-')).toEqual([
      '--show-kind',
      '--show-labels',
      '--show-managed-fields',
    ]);
    expect(await completed('kubectl', 'get', 'deploy')).toContain('deployments');
    expect(await completed('helm', 'up')).toEqual(['upgrade']);
    expect(await completed('config', 'use')).toEqual(['use-context']);
    rememberNames(['kubectl', 'get', 'pods'], 'NAME   READY\nweb-0  1/1\n\u001b]52;x 1/1\n', { env });
    rememberNames(['kubectl', 'get', 'pods', '-A'], 'NAMESPACE   NAME   READY\nshop   web-1  1/1\n', { env });
    expect(await completed('kubectl', 'logs', 'web')).toEqual(['web-1', 'web-0']);
  });

  test.each(Object.keys(helps))('aksgw %s has help of its own, without a gateway', async (name) => {
    const { code, out } = await aksgw(name, '--help');
    expect([code, out.includes(`aksgw`)]).toEqual([0, true]);
  });
});

describeWith(['bash'], 'in bash', () => {
  test('the script is taken, and completes', async () => {
    const { out } = await aksgw('completion', 'bash');
    writeFileSync(join(home, 'script'), out);
    const shell = `aksgw() { [ "$1" = __complete ] && printf 'login\\nlogout\\n'; }; . '${join(home, 'script')}'; COMP_WORDS=(aksgw log); COMP_CWORD=1; _aksgw; echo "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['-c', shell], { encoding: 'utf8' })).toBe('login logout\n');
  });
});
