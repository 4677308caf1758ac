import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NotRun } from './exits.ts';

/** Longer than any step that is done under a lock: a claim that is older was left behind. */
const STALE_MS = 120_000;
const MOST_WAIT_MS = 2 * STALE_MS;
const PAUSE_MS = 40;

/** Where a process's number means something: this machine, and on Linux this namespace of numbers. */
const here = createHash('sha256').update(`${hostname()} ${pidNamespace()}`).digest('hex').slice(0, 8);

/** A name beside a file that no other process uses, and that says whose it is: what a killed process left can be told from what is in use. */
export const ownName = (path: string, kind: 'lock' | 'part'): string =>
  `${path}.${kind}.${here}.${process.pid}.${randomUUID()}`;

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

interface LockOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does a step while no other process does one under the same path. Each claims it by a file under a name of its own, and has the lock if
 * it then sees no other claim; otherwise it takes the claim back and comes again. Nobody takes over a file of another's, which is where
 * lock files that are broken when they are old go wrong: two may break the same one. What dead processes left is swept.
 * Where no file can be made there is nothing that two could both change, and the step is done at once. Throws NotRun.
 */
export async function whileLocked<T>(path: string, { signal }: LockOptions, step: () => Promise<T> | T): Promise<T> {
  const began = performance.now();
  for (;;) {
    if (isFree(path)) {
      const claim = makeClaim(path);
      if (claim === undefined) return step();
      try {
        if (isFree(path, claim)) return await step();
      } finally {
        rmSync(claim, { force: true });
      }
    }
    if (performance.now() - began > MOST_WAIT_MS) throw new NotRun(`other processes of aksgw keep ${path} locked`);
    await pause(PAUSE_MS * (0.5 + Math.random()), undefined, signal && { signal });
  }
}

/** Undefined where no file can be made. */
function makeClaim(path: string): string | undefined {
  const claim = ownName(path, 'lock');
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(claim, '', { mode: 0o600, flag: 'wx' });
    return claim;
  } catch {
    return undefined;
  }
}

/** True when nobody alive claims the path. */
function isFree(path: string, own?: string): boolean {
  const folder = dirname(path);
  let free = true;
  for (const name of namesIn(folder)) {
    const [, kind, where, pid] = form.exec(name.slice(basename(path).length)) ?? [];
    if (!name.startsWith(basename(path)) || kind === undefined) continue;
    const other = join(folder, name);
    if (other === own) continue;
    if (isLeft(other, where === here ? Number(pid) : undefined)) rmSync(other, { force: true });
    else if (kind === 'lock') free = false;
  }
  return free;
}

const form = /^\.(lock|part)\.([0-9a-f]{8})\.(\d+)\.[0-9a-f-]{36}$/;

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** `pid`: of a process on this machine. */
function isLeft(file: string, pid: number | undefined): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined || Date.now() - found.mtimeMs > STALE_MS || (pid !== undefined && !isAlive(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // EPERM: somebody else's, and alive
  }
}
