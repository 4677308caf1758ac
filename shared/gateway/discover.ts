import type { Cluster } from '../config/config.ts';
import type { ExtraResource } from '../kubernetes/extra-resource.ts';
import { isBuiltIn, isBuiltInGroup } from '../kubernetes/known-kinds.ts';
import type { CommandId } from '../lib/ids.ts';
import { MAX_NOTE } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import { fromRow, keyOf, noteOf, readKept, type Kept } from './discovered.ts';
import { startOwnCommand } from './own-command.ts';
import { whileLeased } from './while-leased.ts';

const DAY_MS = 24 * 60 * 60_000;
const LOOK_SECONDS = 60;
/** A look that failed is made again after this. */
const RETRY_MS = 10 * 60_000;

/**
 * Reads the definitions of custom resources of each cluster with `resources: discover`, once a day, as a command of the gateway's own, into the
 * records, where every process finds them. For a timer.
 */
export async function discoverResources(context: GatewayContext): Promise<void> {
  for (const cluster of context.config.current().clusters.values()) {
    if (!cluster.discover || cluster.runAs === 'caller' || !(await isDue(context, cluster))) continue;
    await whileLeased(context, `discover.${keyOf(cluster)}`, async () => {
      if (await isDue(context, cluster)) await discoverOn(context, cluster);
    }).catch(context.onError);
  }
}

async function isDue({ records, clock, config, discovered }: GatewayContext, cluster: Cluster): Promise<boolean> {
  const tried = discovered.get(`${keyOf(cluster)}.tried`);
  if (tried && clock.monotonic() - tried.readAt < RETRY_MS) return false;
  const kept = readKept((await records.getNote(noteOf(cluster)))?.text);
  if (!kept || clock.now() - kept.at >= DAY_MS) return true;
  // Not more often, even if somebody changes a definition back and forth.
  if (kept.stale && clock.now() - kept.at >= RETRY_MS) return true;
  return kept.disputed.length > 0 && kept.config !== config.current().digest;
}

/** Group, plural, kind, scope, served versions, short names; what is in a definition besides is nobody's business here. */
const COLUMNS =
  'jsonpath={range .items[*]}{.spec.group}|{.spec.names.plural}|{.spec.names.kind}|{.spec.scope}|' +
  '{range .spec.versions[?(@.served==true)]}{.name} {end}|{range .spec.names.shortNames[*]}{@} {end}{"\\n"}{end}';

async function discoverOn(context: GatewayContext, cluster: Cluster): Promise<void> {
  const { records, clock, entropy, config, discovered } = context;
  discovered.set(`${keyOf(cluster)}.tried`, { readAt: clock.monotonic(), is: undefined });
  const id = entropy.uuid() as CommandId;
  const active = await startOwnCommand(context, {
    id,
    cluster,
    purpose: 'discover',
    reason: 'read the definitions of custom resources',
    words: ['kubectl', 'get', 'customresourcedefinitions.v1.apiextensions.k8s.io', `--output=${COLUMNS}`],
    timeoutSeconds: LOOK_SECONDS,
  });
  const ended = await active.finished;
  const output = ended.status === 'completed' && ended.exitCode === 0 ? await records.getOutput(id) : undefined;
  if (!output) return; // the next sweep but a few looks again
  const note = await records.getNote(noteOf(cluster));
  const kept = keep(readDefinitions(Buffer.from(output.stdout).toString('utf8')), readKept(note?.text), {
    at: clock.now(),
    config: config.current().digest,
  });
  await records.putNote(noteOf(cluster), { version: note?.version ?? 0, text: JSON.stringify(kept) });
  discovered.delete(keyOf(cluster));
  discovered.delete(`${keyOf(cluster)}.tried`);
}

const resourceName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u;
const groupName = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/u;
const kindName = /^[A-Z][A-Za-z0-9]{0,62}$/u;
const versionName = /^v(\d{1,3})(?:(alpha|beta)(\d{1,3}))?$/u;

/**
 * What the cluster says of itself, as far as it can be a custom resource: nothing in a group of Kubernetes' own, whatever its name. Short names
 * that mean something already go to nobody else (kubernetes/resources.ts).
 */
export function readDefinitions(text: string): readonly ExtraResource[] {
  return text.split('\n').flatMap((line): ExtraResource[] => {
    const [group = '', resource = '', kind = '', scope = '', versions = '', shorts = ''] = line.split('|');
    const version = versions.trim().split(' ').toSorted(byPriority)[0] ?? '';
    const sound =
      groupName.test(group) && resourceName.test(resource) && kindName.test(kind) && versionName.test(version);
    if (!sound || isBuiltInGroup(group) || isBuiltIn(`${resource}.${group}`)) return [];
    const shortNames = shorts.split(' ').filter((word) => resourceName.test(word));
    return [{ group, version, resource, kind, namespaced: scope !== 'Cluster', shortNames }];
  });
}

/** As the API server orders them: v2, v1, v1beta1, v1alpha1 (apimachinery, version.CompareKubeAwareVersionStrings). */
function byPriority(a: string, b: string): number {
  const rank = (text: string): readonly number[] => {
    const [, major = '0', stage, minor = '0'] = versionName.exec(text) ?? [];
    return [stage === undefined ? 2 : stage === 'beta' ? 1 : 0, Number(major), Number(minor)];
  };
  const [one, other] = [rank(a), rank(b)];
  return one.map((value, at) => (other[at] ?? 0) - value).find((difference) => difference !== 0) ?? 0;
}

const rowOf = ({ group, resource, kind, namespaced, version, shortNames }: ExtraResource): string =>
  [group, resource, kind, namespaced ? 'N' : 'C', version, shortNames.join(' ')].join('|');

const nameOf = ({ resource, group }: ExtraResource): string => `${resource}.${group}`;

/**
 * What is kept of what was read. Where a kind changed its scope under one configuration, its old one stays and it is disputed: a rule for one
 * namespace would otherwise reach all of them.
 */
function keep(read: readonly ExtraResource[], before: Kept | undefined, now: Pick<Kept, 'at' | 'config'>): Kept {
  const old = before?.config === now.config ? before.rows.map(fromRow) : [];
  const scopes = new Map(old.map((one) => [nameOf(one), one.namespaced]));
  const disputed = read.filter((one) => scopes.has(nameOf(one)) && scopes.get(nameOf(one)) !== one.namespaced);
  const kept = read.map((one) => ({ ...one, namespaced: scopes.get(nameOf(one)) ?? one.namespaced }));
  const names = disputed.map(nameOf);
  let room = MAX_NOTE - 1_000 - JSON.stringify(names).length;
  const rows = kept.map(rowOf).filter((row) => (room -= row.length + 4) >= 0);
  return { ...now, rows, disputed: names, cut: rows.length < kept.length };
}
