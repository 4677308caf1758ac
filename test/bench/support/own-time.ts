import { fork } from 'node:child_process';
import { Agent, request } from 'node:http';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmulatedAzure } from '../../../infra/local/azure.ts';
import { startArm } from '../../../infra/local/arm.ts';
import { startEntra } from '../../../infra/local/entra.ts';
import { people, writeConfig } from '../../../infra/local/stack.ts';
import { startGatewayProcess } from '../../support/gateway-process.ts';
import { clusterId, manyClusters } from './many-clusters.ts';

/** The gateway's own time for a command: the load, and the processes it takes. The emulated ARM answers at once. */
export const CLUSTERS = 400;

interface Sample {
  readonly gatewayMs: number;
  readonly status: number;
}

interface Azure {
  readonly authority: string;
  readonly url: string;
  readonly token: string;
  stop(): void;
}

if (process.argv.includes('--azure')) await azureProcess();

/** Entra and ARM; says where they are, and mints the caller's token. */
async function azureProcess(): Promise<void> {
  const entra = await startEntra();
  const arm = await startArm({
    clusters: Array.from({ length: CLUSTERS }, (_, index) => ({ resourceId: clusterId(index) })),
  });
  const token = await entra.userToken({ oid: people.user, groups: [people.team] });
  process.send?.({ authority: entra.authority, url: arm.url, token });
}

/** In a process of its own. */
export async function startAzureProcess(): Promise<Azure> {
  const azure = fork(import.meta.filename, ['--azure'], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  process.once('exit', () => azure.kill());
  const where = await new Promise<Omit<Azure, 'stop'>>((resolve) =>
    azure.once('message', (message) => resolve(message as Omit<Azure, 'stop'>)),
  );
  return { ...where, stop: () => void azure.kill() };
}

/** A gateway in a process of its own, with many clusters, and what sends it commands. */
export async function startLoaded({ authority, url, token }: Azure, edit = (yaml: string): string => yaml) {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-bench-'));
  const { config, env } = writeConfig(folder, { entra: { authority }, arm: { url } } as EmulatedAzure, 0, (yaml) =>
    edit(manyClusters(CLUSTERS)(yaml)),
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
  const stop = async (): Promise<void> => {
    agent.destroy();
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    url: gateway.url,
    pid: gateway.pid,
    headers,
    data: join(folder, 'data'),
    send,
    disconnect: () => agent.destroy(),
    stop,
    cpuMs: () => cpuMs(gateway.pid),
  };
}

/** A request every 1/rate s, whatever becomes of the others: no coordinated omission. */
export async function steady(send: () => Promise<Sample>, perSecond: number, seconds: number) {
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
export async function saturated(send: () => Promise<Sample>, callers: number, commands: number) {
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

/** What a process has used of a processor, in ms: unlike times, it says the same on a machine that others use. Linux alone tells it. */
function cpuMs(pid: number): number {
  try {
    // proc(5): fields 14 and 15, counted from behind the name in brackets, in hundredths of a second.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return Number.NaN;
  }
}
