import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startAzureProcess, startLoaded, steady } from './support/own-time.ts';

/**
 * What telemetry costs a command: two gateways side by side, one of them with traces and metrics over OTLP and Prometheus' text, under the
 * same load in turns, so that whatever else the machine does hits both. Prints one JSON object; `node test/bench/telemetry.ts [--quick] [--rate=40]`.
 */
const quick = process.argv.includes('--quick');
const rate = process.argv.find((word) => word.startsWith('--rate='))?.slice('--rate='.length);
const PER_SECOND = Number(rate ?? 40);
const SECONDS = quick ? 5 : 20;
const ROUNDS = quick ? 3 : 5;

let received = 0;
const sink = createServer((request, response) => {
  request.on('data', (part: Buffer) => (received += part.length));
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
});
await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
const { port } = sink.address() as AddressInfo;

const azure = await startAzureProcess();
const measured = (yaml: string): string =>
  yaml.replace('\nstorage:', `\ntelemetry: { prometheus: true, otlp: "http://127.0.0.1:${port}" }\nstorage:`);
const off = await startLoaded(azure);
const on = await startLoaded(azure, measured);
try {
  await Promise.all([steady(off.send, 80, 5), steady(on.send, 80, 5)]);
  const cpu = { off: -off.cpuMs(), on: -on.cpuMs() };
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [without, having] = await Promise.all([
      steady(off.send, PER_SECOND, SECONDS),
      steady(on.send, PER_SECOND, SECONDS),
    ]);
    rounds.push({
      off: without.gatewayMs,
      on: having.gatewayMs,
      notCompleted: without.notCompleted + having.notCompleted,
    });
  }
  cpu.off += off.cpuMs();
  cpu.on += on.cpuMs();
  const commands = PER_SECOND * SECONDS * ROUNDS;
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  const p50 = { off: median(rounds.map(({ off }) => off.p50)), on: median(rounds.map(({ on }) => on.p50)) };
  const result = {
    what: "the gateway's own time per command without and with telemetry, side by side; medians over rounds",
    perSecondEach: PER_SECOND,
    rounds,
    p50,
    p99: { off: median(rounds.map(({ off }) => off.p99)), on: median(rounds.map(({ on }) => on.p99)) },
    worsePercent: Number((100 * (p50.on / p50.off - 1)).toFixed(1)),
    cpuMsPerCommand: { off: Number((cpu.off / commands).toFixed(2)), on: Number((cpu.on / commands).toFixed(2)) },
    receivedBytes: received,
    aims: { worsePercent: 10 },
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
} finally {
  await Promise.all([off.stop(), on.stop()]);
  azure.stop();
  sink.close();
  sink.closeAllConnections();
}
