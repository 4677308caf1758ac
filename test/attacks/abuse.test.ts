import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

/**
 * Callers who ask for too much, one kind after the other, and an honest caller beside them, who is served in time while the gateway stays
 * within its budgets of memory and CPU. The attackers have valid tokens, with no binding or with the team's; each kind comes with
 * principals of its own, so that what one has used up does not hide the next. ABUSE=all runs each kind for longer.
 */
const SECONDS = process.env['ABUSE'] === 'all' ? 20 : 1;
/** Beside other suites a second of load says how busy the machine is: only a gateway that stands still is told there. */
const HONEST_P99_MS = process.env['ABUSE'] === 'all' ? 250 : 5_000;
/** The same of memory: requests that wait longer hold it longer. */
const MOST_RSS_MIB = process.env['ABUSE'] === 'all' ? 400 : 500;
const MIB = 1024 * 1024;
const linux = process.platform === 'linux';

let azure: EmulatedAzure;
let gateway: GatewayProcess;
let folder: string;
/** Of several honest callers, who take turns: each may have 30 commands explained in a minute. */
let honestTokens: readonly string[];
/** The honest caller's 99th percentile before there is any abuse, ms: a machine that is busy with other work is slow by itself. */
let quiet: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-abuse-'));
  writeFileSync(join(folder, 'kubectl'), KUBECTL);
  chmodSync(join(folder, 'kubectl'), 0o755);
  azure = await startAzure({ tools: folder });
  const ofTeam = () => azure.entra.userToken({ oid: randomUUID(), groups: [people.team] });
  honestTokens = await Promise.all(Array.from({ length: 40 }, ofTeam));
  const { config, env } = writeConfig(join(folder, 'gateway'), azure, 0, (yaml) => yaml);
  gateway = await startGatewayProcess(config, { ...env, AKSGW_LOG_LEVEL: 'error' });
  quiet = await honestP99(sleep(1_000));
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await azure.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Prints much or takes long, as the name that it is asked for says. */
const KUBECTL = `#!/bin/sh
case "$*" in
  *big*) head -c 16000000 /dev/zero | tr '\\0' x ;;
  *slow*) sleep 20 ;;
esac
`;

/** The honest caller, in a thread of its own: this one is busy with the abuse. It asks until it is told to stop. */
const HONEST = `
const { parentPort, workerData: { url, tokens, over } } = require('node:worker_threads');
(async () => {
  const waits = [];
  const body = JSON.stringify({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] });
  while (Atomics.load(over, 0) === 0) {
    const token = tokens[Math.floor(Math.random() * tokens.length)];
    const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' };
    const began = performance.now();
    const answer = await fetch(url, { method: 'POST', headers, body });
    await answer.text();
    if (answer.status !== 200) throw new Error('the honest caller got ' + answer.status);
    waits.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  parentPort.postMessage(waits);
})();`;

/** The 99th percentile of what the honest caller waits while `during` lasts, ms. */
async function honestP99(during: Promise<unknown>): Promise<number> {
  const url = `${gateway.url}/v1/clusters/demo/explain`;
  const over = new Int32Array(new SharedArrayBuffer(4));
  const honest = new Worker(HONEST, { eval: true, workerData: { url, tokens: honestTokens, over } });
  const told = new Promise<number[]>((resolve, reject) => honest.once('message', resolve).once('error', reject));
  await during.catch(() => undefined);
  Atomics.store(over, 0, 1);
  const waits = await told;
  await honest.terminate();
  return waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? 0;
}

const rssMib = (): number =>
  linux ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024 : 0;

/** The CPU that the gateway has used, ms: proc(5), `utime` and `stime`, in hundredths of a second. */
function cpuMs(): number {
  if (!linux) return 0;
  const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What a kind of abuse works with: principals that nobody else is. */
interface Attackers {
  /** Without a binding. */
  readonly stranger: string;
  /** One of the team, who may run commands. */
  readonly member: string;
}
/** How often each status came. */
type Statuses = ReadonlyMap<number, number>;

interface Kind {
  readonly name: string;
  readonly abuse: (attackers: Attackers) => Promise<Statuses>;
  /** What must have come whatever the machine's speed, so that the test says what it is about. */
  readonly answers: readonly number[];
  /** Of the gateway, for each request, ms: about three times what it takes on a quiet machine. */
  readonly cpuMs: number;
}

const post = (
  token: string,
  body: string,
  { route = 'explain', headers = {} }: { readonly route?: string; readonly headers?: Record<string, string> } = {},
) =>
  fetch(`${gateway.url}/v1/clusters/demo/${route}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body,
  }).then(
    async (answer) => {
      await answer.text();
      return answer.status;
    },
    () => 0, // cut off while it sent: that is an answer too
  );

const get = (token: string, path: string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } }).then(async (answer) => {
    await answer.text();
    return answer.status;
  });

/** As many at once, again and again, for the time of a kind. */
async function flood(atOnce: number, one: (at: number) => Promise<number>): Promise<Statuses> {
  const statuses = new Map<number, number>();
  const until = performance.now() + SECONDS * 1_000;
  let at = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const status = await one(at++);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return statuses;
}

/** Sockets that send this and then nothing, and never read; none is closed before the time of a kind is over. */
async function silent(count: number, sent: string): Promise<Statuses> {
  const { port } = new URL(gateway.url);
  const sockets: Socket[] = Array.from({ length: count }, () => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(sent));
    socket.on('error', () => undefined);
    return socket.pause();
  });
  await sleep(SECONDS * 1_000);
  for (const socket of sockets) socket.destroy();
  return new Map([[0, count]]);
}

const start = async (token: string, name: string, prefer: string): Promise<string> => {
  const answer = await fetch(`${gateway.url}/v1/clusters/demo/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer },
    body: JSON.stringify({ argv: ['kubectl', 'get', 'pods', name, '-n', 'shop'] }),
  });
  return ((await answer.json()) as { readonly id: string }).id;
};

const explained = (file: string) =>
  JSON.stringify({ argv: ['kubectl', 'apply', '-f', 'a.yaml'], files: [{ path: 'a.yaml', content: file }] });
const argv = (...words: string[]) => JSON.stringify({ argv: words });

const manyKeys = `{${Array.from({ length: 500_000 }, (_, at) => `"k${at}":0`).join()}}`;
const upload = JSON.stringify({
  argv: ['kubectl', 'apply', '-f', 'a.txt'],
  files: [{ path: 'a.txt', content: 'x'.repeat(7 * MIB) }],
});
/** As many values as a request may have in its files. */
const manifest = explained(
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata:\n${Array.from({ length: 99_000 }, (_, at) => `  k${at}: a\n`).join('')}`,
);
const letters = 'abcdefghij';
const aliases = explained(
  `a: &a [x, x, x, x, x, x, x, x]\n${Array.from({ length: 9 }, (_, at) => `${letters[at + 1]}: &${letters[at + 1]} [${`*${letters[at]}, `.repeat(8)}]`).join('\n')}`,
);
/** Each froze a gateway once: a repetition before an end that does not come, a start that may recur, a scan begun again for each item. */
const worstTexts = [
  JSON.stringify({ argv: ['kubectl'], files: [{ path: 'a', contentBase64: `${'='.repeat(200_000)}x` }] }),
  argv('kubectl', 'get', 'pods', `--selector=${'-eyJ'.repeat(16_000)}`),
  argv('helm', 'install', 'web', `a${'/'.repeat(60_000)}x`),
  JSON.stringify({ command: `kubectl get pods ${"' '".repeat(100_000)}` }),
  explained(`a:${' '.repeat(200_000)}#\n`),
  explained('- |\n  a\n'.repeat(20_000)),
  explained(`a: &a\n${'- [a]\n'.repeat(10_000)}`),
  explained('['.repeat(50_000)),
];
const toPack = (at: number) => {
  const noise = (size: number) => randomBytes(size).toString('base64');
  const files = Array.from({ length: 40 }, (_, file) => ({
    path: `c${file}.json`,
    content: JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `c${at}-${file}`, namespace: 'shop' },
      data: { noise: noise(30_000) },
    }),
  }));
  return JSON.stringify({
    argv: ['kubectl', 'apply', ...files.flatMap(({ path }) => ['-f', path]), '-n', 'shop'],
    files,
  });
};

const kinds: readonly Kind[] = [
  {
    name: 'keys by the half million',
    abuse: ({ stranger }) => flood(4, () => post(stranger, manyKeys)),
    answers: [400],
    cpuMs: 900,
  },
  {
    name: 'manifests of a hundred thousand lines',
    abuse: ({ member }) => flood(4, () => post(member, manifest)),
    answers: [200],
    cpuMs: 600,
  },
  {
    name: 'uploads by the hundred',
    abuse: ({ stranger }) => flood(100, () => post(stranger, upload)),
    answers: [429],
    cpuMs: 200,
  },
  {
    name: 'readers of large results that do not read',
    abuse: async ({ member }) => {
      const id = await start(member, 'big', 'wait=60');
      return silent(60, `GET /v1/commands/${id} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${member}\r\n\r\n`);
    },
    answers: [0],
    cpuMs: 60,
  },
  {
    name: 'requests that follow each other unread',
    abuse: () => silent(60, 'GET /openapi.json HTTP/1.1\r\nhost: g\r\n\r\n'.repeat(200)),
    answers: [0],
    cpuMs: 60,
  },
  {
    name: 'half-open connections',
    abuse: () => silent(1_500, 'POST /v1/clusters/demo/explain HTTP/1.1\r\nhost: g\r\n'),
    answers: [0],
    cpuMs: 5,
  },
  {
    name: 'reads without end',
    abuse: ({ stranger }) => flood(30, () => get(stranger, '/v1/commands')),
    answers: [200],
    cpuMs: 15,
  },
  {
    name: 'ids that nobody has',
    abuse: ({ stranger }) => flood(30, (at) => get(stranger, `/v1/commands/nope-${at}`)),
    answers: [404],
    cpuMs: 15,
  },
  {
    name: 'queries of the trail',
    abuse: ({ stranger }) => flood(10, () => get(stranger, '/v1/audit/events')),
    answers: [200],
    cpuMs: 60,
  },
  {
    name: 'long polls',
    abuse: async ({ member }) => {
      const id = await start(member, 'slow', 'respond-async');
      const wait = { prefer: `wait=${SECONDS}` };
      return flood(300, () => get(member, `/v1/commands/${id}`, wait));
    },
    answers: [200, 429],
    cpuMs: 15,
  },
  {
    name: 'aliases of aliases',
    abuse: ({ member }) => flood(4, () => post(member, aliases)),
    answers: [400],
    cpuMs: 60,
  },
  {
    name: 'expressions at their worst',
    abuse: ({ member }) => flood(4, (at) => post(member, worstTexts[at % worstTexts.length] ?? '')),
    answers: [400],
    cpuMs: 300,
  },
  {
    name: 'spaces in headers',
    abuse: ({ member }) => {
      const spaces = `a${' '.repeat(9_000)}b`;
      const headers = { 'idempotency-key': spaces, accept: spaces, prefer: spaces };
      return flood(10, () => post(member, argv('kubectl', 'version'), { route: 'commands', headers }));
    },
    answers: [400],
    cpuMs: 30,
  },
  {
    name: 'content that is slow to pack',
    abuse: ({ member }) =>
      flood(4, (at) => post(member, toPack(at), { route: 'commands', headers: { prefer: 'respond-async' } })),
    answers: [202],
    cpuMs: 900,
  },
  {
    name: 'keys for idempotency',
    abuse: ({ member }) =>
      flood(20, (at) =>
        post(member, argv('kubectl', 'version'), {
          route: 'commands',
          headers: { 'idempotency-key': `k${at}`, prefer: 'respond-async' },
        }),
      ),
    answers: [202],
    cpuMs: 60,
  },
];

describe(`abuse${linux ? '' : ' (memory and CPU are measured on Linux alone)'}`, () => {
  test.each(kinds)(
    'by $name holds up nobody, and stays within the budgets of memory and CPU',
    async ({ abuse, answers, cpuMs: budget }) => {
      const attackers: Attackers = {
        stranger: await azure.entra.userToken({ oid: randomUUID() }),
        member: await azure.entra.userToken({ oid: randomUUID(), groups: [people.team] }),
      };
      const before = cpuMs();
      let most = 0;
      const watching = setInterval(() => (most = Math.max(most, rssMib())), 50);
      const attack = abuse(attackers).finally(() => clearInterval(watching));
      const p99 = await honestP99(attack);
      const statuses = await attack;
      const used = cpuMs() - before;
      const requests = statuses.values().reduce((sum, count) => sum + count, 0);
      if (process.env['ABUSE'] !== undefined)
        console.log(
          `honest p99 ${p99.toFixed(0)} ms (${quiet.toFixed(0)} alone), RSS ${most.toFixed(0)} MiB, ` +
            `CPU ${(used / requests).toFixed(1)} ms a request, statuses ${JSON.stringify(Object.fromEntries(statuses))}`,
        );
      expect([...statuses.keys()]).toEqual(expect.arrayContaining([...answers]));
      expect(statuses.get(500)).toBeUndefined();
      expect(p99).toBeLessThan(Math.max(HONEST_P99_MS, quiet * 8));
      expect(most).toBeLessThan(MOST_RSS_MIB);
      expect(used / requests).toBeLessThan(budget);
    },
    120_000,
  );
});
