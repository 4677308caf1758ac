#!/usr/bin/env node
import { closeSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { exits } from './exits.ts';
import { main } from './main.ts';

const { env, stdin, stdout, stderr, argv } = process;

let lost = false;
const readerGone = new AbortController();
// A reader that has seen enough (`| head`) closes the pipe: that is its right, and no error. A disk that is full is one.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') readerGone.abort();
  if (readerGone.signal.aborted || lost) return;
  lost = true;
  process.exitCode ||= exits.truncated;
  stderr.write(`aksgw: not all of the output could be written: ${error.message}\n`);
});
stderr.on('error', () => undefined); // there is nowhere left to say it

// At its end Node sets a terminal as it was at its start (ResetStdio in node.cc), under the hands of a pager that reads the output: `q` would
// want Enter. It leaves what is closed alone.
process.on('exit', () => {
  if (!stdout.isTTY) for (const fd of [0, 2]) if (isatty(fd)) closeSync(fd);
});

const interrupt = new AbortController();
let pressed: (() => void) | undefined;
process.on('SIGINT', () => {
  if (pressed) pressed();
  else if (interrupt.signal.aborted) process.exit(130);
  else interrupt.abort(new Error('interrupted'));
});

const secondInterrupt = (ms: number): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    pressed = () => {
      clearTimeout(timer);
      resolve(true);
    };
  }).finally(() => (pressed = undefined)) as Promise<boolean>;

const host = {
  env,
  stdin,
  stdout,
  stderr,
  cwd: () => process.cwd(),
  signal: interrupt.signal,
  readerGone: readerGone.signal,
  secondInterrupt,
};
const setExitCode = (code: number): void => {
  process.exitCode = code || (lost ? exits.truncated : 0);
};
void main(argv.slice(2), host, basename(argv[1] ?? 'aksgw')).then(setExitCode);
