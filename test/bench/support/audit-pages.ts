import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../../infra/build.ts';
import { startAzure } from '../../../infra/local/azure.ts';
import { people, writeConfig } from '../../../infra/local/stack.ts';
import { startGatewayProcess } from '../../support/gateway-process.ts';

/**
 * Pages through all of `GET /v1/audit/events` of a gateway as it is deployed, and tells its process's memory before that and at its
 * peak (Linux).
 */
export async function pageOverHttp(place: string, nodeOptions: string) {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-pages-'));
  mkdirSync(join(folder, 'data'));
  symlinkSync(join(place, 'log'), join(folder, 'data/audit'));
  symlinkSync(join(place, 'signing.jwk'), join(folder, 'data/signing.jwk'));
  const azure = await startAzure();
  const { config, env } = writeConfig(folder, azure, 0, (yaml) =>
    // More pages, and more of them in bytes, than a caller may have in a minute.
    yaml.replace(
      /perPrincipal: \{(.*)\}/,
      `perPrincipal: {$1, requestsPerMinute: 1000000, bytesOutPerMinute: 100000000000 }\n  total: { bytesOutPerMinute: 100000000000 }`,
    ),
  );
  const dist = join(folder, 'dist');
  await bundle(dist);
  const server = join(dist, 'functions/server.js');
  const gateway = await startGatewayProcess(config, { ...env, NODE_OPTIONS: nodeOptions }, server);
  try {
    const token = await azure.entra.userToken({ oid: people.auditor });
    const startMiB = peakMiB(gateway.pid);
    const started = performance.now();
    let found = 0;
    let pages = 0;
    let cursor = '';
    do {
      const response = await fetch(`${gateway.url}/v1/audit/events?limit=1000${cursor && `&cursor=${cursor}`}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      const body = (await response.json()) as { readonly items: readonly unknown[]; readonly next: string | null };
      found += body.items.length;
      pages += 1;
      cursor = body.next ?? '';
    } while (cursor !== '');
    return {
      found,
      pages,
      ms: Math.round(performance.now() - started),
      startMiB,
      peakMiB: peakMiB(gateway.pid),
    };
  } finally {
    await gateway.stop();
    await azure.close();
    rmSync(folder, { recursive: true });
  }
}

/** The most that a process has had resident, proc(5). */
function peakMiB(pid: number): number {
  const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1024);
}
