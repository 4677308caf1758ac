import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BatchInput } from '../../http/schemas.ts';
import { clusterOf, connect, type Options } from '../connect.ts';
import { UsageError } from '../exits.ts';
import type { Host } from '../host.ts';
import { runToEnd } from '../run-to-end.ts';
import { commandOf } from './relay.ts';

/** `aksgw batch FILE`: several commands in one pod, from a file of YAML or JSON. Throws as `relay` does. */
export async function batch(file: string, options: Options, host: Host): Promise<number> {
  const connection = await connect(options, host);
  const cluster = clusterOf(connection);
  const given = await read(resolve(host.cwd(), file), file);
  const steps = await Promise.all(
    given.steps.map(async (step, index) => {
      if (!Array.isArray(step.argv)) return step;
      const { argv, stdin, files = [] } = step;
      const own = { ...host, stdin: stdinOf(stdin, `${file}: step ${index}`) };
      return { ...step, ...(await commandOf(argv, own, files)) };
    }),
  );
  const { client } = connection;
  const reason = given.reason ?? connection.reason;
  const body: BatchInput = { ...given, steps, ...(reason !== undefined && { reason }) };
  const start = (to: Parameters<typeof client.runBatch>[2]) => client.runBatch(cluster, body, to);
  return runToEnd(host, { client, idempotencyKey: randomUUID(), start }, options);
}

/** What a step reads is in the file: this process's own standard input is for none of several. */
async function* stdinOf(stdin: string | undefined, where: string): AsyncGenerator<string> {
  if (stdin === undefined) throw new UsageError(`${where} reads standard input; give it stdin`);
  yield Promise.resolve(stdin);
}

/** The gateway checks the rest. */
async function read(path: string, shown: string): Promise<BatchInput> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(readFileSync(path, 'utf8'));
  const [wrong] = document.errors;
  if (wrong) throw new UsageError(`${shown}: ${wrong.message.split('\n')[0]}`);
  const value: unknown = document.toJS();
  const steps: unknown = isMapping(value) ? value['steps'] : undefined;
  if (Array.isArray(steps) && steps.every(isMapping)) return value as BatchInput;
  throw new UsageError(
    `${shown}: has no steps, as {"steps": [{"argv": ["kubectl", "get", "pods"]}], "onError": "stop"}`,
  );
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
