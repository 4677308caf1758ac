import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SentCommand } from '../../../shared/command/invocation.ts';
import { runnable } from '../program.ts';
import { areAnswered, followAuditLog } from './audit-log.ts';

/** A command that asks for nothing more, and does not end, is waiting for something that never comes. */
const QUIET_MS = 2_000;
const LONGEST_MS = 40_000;
const LOOK_MS = 40;
/** For the last answers to reach the log. */
const SETTLE_MS = 1_500;

export interface Ended {
  /** `waiting`: it was ended by the recorder. */
  readonly how: number | 'waiting';
  readonly output: string;
  readonly events: ReturnType<ReturnType<typeof followAuditLog>['more']>;
}

/** Runs the words and files that would be sent, and collects what the API server writes down meanwhile. */
export async function runTool(
  program: string,
  sent: SentCommand,
  {
    home,
    log,
    quietMs = QUIET_MS,
  }: { readonly home: string; readonly log: ReturnType<typeof followAuditLog>; readonly quietMs?: number },
): Promise<Ended> {
  const folder = mkdtempSync(join(home, 'run-'));
  for (const file of sent.files) {
    mkdirSync(dirname(join(folder, file.path)), { recursive: true });
    writeFileSync(join(folder, file.path), file.bytes);
  }
  log.more();
  const { file, args, env } = runnable(program, sent, home);
  const child = spawn(file, args, {
    cwd: folder,
    env: { ...env, HOME: home, KUBECONFIG: join(home, 'config'), LC_ALL: 'C', POD_NAMESPACE: '' },
    // A group of its own: a program has its tool as a child.
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(sent.stdin === undefined ? undefined : Buffer.from(sent.stdin));
  const closed = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? -1));
  });
  const events: Ended['events'] = [];
  const started = Date.now();
  let last = started;
  let cut = false;
  let code: number | undefined;
  for (;;) {
    code = await Promise.race([closed, pause(LOOK_MS)]);
    if (code !== undefined) break;
    const more = log.more();
    events.push(...more);
    if (more.length > 0) last = Date.now();
    if (Date.now() - last > quietMs || Date.now() - started > LONGEST_MS) {
      cut = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }
  }
  for (const late = Date.now() + SETTLE_MS; Date.now() < late; await pause(LOOK_MS)) {
    events.push(...log.more());
    if (areAnswered(events)) break;
  }
  rmSync(folder, { recursive: true, force: true });
  return { how: cut ? 'waiting' : code, output, events };
}

const pause = (ms: number): Promise<undefined> => new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
