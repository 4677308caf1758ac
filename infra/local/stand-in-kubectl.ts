/**
 * NOT kubectl. A stand-in for machines that have none, so that the demo and the tests of everything around kubectl run there:
 * a few verbs, spelt as the gateway sends them, against the emulated API server. What it does not know it refuses by name.
 */
import { readFileSync } from 'node:fs';
import { standIn } from './stand-in/main.ts';

process.exitCode = await standIn(process.argv.slice(2), process.env['KUBECONFIG'] ?? '', {
  input: () => readFileSync(0, 'utf8'),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
