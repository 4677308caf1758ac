#!/usr/bin/env node
import { main } from './main.ts';

// A reader that has seen enough (`| head`) closes the pipe: that is its right, and no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
const { env, stdin, stdout, stderr } = process;
process.exitCode = await main(process.argv.slice(2), {
  env,
  stdin,
  stdout,
  stderr,
  cwd: () => process.cwd(),
  signal: interrupt.signal,
});
