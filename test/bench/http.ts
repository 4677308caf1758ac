import { saturated, startAzureProcess, startLoaded, steady } from './support/own-time.ts';

/**
 * The gateway's own time for a command, everything but Azure and waiting for it, durable audit and records included; at a steady
 * 20 and 100 requests/s and at as many as it takes. The emulated ARM answers at once and has a process of its own, as the gateway has;
 * this process makes the load. Prints one JSON object; `node test/bench/http.ts [--quick]`.
 */
const quick = process.argv.includes('--quick');
const azure = await startAzureProcess();
const { send, stop } = await startLoaded(azure);
try {
  await steady(send, 80, 5); // each cluster once: its state is read then, and kept
  const result = {
    what: "the gateway's own time per command, audit and records durable; Azure answers at once",
    at20PerSecond: await steady(send, 20, quick ? 5 : 20),
    at100PerSecond: await steady(send, 100, quick ? 5 : 20),
    saturated: await saturated(send, 256, 2_000),
    aims: { p50Ms: 2, p99Ms: 10 },
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
} finally {
  await stop();
  azure.stop();
}
