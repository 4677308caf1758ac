import { finder, partOf, rowsOf, type Answers } from '../answers.ts';
import { percent, resources } from '../quantity.ts';
import { decoded, items, time } from '../rows.ts';
import type { Finding, Part } from '../status.ts';
import { minorOf } from '../versions.ts';

const found = finder('nodes');
/** Percent of what a node can give to pods. */
const FULL = 90;
/** kubernetes.io/releases/version-skew-policy: a kubelet may be three minor versions older than the API server, and never newer. */
const MOST_SKEW = 3;

/** Ready, pressure, cordoned, skew, and what is used of what there is. */
export function nodes(answers: Answers, serverMinor: number | undefined): Part {
  const used = new Map(
    rowsOf(answers, 'nodeMetrics').map(({ name, fields: [usage = ''] }) => [name, resources(usage)]),
  );
  const findings: Finding[] = [];
  const metrics: Finding[] = [];
  const counts = { total: 0, ready: 0, notReady: 0, pressure: 0, cordoned: 0 };
  const pools = new Map<string, { nodes: number; versions: Set<string>; images: Set<string> }>();
  const sums = { cpuUsed: 0, cpu: 0, memoryUsed: 0, memory: 0 };
  let oldest: number | undefined;

  for (const row of rowsOf(answers, 'nodes')) {
    const [created, , cordoned, conditions = '', kubelet = '', pool = '', image = '', allocatable = ''] = row.fields;
    const version = decoded(kubelet);
    const states = items(conditions).map((item) => item.split('=').map(decoded));
    const [, ready, why = ''] = states.find(([type]) => type === 'Ready') ?? [];
    counts.total += 1;
    const born = time(created);
    if (born !== undefined) oldest = Math.min(oldest ?? born, born);
    if (ready === 'True') counts.ready += 1;
    else {
      counts.notReady += 1;
      findings.push(found('failing', 'node-not-ready', row, why || 'its kubelet says nothing'));
    }
    const pressing = states.filter(([type, state]) => type !== 'Ready' && state === 'True');
    if (pressing.length > 0) {
      counts.pressure += 1;
      findings.push(found('degraded', 'node-pressure', row, pressing.map(([type]) => type).join(', ')));
    }
    if (cordoned === 'true') {
      counts.cordoned += 1;
      findings.push(found('degraded', 'node-cordoned', row, 'takes no new pods'));
    }
    const skew = (serverMinor ?? 0) - (minorOf(version) ?? serverMinor ?? 0);
    if (serverMinor !== undefined && (skew > MOST_SKEW || skew < 0))
      findings.push(found('degraded', 'kubelet-skew', row, `kubelet ${version}, API server 1.${serverMinor}`));
    const group = pools.get(pool) ?? { nodes: 0, versions: new Set(), images: new Set() };
    pools.set(pool, { ...group, nodes: group.nodes + 1 });
    if (version !== '') group.versions.add(version);
    if (image !== '') group.images.add(image);

    const has = resources(allocatable);
    const uses = used.get(row.name);
    const shares = { CPU: percent(uses?.cpu, has.cpu), memory: percent(uses?.memory, has.memory) };
    for (const [what, share] of Object.entries(shares))
      if (share !== undefined && share >= FULL)
        metrics.push(found('degraded', 'node-full', row, `${share} % of its ${what} is used`));
    if (uses?.cpu !== undefined && has.cpu !== undefined) {
      sums.cpuUsed += uses.cpu;
      sums.cpu += has.cpu;
    }
    if (uses?.memory !== undefined && has.memory !== undefined) {
      sums.memoryUsed += uses.memory;
      sums.memory += has.memory;
    }
  }
  const numbers = {
    ...counts,
    cpuPercent: percent(sums.cpuUsed, sums.cpu),
    memoryPercent: percent(sums.memoryUsed, sums.memory),
    oldestDays: oldest === undefined ? undefined : Math.floor((answers.now - oldest) / 86_400_000),
    pools: [...pools].slice(0, MOST_POOLS).map(([pool, { nodes: size, versions, images }]) => ({
      pool,
      nodes: size,
      versions: [...versions].slice(0, 10),
      images: [...images].slice(0, 10),
    })),
  };
  return partOf(
    answers,
    { nodes: findings, nodeMetrics: metrics },
    numbers,
    `${counts.ready} of ${counts.total} ready`,
  );
}

const MOST_POOLS = 100;
