import { parseArgs } from 'node:util';
import { eventCodes } from '../../../audit/events.ts';
import { changesBetween } from '../../../config/changes.ts';
import type { Config } from '../../../config/config.ts';
import { jobPrincipal, type Principal } from '../../../identity/principal.ts';
import { describeAttributes, type ResourceAttributes } from '../../../kubernetes/attributes.ts';
import { printable } from '../../../lib/safe-text.ts';
import {
  comparePolicies,
  createReplay,
  type AskedBefore,
  type PolicyChange,
  type Replayed,
} from '../../../policy/difference.ts';
import type { Host } from '../../host.ts';
import { readPolicyConfig } from '../config.ts';
import { openTrail } from '../log.ts';
import { DISCOVERED_USAGE, discoveredOption, unknownKinds, withDiscovered } from './discovered.ts';

const USAGE = `aksgw policy diff OLD.yaml NEW.yaml [--audit FOLDER | https://…] [--discovered FILE | URL]… [--json]

What each subject of a binding may do under one configuration and not under the other, and the places of policy and clusters that differ: the
security of pods, charts and the blocked are told by place alone. --audit replays instead what was really asked, as the
audit trail has it, and shows every verdict that changes. Pods and charts count as allowed, since the trail keeps no files; a membership
of a group that no binding named when it was asked is not known. Exits 1 when a verdict changes.
${DISCOVERED_USAGE}`;

/** `aksgw policy diff`. */
export async function diff(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      audit: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
      ...discoveredOption,
    },
  });
  const [oldFile, newFile, ...more] = positionals;
  if (values.help || oldFile === undefined || newFile === undefined || more.length > 0) {
    host.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const given = [oldFile, newFile].flatMap((file) => readPolicyConfig(file, host) ?? []);
  const [before, after] = await withDiscovered(given, values.discovered, host);
  if (!before || !after) throw new Error('both configurations are needed');
  return values.audit === undefined
    ? compareFiles(before, after, host, values.json)
    : replayTrail({ before, after, folder: values.audit, json: values.json }, host);
}

function compareFiles(before: Config, after: Config, host: Host, json: boolean | undefined): number {
  const changes = comparePolicies(before, after);
  // Some of it no question above asks for: pods' security, charts, the blocked, memberships of several subjects at once.
  const places = changesBetween(before, after).filter((place) => /^([+-] )?(policy|clusters|and)\b/.test(place));
  if (json) {
    const plain = changes.map((change) => ({ ...change, resources: Object.fromEntries(change.resources) }));
    host.stdout.write(`${JSON.stringify({ changes: plain, places }, null, 2)}\n`);
  } else {
    for (const change of changes) host.stdout.write(printable(`${describeChange(change)}\n`));
    if (places.length > 0) host.stdout.write(printable(`changed in the file: ${places.join(', ')}\n`));
    for (const note of new Set([before, after].flatMap((config) => unknownKinds(config)))) host.stdout.write(note);
    host.stdout.write(`${changes.length} differences, ${places.length} changed places\n`);
  }
  return changes.length + places.length === 0 ? 0 : 1;
}

function describeChange({ subject, cluster, before, after, namespace, name, resources }: PolicyChange): string {
  const byVerbs = new Map<string, string[]>();
  for (const [resource, verbs] of resources) {
    const key = verbs.join(',');
    byVerbs.set(key, [...(byVerbs.get(key) ?? []), resource]);
  }
  const where = namespace === '' ? 'cluster-scoped' : namespace === '*' ? 'all namespaces' : `namespace ${namespace}`;
  const head = `${subject} on ${cluster}, ${where}${name && `, named ${name}`}: ${before} -> ${after}`;
  return [head, ...[...byVerbs].map(([verbs, names]) => `  ${verbs}: ${names.join(' ')}`)].join('\n');
}

interface PrincipalLine {
  readonly tid: string;
  readonly oid: string;
  readonly idtyp: 'user' | 'app' | 'job';
}

interface MembershipsLine {
  readonly appRoles: readonly string[];
  readonly groups: readonly string[];
  readonly groupsUnknown?: true;
  readonly cut?: number;
}

/** A line of the trail that stands for a decision. */
interface DecidedLine {
  readonly code: string;
  readonly time: string;
  readonly principal?: PrincipalLine;
  readonly requester?: PrincipalLine;
  readonly cluster?: { readonly name: string };
  readonly attributes?: readonly ResourceAttributes[];
  readonly attributesCut?: number;
  readonly memberships?: MembershipsLine;
  readonly requesterMemberships?: MembershipsLine;
  readonly reason?: string;
  readonly decision?: 'allow' | 'deny';
}

const decidedCodes = new Set<string>([
  eventCodes['command.intended'],
  eventCodes['command.denied'],
  eventCodes['command.explained'],
]);
/** What most lines lack: they are passed over by their bytes, without a parse. */
const needle = Buffer.from('"decision":"', 'latin1');

interface Trail {
  readonly before: Config;
  readonly after: Config;
  readonly folder: string;
  readonly json: boolean | undefined;
}

interface Group {
  readonly replayed: Replayed;
  readonly who: string;
  readonly what: string;
  count: number;
  readonly last: { time: string };
}

async function replayTrail({ before, after, folder, json }: Trail, host: Host): Promise<number> {
  const log = await openTrail(folder, undefined, host);
  const replay = createReplay(before, after);
  const changed = new Map<string, Group>();
  const counts = { replayed: 0, changed: 0, otherwise: 0, incomplete: 0 };
  for (const stream of await log.streams())
    for await (const { bytes, text, complete } of log.read(stream)) {
      if (!complete || !bytes.includes(needle)) continue;
      const line = JSON.parse(text) as DecidedLine;
      if (!decidedCodes.has(line.code)) continue;
      const asked = askedOf(line);
      if (!asked) {
        counts.incomplete += 1;
        continue;
      }
      counts.replayed += 1;
      const replayed = replay(asked);
      if (!replayed.faithful) counts.otherwise += 1;
      if (replayed.before.verdict === replayed.after.verdict) continue;
      counts.changed += 1;
      note(changed, line, asked, replayed);
    }
  const groups = [...changed.values()].toSorted((a, b) => b.count - a.count);
  if (json) host.stdout.write(`${JSON.stringify({ ...counts, changes: groups }, null, 2)}\n`);
  else {
    for (const group of groups) host.stdout.write(printable(`${describeGroup(group)}\n`));
    host.stdout.write(
      `${counts.replayed} replayed, ${counts.changed} would be decided otherwise (${groups.length} kinds)\n`,
    );
    if (counts.otherwise > 0)
      host.stdout.write(
        `note: ${counts.otherwise} were decided otherwise than the first file decides: by another configuration, for pods or charts, or through a membership that is not in the trail\n`,
      );
    if (counts.incomplete > 0)
      host.stdout.write(`note: ${counts.incomplete} are not whole in the trail and were left out\n`);
  }
  return changed.size === 0 ? 0 : 1;
}

function askedOf(line: DecidedLine): AskedBefore | undefined {
  const { principal, requester, cluster, attributes, reason, decision } = line;
  if (!principal || !cluster || !attributes || !decision) return undefined;
  const { attributesCut, memberships, requesterMemberships } = line;
  if ((attributesCut ?? memberships?.cut ?? requesterMemberships?.cut) !== undefined) return undefined;
  return {
    principal: principalOf(principal, memberships),
    ...(requester && { requester: principalOf(requester, requesterMemberships) }),
    cluster: cluster.name,
    attributes,
    reason,
    decision,
  };
}

function principalOf(
  { tid, oid, idtyp }: PrincipalLine,
  { appRoles, groups, groupsUnknown }: MembershipsLine = { appRoles: [], groups: [] },
): Principal {
  if (idtyp === 'job') return jobPrincipal(oid);
  const token = {
    tid,
    oid,
    azp: '',
    uti: '',
    roles: appRoles,
    groups: { known: groupsUnknown === undefined, ids: groups },
  };
  return idtyp === 'user' ? { ...token, kind: 'user', scopes: [] } : { ...token, kind: 'app' };
}

function note(changed: Map<string, Group>, line: DecidedLine, asked: AskedBefore, replayed: Replayed): void {
  const behind = asked.requester ? ` for user ${asked.requester.oid}` : '';
  const who = `${asked.principal.kind} ${asked.principal.oid}${behind} on ${asked.cluster}`;
  const what = asked.attributes.map(describeAttributes).join(', ');
  const key = JSON.stringify([who, what, replayed.before, replayed.after]);
  const group = changed.get(key);
  if (!group) changed.set(key, { replayed, who, what, count: 1, last: { time: line.time } });
  else {
    group.count += 1;
    if (line.time > group.last.time) group.last.time = line.time;
  }
}

function describeGroup({ replayed: { before, after }, who, what, count, last }: Group): string {
  const by = ({ verdict, rule }: Replayed['before']): string =>
    rule === undefined ? verdict : `${verdict} by ${rule}`;
  const why = after.explanation === undefined ? '' : `\n  ${after.explanation}`;
  return `${count}x ${who}: ${what}: ${by(before)} -> ${by(after)} (last ${last.time})${why}`;
}
