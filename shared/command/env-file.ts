import { refuse } from '../lib/refuse.ts';
import { decodeText } from './yaml.ts';

/** Longest line that kubectl's scanner takes (Go, bufio.MaxScanTokenSize). */
const LONGEST_LINE = 64 * 1024 - 1;
const namePattern = /^[-._A-Za-z][-._A-Za-z0-9]*$/u;

/**
 * An env file (`--from-env-file`) as kubectl reads it, rewritten: one `NAME=VALUE` a line, without comments and empty lines. A line
 * without `=` would take its value from the environment of the pod that runs kubectl, where the gateway's own variables are, so
 * it is refused. Throws Problem `command-refused`, naming the file and the line.
 */
export function rewriteEnvFile(path: string, bytes: Uint8Array): Uint8Array {
  const text = decodeText(path, bytes).replace(/^\ufeff/u, '');
  const lines = text.split('\n').flatMap((raw, index) => {
    const line = raw.replace(/\r$/u, '').replace(/^[\s\u0085]+/u, '');
    if (line === '' || line.startsWith('#')) return [];
    const no = (why: string): Error => refuse(path, `line ${index + 1} ${why}`);
    const equals = line.indexOf('=');
    if (equals === -1) throw no('has no "=": its value would come from the environment of the pod');
    const name = line.slice(0, equals);
    if (!namePattern.test(name) || name === '.' || name.startsWith('..'))
      throw no('does not begin with a name that a variable can have');
    if (line.includes('\r')) throw no('has a carriage return in it');
    if (Buffer.byteLength(line) > LONGEST_LINE) throw no(`is longer than ${LONGEST_LINE} bytes`);
    return [`${line}\n`];
  });
  return new TextEncoder().encode(lines.join(''));
}
