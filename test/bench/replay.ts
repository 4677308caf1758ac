import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadLocalRootKey } from '../../shared/audit/keys.ts';
import { main } from '../../shared/client/main.ts';
import { clusterOf, principalOf, writeTrail } from './support/audit-trail.ts';

/**
 * How long `aksgw policy diff OLD NEW --audit` takes over a trail of 100,000 events, and over one of 100,000 decisions (three events each).
 * Twenty roles; the new file takes one of ten clusters away. Prints one JSON object; `node test/bench/replay.ts [--quick]`.
 */
const sizes = process.argv.includes('--quick') ? [100_000] : [100_000, 300_000];
const folder = mkdtempSync(join(tmpdir(), 'aksgw-replay-'));
try {
  const key = await loadLocalRootKey(join(folder, 'signing.jwk'));
  const files = ['old.yaml', 'new.yaml'].map((name) => join(folder, name));
  const clusters = Array.from({ length: 10 }, (_none, index) => clusterOf(index));
  files.forEach((file, index) => writeFileSync(file, configuration(clusters, clusters.slice(index))));
  const found = [];
  for (const size of sizes) {
    const audit = join(folder, `trail-${size}`);
    const { events } = await writeTrail(audit, key, size);
    found.push({ events, ...(await replay([...files, '--audit', audit])) });
  }
  process.stdout.write(`${JSON.stringify({ diff: found, aims: { secondsOver100000Events: 10 } }, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

async function replay(words: readonly string[]): Promise<{ seconds: number; found: string }> {
  let out = '';
  const started = performance.now();
  const code = await main(['policy', 'diff', ...words], {
    env: {},
    stdin: (async function* () {})(),
    stdout: { write: (chunk) => (out += Buffer.from(chunk as Uint8Array).toString()) },
    stderr: process.stderr,
    cwd: () => folder,
  });
  const seconds = Number(((performance.now() - started) / 1_000).toFixed(2));
  const summary = /^\d+ replayed, .*$/m.exec(out)?.[0];
  if (code !== 1 || summary === undefined) throw new Error(`the replay ended with ${code}: ${out.slice(0, 500)}`);
  return { seconds, found: summary };
}

function configuration(all: readonly string[], bound: readonly string[]): string {
  const subscription = '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg';
  const provider = 'providers/Microsoft.ContainerService/managedClusters';
  const roles = Array.from({ length: 20 }, (_none, index) => `role-${index}`);
  const subjects = Array.from({ length: 100 }, (_none, index) => `{ user: ${principalOf(index)} }`);
  return `version: 1
identity: { tenants: [11111111-1111-4111-8111-111111111111], audience: 22222222-2222-4222-8222-222222222222 }
azure: { credential: { kind: default } }
clusters:
${all.map((name) => `  ${name}: { resourceId: ${subscription}/${provider}/${name} }`).join('\n')}
storage: { audit: 'file:a', records: 'sqlite:r', signingKey: 'file:k' }
policy:
  roles:
${roles.map((name, index) => `    ${name}: { allow: [{ verbs: [get, list], resources: [pods], namespaces: [${index === 19 ? 'shop' : name}] }] }`).join('\n')}
  bindings:
${roles.map((name) => `    - { role: ${name}, clusters: [${bound.join(', ')}], subjects: [${subjects.join(', ')}] }`).join('\n')}
`;
}
