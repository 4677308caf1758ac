import { readFileSync } from 'node:fs';
import type { Cluster, Config, Discovered } from '../../../config/config.ts';
import { readDefinitions } from '../../../gateway/discover.ts';
import type { ExtraResource } from '../../../kubernetes/extra-resource.ts';
import { printable } from '../../../lib/safe-text.ts';
import { didYouMean } from '../../../lib/suggest.ts';
import type { Host } from '../../host.ts';
import { askGateway, readAddress } from '../ask-gateway.ts';

/** The option of the commands that look at a policy offline. */
export const discoveredOption = { discovered: { type: 'string', multiple: true } } as const;

export const DISCOVERED_USAGE = `--discovered FILE is what a gateway has read of a cluster with resources: discover (aksgw -o json clusters NAME > FILE), or its address: then it
is asked, with your own sign-in. May be given for each cluster.
`;

/** What a gateway says of a cluster, as far as it counts here. */
interface Recorded {
  readonly name: string;
  readonly is: Discovered;
}

/**
 * The configurations with what their clusters' own definitions hold, as it was recorded or as a gateway says it now. Throws Error for what is
 * not such a record, or of no cluster that has its definitions read.
 */
export async function withDiscovered(
  configs: readonly Config[],
  places: readonly string[] | undefined,
  host: Host,
): Promise<readonly Config[]> {
  if (places === undefined) return configs;
  const recorded = new Map<string, Discovered>();
  for (const place of places)
    for (const { name, is } of await read(place, configs, host)) {
      const known = configs.flatMap(({ clusters }) => clusters.get(name) ?? []);
      if (known.length === 0)
        throw new Error(
          `${place}: no cluster is called "${name}".${didYouMean(
            name,
            configs.flatMap(({ clusters }) => [...clusters.keys()]),
          )}`,
        );
      if (known.every(({ discover }) => !discover))
        throw new Error(`${place}: cluster ${name} has no resources: discover, so nothing that was read of it counts`);
      recorded.set(name, is);
    }
  const known = (cluster: Cluster): Cluster => {
    const discovered = cluster.discover ? recorded.get(cluster.name) : undefined;
    return discovered ? { ...cluster, discovered } : cluster;
  };
  return configs.map((config) => ({
    ...config,
    clusters: new Map([...config.clusters].map(([name, cluster]) => [name, known(cluster)] as const)),
  }));
}

/** A word for each cluster whose own kinds are not known here. */
export const unknownKinds = (config: Config, of: (cluster: Cluster) => boolean = () => true): readonly string[] =>
  [...config.clusters.values()]
    .filter((cluster) => cluster.discover && !cluster.discovered && of(cluster))
    .map(
      ({ name }) =>
        `note: what the definitions of cluster ${name} hold is not known here: --discovered FILE or address\n`,
    )
    .map(printable);

async function read(place: string, configs: readonly Config[], host: Host): Promise<readonly Recorded[]> {
  if (!/^https?:\/\//i.test(place)) {
    const value = JSON.parse(readFileSync(place, 'utf8')) as unknown;
    return (Array.isArray(value) ? value : [value]).map((one) => readRecorded(one, place));
  }
  const names = new Set(
    configs.flatMap(({ clusters }) => [...clusters.values()].flatMap(({ name, discover }) => (discover ? [name] : []))),
  );
  if (names.size === 0) throw new Error('--discovered: no cluster of the configuration has resources: discover');
  const base = readAddress('--discovered', place);
  const found: Recorded[] = [];
  for (const name of names)
    found.push(readRecorded(await askGateway(base, `/v1/clusters/${encodeURIComponent(name)}`, host), base));
  return found;
}

function readRecorded(value: unknown, place: string): Recorded {
  const { name, resources } = membersOf(value);
  const { discovered } = membersOf(resources);
  if (typeof name !== 'string' || discovered === undefined)
    throw new Error(`${place}: is not what GET /v1/clusters/NAME answers (aksgw -o json clusters NAME)`);
  if (discovered === null) throw new Error(`${place}: the gateway has not read the definitions of cluster ${name}`);
  const { at, items, disputed, truncated } = membersOf(discovered);
  const listed = Array.isArray(items) ? items.map(membersOf) : [];
  const kinds = listed.map(readKind);
  const wrong = listed.find((_, index) => kinds[index] === undefined);
  if (!Array.isArray(items) || wrong !== undefined)
    throw new Error(`${place}: ${JSON.stringify(wrong?.['name'] ?? 'resources.discovered')} is not a custom resource`);
  return {
    name,
    is: {
      at: typeof at === 'string' ? Date.parse(at) : Number.NaN,
      resources: kinds.flatMap((kind) => kind ?? []),
      disputed: Array.isArray(disputed) ? disputed.map(String) : [],
      cut: truncated === true,
    },
  };
}

/** By the reader of what a cluster says of itself: nothing here counts that would not there. */
function readKind({ name, kind, version, namespaced, shortNames }: Record<string, unknown>): ExtraResource | undefined {
  const [, resource = '', group = ''] = /^([^.]*)\.(.*)$/s.exec(String(name)) ?? [];
  const shorts = Array.isArray(shortNames) ? shortNames.join(' ') : '';
  const scope = namespaced === true ? 'Namespaced' : 'Cluster';
  const row = [group, resource, kind, scope, version, shorts].join('|');
  return row.includes('\n') || typeof namespaced !== 'boolean' ? undefined : readDefinitions(row)[0];
}

const membersOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
