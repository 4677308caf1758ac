import { afterAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Language, Parser } from 'web-tree-sitter';
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

describe('for PowerShell', () => {
  test('the script is PowerShell, by a grammar that is not ours, and registers a completer for aksgw', async () => {
    const { out } = await aksgw('completion', 'powershell');
    const require = createRequire(import.meta.url);
    await Parser.init();
    const parser = new Parser();
    parser.setLanguage(await Language.load(require.resolve('tree-sitter-powershell/tree-sitter-powershell.wasm')));
    const parsed = (script: string) => {
      const tree = parser.parse(script);
      if (!tree) throw new Error('there is no tree');
      return tree.rootNode;
    };
    const root = parsed(out);
    expect(root.hasError).toBe(false);
    const commands = root.descendantsOfType('command_name').map((node) => node?.text);
    expect(commands).toEqual(['Register-ArgumentCompleter', 'Select-Object', 'Where-Object', 'ForEach-Object', 'aksgw', 'ForEach-Object']); // prettier-ignore
    const parameters = root.descendantsOfType('script_parameter').map((node) => node?.text);
    expect(parameters).toEqual(['$wordToComplete', '$commandAst', '$cursorPosition']);
    // The parser does see what is wrong.
    for (const [whole, broken] of [
      ['"$_" }', '"$_" '],
      ['param(', 'param'],
      ['::new(', '::new'],
      ['-lt', '-lt -gt'],
    ] as const) {
      expect(out).toContain(whole);
      expect([whole, parsed(out.replace(whole, broken)).hasError]).toEqual([whole, true]);
    }
  });

  test('what it asks is answered as for other shells, also for a word that is not begun', async () => {
    expect(await completed('--prefixed', '=log')).toEqual(['login', 'logout']);
    expect(await completed('--prefixed', 'kubectl', 'rollout', '=')).toEqual(await completed('kubectl', 'rollout', ''));
    expect(await completed('--prefixed', 'kubectl', 'get', '=--show-k')).toEqual(['--show-kind']);
    expect(await completed('--prefixed', '=')).toEqual(await completed(''));
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

/** Answers as aksgw does, with what it was asked for in the second line. */
const stub = 'printf "login\\nlogout\\nasked:%s\\n" "$*"';

describeWith(['zsh'], 'in zsh', () => {
  test('the script is taken, and completes', async () => {
    writeFileSync(join(home, '_aksgw'), (await aksgw('completion', 'zsh')).out);
    const shell = `compdef() { :; }; aksgw() { ${stub}; }; compadd() { print -rl -- "\${(P)2[@]}"; }; . '${join(home, '_aksgw')}'; words=(aksgw kubectl 'a b' ''); CURRENT=4; _aksgw`;
    expect(execFileSync('zsh', ['-fc', shell], { encoding: 'utf8' })).toBe(
      'login\nlogout\nasked:__complete kubectl a b \n',
    );
  });
});

describeWith(['fish'], 'in fish', () => {
  test('the script is taken, and completes', async () => {
    writeFileSync(join(home, 'aksgw.fish'), (await aksgw('completion', 'fish')).out);
    const shell = `function aksgw; printf 'login\\nlogout\\n'; end; source '${join(home, 'aksgw.fish')}'; complete -C 'aksgw log'`;
    const env = { PATH: process.env['PATH'], HOME: home };
    expect(execFileSync('fish', ['--no-config', '-c', shell], { encoding: 'utf8', env })).toBe('login\nlogout\n');
  });
});
