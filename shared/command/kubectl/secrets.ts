import { isObject, type Json, type JsonObject } from '../json.ts';
import { checkName, isSubdomain } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import type { Call } from './verb.ts';

/** Some Secrets are more than data: the cluster or a tool acts on what they say. */
const TOKEN_TYPE = 'kubernetes.io/service-account-token';
const TOKEN_ACCOUNT = 'kubernetes.io/service-account.name';
const BOOTSTRAP_TYPE = 'bootstrap.kubernetes.io/token';
const RELEASE_TYPE = 'helm.sh/release.v1';
/** `sh.helm.release.v1.NAME.vREVISION` (helm, pkg/storage, makeKey). */
const releaseName = /^sh\.helm\.release\.v1\.(?:(?<release>.+)\.v[0-9]+$)?/u;

export const isSecret = ({ group, resource }: ResourceType): boolean => group === '' && resource === 'secrets';

interface Place {
  readonly namespace: string;
  /** '' where it is not known: any. */
  readonly name: string;
}

/**
 * What writing a Secret needs beyond its own verb. `body` is the object, or the part of one that a change brings; a value that is
 * not known is null.
 */
export function needsOfSecret(call: Call, { namespace, name }: Place, body: JsonObject): void {
  const metadata = isObject(body.metadata) ? body.metadata : {};
  const labels = isObject(metadata.labels) ? metadata.labels : {};
  const annotations = isObject(metadata.annotations) ? metadata.annotations : {};
  if (body.type === BOOTSTRAP_TYPE)
    throw refuse(BOOTSTRAP_TYPE, 'is a credential with which a machine joins the cluster');
  if (body.type === TOKEN_TYPE || Object.hasOwn(annotations, TOKEN_ACCOUNT)) {
    needsOfToken(call, namespace, annotations[TOKEN_ACCOUNT]);
  }
  // helm finds the revisions of a release by this label, or by the Secret's name; it never looks at the type (pkg/storage/driver).
  const owner = Object.hasOwn(labels, 'owner') && (labels.owner === 'helm' || labels.owner === null);
  const prefix = name === '' && typeof metadata.generateName === 'string' ? metadata.generateName : name;
  if (body.type === RELEASE_TYPE || owner || releaseName.test(prefix)) needsOfRelease(call, { namespace, name });
}

/** The cluster fills such a Secret with a token that does not expire, also when only the annotation of an old one changes. */
function needsOfToken(call: Call, namespace: string, account: Json | undefined): void {
  const type = call.catalog.builtIn('serviceaccounts');
  const name = typeof account === 'string' ? checkName(type, account) : '';
  call.needs.add('create', type, { namespace, name, subresource: 'token' });
}

/** A release written by hand decides what helm deletes when it uninstalls it, and what it applies when it rolls back. */
export function needsOfRelease(call: Call, place: Place): void {
  for (const verb of ['install', 'upgrade']) needRelease(call, verb, place);
}

/** Labels by which helm finds the revisions of a release, and what it takes for the newest and deployed one (pkg/storage/driver). */
export const releaseLabels: ReadonlySet<string> = new Set(['owner', 'name', 'status', 'version']);

/** Deleting the last revision of a release by hand makes helm forget it. Without a name it may be any Secret. */
export function needsOfDeletingSecret(call: Call, place: Place): void {
  if (place.name === '' || releaseName.test(place.name)) needRelease(call, 'uninstall', place);
}

function needRelease(call: Call, verb: string, { namespace, name }: Place): void {
  const release = releaseName.exec(name)?.groups?.['release'] ?? '';
  call.needs.addRaw({
    verb,
    group: 'helm.sh',
    resource: 'releases',
    subresource: '',
    namespace,
    name: isSubdomain(release) ? release : '',
  });
}

/** What a JSON patch may add by copying or moving a value within the object that is not known here. */
export const unknownMetadata: JsonObject = {
  metadata: { labels: { owner: null }, annotations: { [TOKEN_ACCOUNT]: null } },
};
