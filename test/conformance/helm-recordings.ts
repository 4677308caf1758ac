import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_NAMESPACES, describeAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { compareVersions, type PodTools } from '../../shared/command/pod-tools.ts';
import { splitWords } from '../../shared/command/words.ts';
import { covers } from './compare.ts';
import type { HelmCase } from './helm-cases.ts';
import { context } from './kubectl-cluster.ts';
import { RECORDINGS, type RecordedCommand, type RecordedRequest } from './recordings.ts';

/** What a real API server wrote down while a real helm ran the words that the gateway sends; made by record/record-helm.ts. */
export interface HelmRecording {
  readonly recorded: string;
  readonly server: string;
  readonly helm: string;
  readonly states: Readonly<Record<string, string>>;
  readonly commands: readonly RecordedCommand[];
}

export const readHelmRecordings = (): HelmRecording[] =>
  readdirSync(RECORDINGS)
    .filter((name) => /^helm-.*\.json$/u.test(name))
    .map((name) => JSON.parse(readFileSync(join(RECORDINGS, name), 'utf8')) as HelmRecording);

/** As it is sent to a pod that has not told which helm it has, unless `tools` say. */
export function understandHelm(
  { command, uploads }: Pick<HelmCase, 'command' | 'uploads'>,
  tools?: PodTools,
): Invocation {
  const files = Object.entries(uploads).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
  return interpret({ argv: splitWords(`helm ${command}`), files, stdin: undefined }, context, tools);
}

/** Whether a helm knows the flags of a command. */
export const knowsCase = (version: string, { since, until }: HelmCase): boolean =>
  (since === undefined || compareVersions(version, since) >= 0) &&
  (until === undefined || compareVersions(version, until) < 0);

/** Requests that neither an attribute covers nor the right to the release and to what it holds. */
export function unsaidOfHelm(
  { attributes }: Invocation,
  holds: readonly string[],
  requests: readonly RecordedRequest[],
): string[] {
  const releases = attributes.filter(({ resource }) => resource === 'releases');
  const missing = requests
    .filter(({ asked }, at) => !wordsError(asked, requests.slice(0, at)))
    .map(({ asked }) => asked)
    .filter((asked) => !attributes.some((one) => covers(one, asked)))
    .filter((asked) => !releases.some((one) => keepsRelease(one, asked)))
    .filter((asked) => !(releases.length > 0 && holds.some((text) => isOf(text, asked))))
    .map(describeAttributes);
  return [...new Set(missing)];
}

/** After a 404 helm, as kubectl, looks whether the namespace is there, to word its error. */
const wordsError = (asked: ResourceAttributes, before: readonly RecordedRequest[]): boolean =>
  asked.verb === 'get' &&
  asked.resource === 'namespaces' &&
  before.some((one) => one.failed === 404 && one.asked.namespace === asked.name);

/** A request for one of the objects that `resource.group namespace/name` names; a POST has the name in its body. */
export function isOf(text: string, { group, resource, namespace, name }: ResourceAttributes): boolean {
  const place = `${resource}.${group} ${namespace}/`;
  return text.startsWith(place) && (name === '' || text === `${place}${name}`);
}

const READS = ['get', 'list'];

/** A release is kept in Secrets `sh.helm.release.v1.NAME.vREVISION` of its namespace. */
export function keepsRelease(release: ResourceAttributes, asked: ResourceAttributes): boolean {
  const here = release.namespace === ALL_NAMESPACES || release.namespace === asked.namespace;
  if (asked.group !== '' || asked.resource !== 'secrets' || !here) return false;
  const named =
    asked.name === '' || release.name === '' || asked.name.startsWith(`sh.helm.release.v1.${release.name}.`);
  const reading = READS.includes(release.verb);
  return named && (reading ? READS.includes(asked.verb) : true);
}
