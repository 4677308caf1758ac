#!/usr/bin/env node
import { basename } from 'node:path';
import { main } from './main.ts';

const { env, stdin, stdout, stderr, argv } = process;

// A reader that has seen enough (`| head`) closes the pipe: that is its right, and no error.
for (const stream of [stdout, stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
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

const host = { env, stdin, stdout, stderr, cwd: () => process.cwd(), signal: interrupt.signal, secondInterrupt };
const setExitCode = (code: number): void => {
  process.exitCode = code;
};
void main(argv.slice(2), host, basename(argv[1] ?? 'aksgw')).then(setExitCode);
