import { readFileSync } from 'node:fs';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { parseArguments } from './arguments.ts';
import { createClient, ServerError } from './client.ts';
import { runVerb } from './verbs.ts';

interface Streams {
  /** What `--filename=-` reads. */
  readonly input: () => string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const LABEL = 'stand-in for kubectl (infra/local/stand-in-kubectl.ts, not the real one)';

/** Runs one command line; gives the exit code. */
export async function standIn(argv: readonly string[], kubeconfig: string, streams: Streams): Promise<number> {
  const { input, out, err } = streams;
  const read = (path: string): unknown[] =>
    parseAllDocuments(path === '-' ? input() : readFileSync(path, 'utf8'), { version: '1.1' }).map(
      (document): unknown => document.toJS(),
    );
  // As Go's YAML library writes it: sequences not indented, YAML 1.1's words and time stamps quoted.
  const yaml = (value: unknown): string => stringify(value, { indentSeq: false, version: '1.1' });
  try {
    const given = parseArguments(argv, LABEL);
    const client = createClient(parse(readFileSync(kubeconfig, 'utf8')));
    return await runVerb(given, { client, label: LABEL, read, yaml, out, err });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    err(error instanceof ServerError ? `${words}\n` : `error: ${words}\n`);
    return 1;
  }
}
