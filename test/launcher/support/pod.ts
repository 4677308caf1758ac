import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import yauzl from 'yauzl';

import type { Composed } from '../../../shared/command/launcher/compose.ts';
import { findProgram } from '../../support/programs.ts';

/** The shells that a pod's image may have as `sh`, and how each is started. */
export const shells = [
  { name: 'dash', argv: ['dash'] },
  { name: 'bash', argv: ['bash'] },
  { name: 'busybox', argv: ['busybox', 'sh'] },
] as const;

export interface PodResult {
  readonly logs: string;
  readonly bytes: Buffer;
  readonly exitCode: number | null;
}

export interface PodOptions {
  readonly shell?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Sent to the shell once its output matches. */
  readonly kill?: { readonly signal: NodeJS.Signals; readonly when: RegExp; readonly delayMs?: number };
}

/** What AKS is taken to do: the context unzipped with its modes, `sh -c` in it, stdout and stderr in one. */
export async function runPod({ text, context }: Composed, options: PodOptions = {}): Promise<PodResult> {
  const { shell = ['/bin/sh'], env = {}, kill } = options;
  const folder = mkdtempSync(join(tmpdir(), 'pod-'));
  const logPath = join(folder, '..', `${folder.split('/').at(-1)}.log`);
  try {
    for (const entry of context ? await unzip(context) : []) {
      const path = join(folder, entry.path);
      if (entry.path.endsWith('/')) mkdirSync(path, { recursive: true });
      else {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, entry.bytes);
        chmodSync(path, entry.mode & 0o777);
      }
    }
    const log = openSync(logPath, 'a');
    const [program = '', ...args] = shell;
    const child = spawn(program, [...args, '-c', text], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    // Listened for from here on: the shell may end before it is to be killed.
    const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
    if (kill) {
      while (!kill.when.test(readFileSync(logPath, 'latin1'))) await new Promise((resolve) => setTimeout(resolve, 20));
      if (kill.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, kill.delayMs));
      child.kill(kill.signal);
    }
    const exitCode = await exited;
    const bytes = readFileSync(logPath);
    return { logs: bytes.toString('utf8'), bytes, exitCode };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(logPath, { force: true });
  }
}

export interface ZipEntry {
  readonly path: string;
  readonly mode: number;
  readonly bytes: Buffer;
}

export async function unzip(zip: Uint8Array): Promise<readonly ZipEntry[]> {
  const file = await yauzl.fromBufferPromise(Buffer.from(zip), { lazyEntries: true });
  const entries: ZipEntry[] = [];
  for await (const entry of file.eachEntry()) {
    const stream = await file.openReadStreamPromise(entry);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(Buffer.from(chunk));
    entries.push({ path: entry.fileName, mode: entry.externalFileAttributes >>> 16, bytes: Buffer.concat(chunks) });
  }
  return entries;
}

/** A PATH with links to everything the launcher and the tests use, but for some. */
export function pathWithout(...missing: readonly string[]): { readonly path: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'path-'));
  for (const tool of [
    'sh',
    'cat',
    'head',
    'gzip',
    'base64',
    'sha256sum',
    'cksum',
    'wc',
    'stat',
    'ls',
    'mkdir',
    'mkfifo',
    'rm',
    'sleep',
    'dd',
    'openssl',
    'seq',
    'printf',
  ]) {
    const path = findProgram(tool);
    if (path !== undefined && !missing.includes(tool)) symlinkSync(path, join(folder, tool));
  }
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
