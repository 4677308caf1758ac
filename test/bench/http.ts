import { fork } from 'node:child_process';
import { Agent, request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmulatedAzure } from '../../infra/local/azure.ts';
import { startArm } from '../../infra/local/arm.ts';
import { startEntra } from '../../infra/local/entra.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { clusterId, manyClusters } from './support/many-clusters.ts';

/**
 * The gateway's own time for a command, everything but Azure and waiting for it, durable audit and records included; at a steady
 * 100 requests/s and at as many as it takes. The emulated ARM answers at once and has a process of its own, as the gateway has;
 * this process makes the load. Prints one JSON object; `node test/bench/http.ts [--quick]`.
 */
const quick = process.argv.includes('--quick');

const CLUSTERS = 400;

interface Sample {
  readonly gatewayMs: number;
  readonly status: number;
}

if (process.argv.includes('--azure')) await azureProcess();
else process.stdout.write(`${JSON.stringify(await bench(), null, 2)}\n`);

/** Entra and ARM; says where they are, and mints the caller's token. */
async function azureProcess(): Promise<void> {
  const entra = await startEntra();
  const arm = await startArm({
    clusters: Array.from({ length: CLUSTERS }, (_, index) => ({ resourceId: clusterId(index) })),
  });
  const token = await entra.userToken({ oid: people.user, groups: [people.team] });
  process.send?.({ authority: entra.authority, url: arm.url, token });
}

export async function bench() {
  const azure = fork(import.meta.filename, ['--azure'], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  process.once('exit', () => azure.kill());
  const { authority, url, token } = await new Promise<{ authority: string; url: string; token: string }>((resolve) =>
    azure.once('message', (message) => resolve(message as { authority: string; url: string; token: string })),
  );
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-bench-'));
  const { config, env } = writeConfig(
    folder,
    { entra: { authority }, arm: { url } } as EmulatedAzure,
    0,
    manyClusters(CLUSTERS),
  );
  const gateway = await startGatewayProcess(config, { ...env, AKSGW_LOG_LEVEL: 'error' });
  let sent = 0;
  // Node's own client: a fetch costs this machine, which the gateway shares, several times as much.
  const agent = new Agent({ keepAlive: true });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const send = () =>
    new Promise<Sample>((resolve, reject) => {
      const url = `${gateway.url}/v1/clusters/c${sent++ % CLUSTERS}/commands`;
      const sending = request(url, { method: 'POST', agent, headers }, (response) => {
        const own = /gateway;dur=([\d.]+)/.exec(response.headers['server-timing']?.toString() ?? '')?.[1];
        response.resume().once('end', () => {
          resolve({ gatewayMs: Number(own ?? Number.NaN), status: response.statusCode ?? 0 });
        });
      });
      sending.once('error', reject).end('{"argv":["kubectl","get","pods","-n","shop"]}');
    });
  try {
    await steady(send, 80, 5); // each cluster once: its state is read then, and kept
    const paced = await steady(send, 100, quick ? 5 : 20);
    const most = await saturated(send, 256, 2_000);
    return {
      what: "the gateway's own time per command, audit and records durable; Azure answers at once",
      at100PerSecond: paced,
      saturated: most,
      aims: { p50Ms: 2, p99Ms: 10 },
    };
  } finally {
    agent.destroy();
    await gateway.stop();
    azure.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A request every 1/rate s, whatever becomes of the others: no coordinated omission. */
async function steady(send: () => Promise<Sample>, perSecond: number, seconds: number) {
  const began = performance.now();
  const under: Promise<Sample>[] = [];
  for (let count = 0; count < perSecond * seconds; count++) {
    const due = began + (count * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    under.push(send());
  }
  return summary(await Promise.all(under), (performance.now() - began) / 1000);
}

/** So many callers, each sending its next command when the last is answered. */
async function saturated(send: () => Promise<Sample>, callers: number, commands: number) {
  const began = performance.now();
  const samples: Sample[] = [];
  let left = commands;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (; left > 0; samples.push(await send())) left--;
    }),
  );
  return { callers, ...summary(samples, (performance.now() - began) / 1000) };
}

function summary(samples: readonly Sample[], seconds: number) {
  const good = samples.filter(({ status, gatewayMs }) => status === 200 && !Number.isNaN(gatewayMs));
  const times = good.map(({ gatewayMs }) => gatewayMs).sort((a, b) => a - b);
  const at = (share: number): number =>
    Number((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(2));
  return {
    commands: samples.length,
    notCompleted: samples.length - good.length,
    commandsPerSecond: Number((good.length / seconds).toFixed(1)),
    gatewayMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
  };
}
