import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLUSTERS, startAzureProcess, startLoaded, steady } from './support/own-time.ts';
import { footprintOf, growth, type Footprint } from './support/footprint.ts';

/**
 * 10,000 commands through one gateway, and between them callers who are denied, refused, cut off, ask for what is not there, send a key again and
 * read results: what the gateway has in memory, holds open and keeps on the disk after each thousand. Prints one JSON object, and fails when memory
 * or descriptors grow with the commands, when a file does that is not a record of them, or when each takes more of the disk than the ones before.
 * Linux alone tells; `node test/bench/endurance.ts [--quick]`.
 */
const quick = process.argv.includes('--quick');
const STAGES = 10;
const COMMANDS = quick ? 100 : 1_000;
const PER_SECOND = 60;
/** Sockets that were just closed, and the log's own checkpoint. */
const SETTLE_MS = 2_000;
/** The first stages let V8 find its heap's size. */
const WARM = 2;
/** Commands between two rounds of what is no command. */
const EVERY = 10;

const azure = await startAzureProcess();
const gateway = await startLoaded(azure);
const { url, headers } = gateway;

const ask = (
  path: string,
  body?: unknown,
  own: Record<string, string> = {},
): Promise<{ status: number; text: string }> =>
  fetch(`${url}${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    headers: { ...headers, ...own },
  }).then(async (answer) => ({ status: answer.status, text: await answer.text() }));

const argv = (...words: string[]) => ({ argv: words });
const pods = argv('kubectl', 'get', 'pods', '-n', 'shop');

/** A caller who goes away while the request is read. */
const cutOff = (): Promise<void> =>
  new Promise((resolve) => {
    const head = `POST /v1/clusters/c0/commands HTTP/1.1\r\nhost: g\r\ncontent-length: 1000\r\nauthorization: ${headers.authorization}\r\n\r\n{`;
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(head, () => socket.destroy()));
    socket.once('close', () => resolve()).on('error', () => undefined);
  });

const wrong: string[] = [];
const expected = (what: string, status: number, answered: number): void => {
  if (status !== answered) wrong.push(`${what}: ${answered}`);
};

/** What callers do beside commands that run. The key is sent twice: one more command, and one replay. */
async function others(at: number): Promise<void> {
  const to = `/v1/clusters/c${at % CLUSTERS}/commands`;
  const key = { 'idempotency-key': randomUUID() };
  const first = await ask(to, pods, key);
  expected('with a key', 200, first.status);
  const { id } = JSON.parse(first.text) as { readonly id: string };
  const statuses = await Promise.all([
    ask(to, pods, key),
    ask(`/v1/commands/${id}`),
    ask(to, argv('kubectl', 'get', 'secrets', '-n', 'kube-system')),
    ask(to, argv('kubectl', 'proxy')),
    ask(`/v1/commands/${randomUUID()}`),
    ask('/v1/commands?limit=5'),
    ask('/readyz'),
  ]);
  expect(statuses.map(({ status }) => status));
  await cutOff();
}

function expect(statuses: readonly number[]): void {
  const names = ['replay', 'result', 'denied', 'refused', 'unknown id', 'list', 'readyz'];
  [200, 200, 403, 400, 404, 200, 200].forEach((status, at) => expected(names[at] ?? '', status, statuses[at] ?? 0));
}

const stages: (Footprint & { readonly commands: number; readonly gatewayMs: unknown })[] = [];
try {
  await steady(gateway.send, 80, CLUSTERS / 80); // each subscription once: what is kept for it is not a command's
  for (let stage = 1; stage <= STAGES; stage += 1) {
    const beside = (async () => {
      for (let round = 0; round < COMMANDS / EVERY; round += 1) {
        await others(stage * COMMANDS + round);
        await sleep((EVERY * 1_000) / PER_SECOND / 2);
      }
    })();
    const { notCompleted, gatewayMs } = await steady(
      gateway.send,
      PER_SECOND,
      (COMMANDS * (1 - 1 / EVERY)) / PER_SECOND,
    );
    await beside;
    if (notCompleted > 0) wrong.push(`not completed: ${notCompleted}`);
    gateway.disconnect();
    await sleep(SETTLE_MS);
    stages.push({ commands: stage * COMMANDS, ...footprintOf(gateway.pid, gateway.data), gatewayMs });
    process.stderr.write(`${JSON.stringify(stages.at(-1))}\n`);
  }
  const verdict = growth(stages.slice(WARM), COMMANDS);
  const faults = [...verdict.faults, ...new Set(wrong)];
  process.stdout.write(`${JSON.stringify({ bench: 'endurance', stages, ...verdict, faults }, null, 2)}\n`);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  await gateway.stop();
  azure.stop();
}
