import { CLUSTER_ID } from '../../../infra/local/stack.ts';

/** Azure takes about one request a second for a subscription, and the gateway keeps to that: so the load goes to many of them. */
export const clusterId = (index: number): string =>
  CLUSTER_ID.replace(
    '00000000-0000-4000-8000-000000000001',
    `00000000-0000-4000-9000-${String(index).padStart(12, '0')}`,
  );

/** What is measured is the gateway, not what it lets one caller have. */
const unlimited =
  'requestsPerMinute: 100000000, auditLinesPerMinute: 100000000, bytesInPerMinute: 10000000000, bytesOutPerMinute: 10000000000, openRequests: 100000, heldBytes: 1000000000';

/** The demo's configuration with `count` clusters, c0 and on, and limits that do not bind. */
export const manyClusters =
  (count: number) =>
  (yaml: string): string =>
    yaml
      .replace(
        / {2}demo:\n(?: {4}.*\n)+/,
        Array.from({ length: count }, (_, index) => `  c${index}: { resourceId: ${clusterId(index)} }\n`).join(''),
      )
      .replaceAll('clusters: [demo]', "clusters: ['*']")
      .replace(
        /perPrincipal: .*/,
        `perPrincipal: { running: 5000, queued: 5000, submitsPerMinute: 1000000, storedBytes: 1000000000000, ${unlimited} }\n  total: { ${unlimited} }`,
      )
      .replace(/perCluster: .*/, 'perCluster: { running: 5000 }');
