import { mkdtempSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { SentCommand } from '../../shared/command/invocation.ts';
import { RUN_ID } from '../../shared/command/program.ts';

interface Runnable {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How the words that are sent are run with a tool of one's choice: by themselves, or as a program that finds the tool on its PATH. */
export function runnable(tool: string, sent: SentCommand, home: string): Runnable {
  const [, ...args] = sent.words;
  if (sent.program === undefined) return { file: tool, args, env: { PATH: '/usr/bin:/bin' } };
  const folder = mkdtempSync(join(home, 'bin-'));
  symlinkSync(tool, join(folder, 'kubectl'));
  return { file: '/bin/sh', args, env: { PATH: `${folder}:/usr/bin:/bin`, [RUN_ID]: '0123456789abcdef' } };
}
